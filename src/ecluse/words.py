"""Numbers and sizes as people say them."""

from __future__ import annotations


def many(number: int, word: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def size(octets: float) -> str:
    """A size as people say it; what is less than nothing has its sign."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(octets) < 1000:
            return f"{octets:,.0f} {unit}"
        octets /= 1000
    return f"{octets:,.1f} TB"
