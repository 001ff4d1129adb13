"""Whether two values are the same bytes. Pure text."""

from __future__ import annotations

from ecluse.model.catalog import Column

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
