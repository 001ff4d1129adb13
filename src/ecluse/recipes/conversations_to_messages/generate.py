"""Sample legacy databases: each generation with all that broke hand-written scripts, the same for the same seed."""

from __future__ import annotations

from typing import Literal

import psycopg

from ecluse.recipes.conversations_to_messages.texts import text

Generation = Literal["L1", "L2", "L3"]
Variant = Literal["integer_feedback", "aware_timestamps", "uuid_users", "uuid_sessions", "production_columns"]

_SCRIPTS: dict[Generation, tuple[str, ...]] = {
    "L1": ("dice", "surroundings", "L1"),
    "L2": ("dice", "surroundings", "L2", "around_conversations"),
    "L3": ("dice", "surroundings", "L3", "around_conversations"),
}


def generate(
    conn: psycopg.Connection[tuple[object, ...]],
    generation: Generation,
    rows: int,
    seed: int = 1,
    variants: tuple[Variant, ...] = (),
) -> None:
    """Make the tables in schema public, in one transaction. `variants` are forms of L2 that were seen too."""
    scripts = list(_SCRIPTS[generation])
    # Before anything stands on the table: a view would forbid the change of a type.
    place = 3 if "around_conversations" in scripts else len(scripts)
    scripts[place:place] = [f"variant_{name}" for name in variants]
    with conn.transaction():
        conn.execute("set local timezone = 'UTC'")
        for name in scripts:
            conn.execute(text(f"sample/{name}.sql", rows=str(rows), seed=str(seed)).encode())
    conn.execute("analyze")
