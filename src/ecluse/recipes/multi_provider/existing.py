"""What tables that are there get: columns, indexes, and new rights."""

from __future__ import annotations

from ecluse.model.catalog import Catalog, Table
from ecluse.recipes.multi_provider import rights, tables
from ecluse.recipes.multi_provider.recognise import (
    ACTIVITIES,
    TOKENS,
    USERS,
    WORKOUTS,
    is_text,
)
from ecluse.recipes.multi_provider.rights import Rights
from ecluse.recipes.multi_provider.tables import Pairs, Types
from ecluse.recipes.multi_provider.types import types

UPLOAD = (
    "case when strava_upload_id is null then '{}'::jsonb "
    "else jsonb_build_object('strava_upload_id', strava_upload_id) end"
)
UPLOAD_BACK = "activity_data ->> 'strava_upload_id'"


def user_columns(made: Types) -> Pairs:
    """The columns that users lack before."""
    return {"avatar_url": "text", "preferences": "jsonb not null default '{}'", "last_login_at": made.when}


def columns_after(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """The columns that each table has after the switch."""
    made: dict[str, tuple[str, ...]] = {}
    for name, table in rights.closable(catalog).items():
        now = [column.name for column in table.columns]
        now += [column for column in _added(catalog, table) if column not in now]
        gone = ("strava_activity_id", "strava_upload_id") if table.name == ACTIVITIES else ()
        made[name] = tuple(column for column in now if column not in gone)
    return made


def _added(catalog: Catalog, table: Table) -> tuple[str, ...]:
    if table.name == USERS:
        return tuple(user_columns(types(catalog)))
    if table.name == ACTIVITIES:
        raw = ("sport_type",) if is_text(table.column("activity_type")) else ()
        return (*raw, "external_id", "activity_data", "connection_id")
    return ("sport_type",) if table.name == WORKOUTS and is_text(table.column("workout_type")) else ()


def token_indexes(tokens: Table | None) -> tuple[str, str] | None:
    """The script that makes the indexes that links for new passwords lack, and its undo."""
    if tokens is None:
        return None
    there = {index.name for index in tokens.indexes}
    lacking = {name: tail for name, tail in tables.TOKEN_INDEXES.items() if name not in there}
    up = "; ".join(f"create index {name} on {TOKENS} {tail}" for name, tail in lacking.items())
    return (up, "; ".join(f"drop index public.{name}" for name in lacking)) if lacking else None


def closing(catalog: Catalog, may: Rights) -> str:
    """The script that closes the tables that were there."""
    return "\n".join(
        [
            "-- Run within the switch. People read their own rows, and nobody but services a secret.",
            "",
            rights.closing(may, rights.closable(catalog), columns_after(catalog)),
            "",
        ]
    )


def reopening(catalog: Catalog) -> str:
    """Its undo, for the table that is not built anew: all others come back with the rights that they had."""
    back = [rights.reopening(table) for name, table in rights.closable(catalog).items() if name == str(TOKENS)]
    return "\n".join(["-- The way back.", *back, ""])
