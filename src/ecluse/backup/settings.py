"""What was set on the database itself, put on the restored one: owner, comment, settings, rights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from ecluse.backup.programs import Emit
from ecluse.backup.target import Ways
from ecluse.model.backup import SETTINGS
from ecluse.model.names import ident, literal
from ecluse.model.report import Event
from ecluse.postgres.connect import Session


def put_settings(conn: Session, folder: Path, name: str, ways: Ways, emit: Emit) -> None:
    """Put them on the database `name`. What the role may not set is told by name, never with its value."""
    kept: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    there = {row[0] for row in conn.execute("SELECT rolname::text FROM pg_catalog.pg_roles")}
    for what, statements in _statements(kept, ident(name), there, ways):
        try:
            with conn.transaction():
                for statement in statements:
                    conn.execute(statement.encode())
        except psycopg.errors.Error as error:
            if isinstance(error, psycopg.OperationalError):
                raise
            emit(Event("warn", "restored", f"not set on the database: {what} ({error.diag.sqlstate})"))


def _statements(kept: dict[str, Any], database: str, there: set[str], ways: Ways) -> Iterator[tuple[str, list[str]]]:
    if not ways.no_owner and kept["owner"] in there:
        yield f"owner {kept['owner']}", [f"ALTER DATABASE {database} OWNER TO {ident(kept['owner'])}"]
    if kept["comment"] is not None:
        yield "the comment", [f"COMMENT ON DATABASE {database} IS {literal(kept['comment'])}"]
    if kept["connection_limit"] >= 0:
        limit = f"ALTER DATABASE {database} CONNECTION LIMIT {int(kept['connection_limit'])}"
        yield "the connection limit", [limit]
    for each in kept["settings"] or ():
        if each["role"] is None or each["role"] in there:
            yield f"the setting {each['name']}", _setting(each, database)
    if kept["granted"] and not ways.no_owner:
        yield "the rights on it", list(_grants(kept["grants"] or (), database, there))


def _setting(each: dict[str, Any], database: str) -> list[str]:
    """FROM CURRENT, so that PostgreSQL itself takes lists of names apart, as in a search_path."""
    whose = f"ROLE {ident(each['role'])} IN DATABASE" if each["role"] else "DATABASE"
    name = ".".join(ident(part) for part in each["name"].split("."))
    return [
        f"SELECT pg_catalog.set_config({literal(each['name'])}, {literal(each['value'])}, true)",
        f"ALTER {whose} {database} SET {name} FROM CURRENT",
    ]


def _grants(grants: Any, database: str, there: set[str]) -> Iterator[str]:
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
    for each in grants:
        if each["role"] is None or each["role"] in there:
            who = "PUBLIC" if each["role"] is None else ident(each["role"])
            option = " WITH GRANT OPTION" if each["grantable"] else ""
            yield f"GRANT {each['privilege']} ON DATABASE {database} TO {who}{option}"
