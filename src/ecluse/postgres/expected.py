"""What a script makes, read as a catalogue: it is run in an empty database of an embedded server, and taken back.

Everything is in one transaction, roles included, that is rolled back; the database is dropped. So a script that
`pg_dump` wrote needs nothing but its own text, and nothing of it stays.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from pglast import ast, parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream
from pglast.visitors import Visitor

from ecluse.errors import ExpectationError
from ecluse.model.catalog import Catalog
from ecluse.model.names import ident
from ecluse.postgres.binaries import nearest_server
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.embedded import server_for

_COMMAND = re.compile(r"(?m)^\\(?:un)?restrict\b.*$|^\\connect\b.*$")
_ROWS = re.compile(r"(?m)^COPY [^;]+ FROM stdin;$")
# What is of the server, of rows or of the moment, and no part of a schema.
_LEFT_OUT = (ast.TransactionStmt, ast.CreateSubscriptionStmt, ast.InsertStmt, ast.CreatedbStmt, ast.VacuumStmt)
# What may fail where the server is of another make than the one that the script was written on.
_MAY_FAIL = (ast.VariableSetStmt, ast.CreateExtensionStmt, ast.CommentStmt, ast.AlterOwnerStmt)


def expected_of(script: str, name: str, actual: Catalog, project: Path) -> Catalog:
    """The catalogue that the script `name` makes on a server of `actual`'s major version, or the nearest there is.

    Raises ExpectationError, which says file and line.
    """
    statements = list(_statements(script, name))
    with server_for(project, programs=nearest_server(actual.server_version // 10000)) as server:
        database = f"ecluse_expected_{secrets.token_hex(6)}"
        conninfo = server.create_database(database)
        try:
            return _made(Database(database, conninfo), statements, name, actual)
        finally:
            with psycopg.connect(server.conninfo(), autocommit=True) as conn:
                conn.execute(f"DROP DATABASE IF EXISTS {ident(database)} WITH (FORCE)".encode())


def _statements(script: str, name: str) -> Iterator[tuple[int, str, Any]]:
    """Line, text and tree of each statement that makes a part of the schema."""
    rows = _ROWS.search(script)
    if rows:
        place = f"{name}, line {_line(script, rows.start())}"
        raise ExpectationError(f"{place}: the script holds rows", hint="pg_dump --schema-only")
    text = _COMMAND.sub("", script)
    try:
        parsed = parse_sql(text)
    except ParseError as error:
        at = error.args[1] if len(error.args) > 1 and error.args[1] else 0
        raise ExpectationError(f"{name}, line {_line(text, at)}: not valid SQL: {error.args[0]}") from error
    for found in parsed:
        if not isinstance(found.stmt, _LEFT_OUT):
            start, length = found.stmt_location or 0, found.stmt_len
            piece = text[start : start + length if length else None]
            yield _line(text, start), _fitted(piece, found.stmt), found.stmt


def _line(text: str, at: int) -> int:
    return text[:at].count("\n") + 1


def _fitted(text: str, node: Any) -> str:
    """The statement as it can be run within a transaction, in a database that has a schema public."""
    if isinstance(node, ast.IndexStmt) and node.concurrent:
        node.concurrent = False
        return str(RawStream()(node))
    if isinstance(node, ast.CreateSchemaStmt) and node.schemaname == "public":
        return "SELECT 1"
    return text


class _Roles(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.named: set[str] = set()
        self.made: set[str] = set()

    def visit_RoleSpec(self, _: object, node: ast.RoleSpec) -> None:
        if node.rolename:
            self.named.add(str(node.rolename))

    def visit_CreateRoleStmt(self, _: object, node: ast.CreateRoleStmt) -> None:
        self.made.add(str(node.role))


def _made(database: Database, statements: list[tuple[int, str, Any]], name: str, actual: Catalog) -> Catalog:
    roles = _Roles()
    for _, _, node in statements:
        roles(node)
    with open_session(database, role="expected") as conn, conn.transaction(force_rollback=True):
        known = {row[0] for row in conn.execute("SELECT rolname FROM pg_roles")}
        for role in sorted(roles.named - roles.made - known):
            conn.execute(f"CREATE ROLE {ident(role)} NOLOGIN".encode())
        conn.execute("SET LOCAL search_path TO public; SET LOCAL check_function_bodies TO off")
        for line, text, node in statements:
            if isinstance(node, ast.CreateRoleStmt) and node.role in known:
                continue
            _run(conn, f"{name}, line {line}", text, node)
        return _printed_alike(conn, read_catalog(conn, measure=False), actual)


def _printed_alike(conn: psycopg.Connection[tuple[Any, ...]], made: Catalog, actual: Catalog) -> Catalog:
    """Versions print the same view in different words: let this one print the actual view, and compare with that."""
    if made.server_version // 10000 == actual.server_version // 10000:
        return made
    views = dict(made.views)
    conn.execute("SET LOCAL search_path TO ''")
    for name, view in made.views.items():
        there = actual.views.get(name)
        if there is None or there.definition == view.definition:
            continue
        with contextlib.suppress(psycopg.ProgrammingError), conn.transaction(force_rollback=True):
            conn.execute(f"CREATE VIEW public.ecluse_printed AS {there.definition}".encode())
            row = conn.execute("SELECT pg_get_viewdef('public.ecluse_printed'::regclass)").fetchone()
            if row is not None and str(row[0]).rstrip().rstrip(";") == view.definition.rstrip():
                views[name] = replace(view, definition=there.definition)
    return replace(made, views=views)


def _run(conn: psycopg.Connection[tuple[Any, ...]], place: str, text: str, node: Any) -> None:
    try:
        with conn.transaction():
            conn.execute(text.encode())
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        if not isinstance(node, _MAY_FAIL):
            raise ExpectationError(
                f"{place}: {error.diag.message_primary or 'the statement fails'}",
                details=error.diag.message_detail or "",
                hint="what the script makes must be complete: with its types, functions, schemas and extensions",
            ) from None
