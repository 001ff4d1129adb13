"""Numbers, times and moments as a page shows them."""

from __future__ import annotations

from datetime import UTC, datetime


def count(number: float | None) -> str:
    """A number with separators."""
    return "–" if number is None else f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """A time as people say it: two parts at most."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} days {whole % 86_400 // 3600} h"


def moment(text: str | None) -> str:
    """`2026-11-30 03:04:05 UTC`, whatever way PostgreSQL or Python wrote it; a text that is no moment stays."""
    if not text:
        return "–"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def hex_blocks(text: str) -> str:
    """A hash in blocks of eight, so that it may wrap and two people can compare it."""
    return " ".join(text[i : i + 8] for i in range(0, len(text), 8))
