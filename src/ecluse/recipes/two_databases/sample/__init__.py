"""Sample databases: the application's L3 with all its invitations, and one of people, with every trap that was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from ecluse.errors import UnknownGeneration
from ecluse.recipes.conversations_to_messages.generate import generate
from ecluse.recipes.conversations_to_messages.texts import text as conversations_text
from ecluse.recipes.texts import text_of

Connection = psycopg.Connection[Any]


def load(conns: Mapping[str, Connection], generation: str, rows: int, seed: int) -> None:
    """Fill both databases. `people` must be prepared, and without accounts."""
    app, people = conns["app"], conns["people"]
    row = people.execute("select to_regclass('auth.users') is not null").fetchone()
    if not (row and row[0]):
        raise UnknownGeneration("database 'people' is not prepared for people", hint="ecluse supabase prepare people")
    generate(app, "L3", rows, seed)
    _run(app, rows, seed, "invitations")
    _run(people, rows, seed, "accounts", *(["profiles"] if generation == "L3-profiles" else []))


def _run(conn: Connection, rows: int, seed: int, *scripts: str) -> None:
    slots = {"rows": str(rows), "seed": str(seed)}
    with conn.transaction():
        conn.execute("set local timezone = 'UTC'")
        conn.execute(conversations_text("sample/dice.sql", **slots).encode())
        for name in scripts:
            conn.execute(text_of("ecluse.recipes.two_databases.sample", f"{name}.sql", **slots).encode())
    conn.execute("analyze")
