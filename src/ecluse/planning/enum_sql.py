"""The SQL of enums: made and extended when a run begins, dropped or made anew by a rollback. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from ecluse.model.names import Name, ident, literal, short
from ecluse.model.plan import Enum, EnumColumn
from ecluse.planning.ddl_text import comment


def labels_sql(labels: Iterable[str]) -> str:
    """`('a', 'b')`."""
    return f"({', '.join(map(literal, labels))})"


def create(enum: Enum) -> list[str]:
    """The type with its comment."""
    return [
        f"CREATE TYPE {enum.name.sql} AS ENUM {labels_sql(enum.labels)}",
        *comment(f"TYPE {enum.name.sql}", enum.comment),
    ]


def drop(name: Name) -> str:
    """RESTRICT: what somebody else hung on it is not ours to drop."""
    return f"DROP TYPE {name.sql} RESTRICT"


def extend(enum: Enum) -> list[str]:
    """A statement for each new label; harmless for one that is there."""
    made = []
    for place, label in enumerate(enum.labels):
        if label in enum.added:
            # One that comes before it in `labels` is there by then, or was made by the statement before.
            where = f"AFTER {literal(enum.labels[place - 1])}" if place else f"BEFORE {literal(enum.found[0])}"
            made.append(f"ALTER TYPE {enum.name.sql} ADD VALUE IF NOT EXISTS {literal(label)} {where}")
    return made


# --- a type without some of its labels ----------------------------------------------------------------


def away(name: Name) -> Name:
    """What the type is called while another takes its place."""
    return Name(name.schema, short(f"ecluse_old_{name.name}"))


def renew(name: Name, labels: Iterable[str]) -> list[str]:
    """Rename the type away, and make one with these labels in its place."""
    return [
        f"ALTER TYPE {name.sql} RENAME TO {ident(away(name).name)}",
        f"CREATE TYPE {name.sql} AS ENUM {labels_sql(labels)}",
    ]


def retype(name: Name, columns: Sequence[EnumColumn]) -> list[str]:
    """Give the columns the new type, one rewrite for each table. They may have no default then."""
    made = []
    for table, group in groupby(sorted(columns, key=lambda c: (c.table, c.name)), key=lambda c: c.table):
        parts = []
        for column in group:
            array, quoted = "[]" if column.array else "", ident(column.name)
            parts.append(f"ALTER COLUMN {quoted} TYPE {name.sql}{array} USING {quoted}::text{array}::{name.sql}{array}")
        made.append(f"ALTER TABLE {table.sql} {', '.join(parts)}")
    return made


def default_drop(table: Name, column: str) -> str:
    """ONLY: heirs have defaults of their own."""
    return f"ALTER TABLE ONLY {table.sql} ALTER COLUMN {ident(column)} DROP DEFAULT"


def default_set(table: Name, column: str, text: str) -> str:
    """The default as it was printed when the old type had its name."""
    return f"ALTER TABLE ONLY {table.sql} ALTER COLUMN {ident(column)} SET DEFAULT {text}"


def way_back(enum: Enum) -> list[str]:
    """How a rollback takes new labels off again, as far as the plan can tell.

    What stands on the columns by then is dropped before it and made again after it.
    """
    defaults = [(c.table, c.name, c.default) for c in enum.columns if c.default is not None]
    return [
        *(default_drop(table, column) for table, column, _ in defaults),
        *renew(enum.name, enum.found),
        *retype(enum.name, enum.columns),
        *(default_set(table, column, text) for table, column, text in defaults),
        f"DROP TYPE {away(enum.name).sql}",
    ]
