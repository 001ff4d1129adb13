"""Seals: the checksum of a whole table as it stands, so that it can be said later whether it is still the same.

A proof compares two shapes; once one of them is gone, it cannot be made again. A seal needs the one table only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from ecluse.model.names import Name
from ecluse.proof.checksum import Projection, Sum, form, read_sums, sums_sql
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
    queries = [_query(readers, name, columns) for name, columns in tables.items()]
    seals = []
    for (name, columns), rows in zip(tables.items(), readers.run(queries), strict=True):
        total = reduce(add, read_sums(rows[0]), Sum())
        seals.append(Seal(str(name), total.rows, total.hex, tuple(columns)))
    return tuple(seals)


def _query(readers: Readers, name: Name, columns: Sequence[str]) -> str:
    rows = f"SELECT * FROM {name.sql}"
    types = readers.types(rows, columns)
    forms = tuple(form(column, types[column], types[column]) for column in columns)
    return sums_sql(rows, (Projection(forms),))
