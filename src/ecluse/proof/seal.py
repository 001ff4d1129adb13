"""Seals: the checksum of a whole table as it stands, so that it can be said later whether it is still the same.

A proof compares two shapes; once one of them is gone, it cannot be made again. A seal needs the one table only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecluse.model.names import Name
from ecluse.proof.compare import Relation, sums_of
from ecluse.proof.readers import Readers


@dataclass(frozen=True, slots=True)
class Seal:
    """What a table was. `sum` is that of a comparison, over these columns in this order."""

    table: str
    rows: int
    sum: str
    columns: tuple[str, ...]


def columns_of(readers: Readers, tables: Sequence[Name]) -> dict[Name, tuple[str, ...]]:
    """The columns of those tables that are there; of the others there are none."""
    found = {}
    for name in tables:
        row = readers.first.execute(
            "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_catalog.pg_attribute "
            "WHERE attrelid = pg_catalog.to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (name.sql,),
        ).fetchone()
        if row and row[0]:
            found[name] = tuple(row[0])
    return found


def seal_all(readers: Readers, tables: Mapping[Name, Sequence[str]]) -> tuple[Seal, ...]:
    """The seal of each table over these columns of it, which must be there. Reads every row once.

    Locks: ACCESS SHARE on the tables.
    """
    relations = [Relation((f"SELECT * FROM {name.sql}",), tuple(columns)) for name, columns in tables.items()]
    found = zip(relations, tables, sums_of(relations, readers), strict=True)
    return tuple(Seal(str(name), total.rows, total.hex, relation.columns) for relation, name, total in found)
