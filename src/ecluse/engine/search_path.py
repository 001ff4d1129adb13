"""Where a role finds what it names without a schema: its setting in one database, read and put back exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg

from ecluse.engine.context import Connection, Run
from ecluse.errors import MissingRights
from ecluse.model.names import ident

_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^",\s]+))\s*(?:,|\Z)')


def of(conn: Connection, role: str) -> tuple[list[str] | None, list[str]]:
    """The role's own search_path in this database, None where it has none, and the one that is in force for it."""
    rows = conn.execute(
        "SELECT s.setrole <> 0 AND s.setdatabase <> 0, substr(c, 13) FROM pg_db_role_setting s, unnest(s.setconfig) c "
        "WHERE c LIKE 'search\\_path=%%' AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = %s)) "
        "AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) "
        "ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC",
        (role,),
    ).fetchall()
    parsed = [(own, parts(text)) for own, text in rows]
    exact = next((found for own, found in parsed if own), None)
    if parsed:
        return exact, parsed[0][1]
    # What the server's configuration says, unless our own role has a setting that hides it.
    row = conn.execute(
        "SELECT CASE WHEN EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, "
        "unnest(s.setconfig) c WHERE r.rolname = session_user AND c LIKE 'search\\_path=%%') "
        "THEN boot_val ELSE reset_val END FROM pg_settings WHERE name = 'search_path'"
    ).fetchone()
    return None, parts(row[0] if row else "public")


def parts(text: str) -> list[str]:
    """The schemas of a search_path as it is stored."""
    return [quoted.replace('""', '"') if quoted else plain.lower() for quoted, plain in _PART.findall(text)]


def put(run: Run, conn: Connection, role: str, path: Sequence[str] | None) -> None:
    """Set it for the role in this database, or take its setting away. Raises MissingRights."""
    where = f"ALTER ROLE {ident(role)} IN DATABASE {ident(run.plan.database)}"
    told = "RESET search_path" if path is None else f"SET search_path TO {', '.join(map(ident, path)) or ident('')}"
    try:
        with conn.transaction():
            conn.execute(f"{where} {told}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingRights(
            f"the search_path of role '{role}' cannot be set",
            details=error.diag.message_primary or "",
            hint=f"GRANT {ident(role)} TO CURRENT_USER WITH ADMIN OPTION, or run this as a superuser",
            state="nothing was switched; the old shape is in place and in use",
        ) from None
