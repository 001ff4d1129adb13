"""How long the steps of a plan may take: from sizes, made on the machine of nobody in particular."""

from __future__ import annotations

from collections.abc import Iterable

from ecluse.model.catalog import Table

# Bytes a second on two ordinary cores: read, mapped and written; sorted into an index; hashed.
COPY, INDEX, HASH = 60e6, 150e6, 200e6
SOME_PAGES = 256  # a range, where a step shows the SQL of one


def rows(tables: Iterable[Table]) -> int | None:
    """The rows of all tables; None where one of them was never analysed."""
    counts = [table.rows for table in tables]
    return None if any(count < 0 for count in counts) else sum(map(round, counts))


def octets(tables: Iterable[Table]) -> float:
    """The size of all tables, without indexes."""
    return sum(table.pages for table in tables) * 8192.0
