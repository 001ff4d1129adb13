"""A legacy table of users as such tables are: good passwords and old ones, twins, addresses that are none."""

from __future__ import annotations

from typing import Any

import psycopg

from ecluse.postgres.connect import Database

MIGRATION = """\
name = "people"
database = "app"

[[operation]]
kind = "import_users"
table = "public.users"
"""

BCRYPT = "$2b$12$" + "a" * 53
MD5 = "5f4dcc3b5aa765d61d8327deb882cf99"

USERS = """
CREATE TABLE public.users (id {type} PRIMARY KEY, email text, password_hash text, full_name text, role text,
    is_active boolean DEFAULT true, created_at timestamptz DEFAULT now(), last_login timestamptz);
"""

PEOPLE: tuple[tuple[object, ...], ...] = (
    (1, "Ada@Example.com", BCRYPT, "Ada L.", "admin", True),
    (2, "bob@example.com", MD5, "Bob", "user", True),
    (3, "cleo@example.com", None, None, None, False),
    (4, "Dan@example.com", BCRYPT, "Dan", "user", True),
    (5, "dan@example.com", BCRYPT, "Dan again", "user", True),
    (6, "not an address", BCRYPT, "Eve", "user", True),
    (7, None, BCRYPT, "Finn", "user", True),
    (8, "there@example.com", BCRYPT, "Gus", "user", True),
)
"""Five can be carried, one of whom is there already (8); 4 and 5 are twins, 6 and 7 have no address."""


def load_users(database: Database, people: tuple[tuple[object, ...], ...] = PEOPLE, kind: str = "integer") -> None:
    """Create the table with these people."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute(USERS.format(type=kind).encode())
        insert = "INSERT INTO public.users (id, email, password_hash, full_name, role, is_active)"
        conn.cursor().executemany(f"{insert} VALUES (%s, %s, %s, %s, %s, %s)".encode(), people)


def load_many(database: Database, number: int) -> None:
    """As many more people, all of whom can be carried."""
    rows(
        database,
        "INSERT INTO public.users (id, email, password_hash, full_name, role) SELECT 100 + n, 'user' || n "
        f"|| '@example.com', '{BCRYPT}', 'User ' || n, 'user' FROM generate_series(1, {number}) n",
    )


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """A statement, and what it gives."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        cursor = conn.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def mapped(database: Database) -> dict[str, tuple[str, str]]:
    """Who became whom: by the old id, the new one and the e-mail."""
    found = rows(database, "SELECT old_user_id::text, supabase_user_id::text, email FROM public.user_id_mapping")
    return {old: (new, email) for old, new, email in found}
