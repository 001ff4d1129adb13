"""What the tests of a prepared database share."""

from __future__ import annotations

from typing import Any

import psycopg

from ecluse.model.names import ident
from ecluse.postgres.connect import Database

ROLES = ("anon", "authenticated", "service_role", "authenticator")


def ask(database: Database, *statements: str) -> list[tuple[Any, ...]]:
    """Run the statements in one transaction that is rolled back; the rows of the last."""
    with psycopg.connect(database.conninfo) as conn:
        for statement in statements:
            cursor = conn.execute(statement.encode())
        rows = cursor.fetchall()
        conn.rollback()
        return rows


def drop_roles(database: Database) -> None:
    """Take the roles from the server again, with what they hold in this database."""
    made = ["supabase_admin", "supabase_auth_admin", "visitor", *ROLES]
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        for (role,) in conn.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", (made,)).fetchall():
            conn.execute(f"DROP OWNED BY {ident(role)} CASCADE".encode())
        for role in made:
            conn.execute(f"DROP ROLE IF EXISTS {ident(role)}".encode())
