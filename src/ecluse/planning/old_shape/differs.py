"""Whether two values are the same bytes, and what becomes of one where they are not. Pure text."""

from __future__ import annotations

from ecluse.model.catalog import Column
from ecluse.model.names import ident

# Types of which two values that are equal are written alike.
_EXACT = frozenset(
    {"uuid", "smallint", "integer", "bigint", "boolean", "date", "bytea", "oid", "timestamp with time zone"}
)
_TEXTS = ("text", "character varying")


def differs(column: Column, one: str, other: str) -> str:
    """Whether two values of a column are not the same bytes; what has no equality has this."""
    if column.type in _EXACT:
        return f"{one} IS DISTINCT FROM {other}"
    if column.type.startswith(_TEXTS) and not column.type.endswith("[]"):
        return f'{one} COLLATE "C" IS DISTINCT FROM {other} COLLATE "C"'
    return f"record_image_ne(ROW({one}), ROW({other}))"


def becomes(column: Column) -> str:
    """The value of a row `t` that is there, where the mapping says `o` before a write and `n` after it.

    Of a document, only the keys that differ: others are what the new application keeps there.
    """
    name = ident(column.name)
    put = f"n.{name}"
    if column.type == "jsonb":
        put = _merged(*(f"{alias}.{name}" for alias in ("t", "o", "n")))
    return f"CASE WHEN {differs(column, f'o.{name}', f'n.{name}')} THEN {put} ELSE t.{name} END"


def _merged(there: str, before: str, after: str) -> str:
    was, now = (f"coalesce({value}, '{{}}')" for value in (before, after))
    objects = " AND ".join(f"jsonb_typeof({value}) = 'object'" for value in (there, was, now))
    gone = f"ARRAY(SELECT k FROM jsonb_object_keys({was}) k WHERE NOT {now} ? k)"
    changed = f"FROM jsonb_each({now}) e WHERE {was} -> e.key IS DISTINCT FROM e.value"
    new = f"SELECT jsonb_object_agg(e.key, e.value) {changed}"
    merged = f"({there} - {gone}) || coalesce(({new}), '{{}}')"
    same = f"{there} IS NOT DISTINCT FROM {before}"
    nothing = f"CASE WHEN {after} IS NULL THEN nullif({merged}, '{{}}') ELSE {merged} END"
    return f"CASE WHEN {same} THEN {after} WHEN {objects} THEN {nothing} ELSE {after} END"
