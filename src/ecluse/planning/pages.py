"""How a table is divided by its pages: the conditions, and how many."""

from __future__ import annotations

_PAGES_A_PART = 4096
_LAST = 4_294_967_295


def page_range(lo: int, hi: int) -> str:
    """The condition for the pages lo <= page < hi, which PostgreSQL 14 and later reads as a TID range scan."""
    return f"m.ctid >= '({lo},0)'::tid AND m.ctid < '({hi},0)'::tid"


def ranges(pages: int, workers: int, joined: bool) -> list[tuple[int, int]]:
    """Page ranges; few where each part joins whole tables. The last is open: rows may have come since."""
    parts = workers if joined else max(workers, pages // _PAGES_A_PART)
    size = max(1, -(-pages // parts))
    bounds = [(i * size, (i + 1) * size) for i in range(parts)]
    return [*bounds[:-1], (bounds[-1][0], _LAST)]
