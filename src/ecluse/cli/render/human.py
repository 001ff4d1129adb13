"""Human text out of the values that --json prints. Meaning is never only in a colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from ecluse.words import many as many
from ecluse.words import size as size

_LEVELS = {"refuse": ("red", "refused"), "warn": ("yellow", "warning"), "note": ("cyan", "note")}


def error(found: dict[str, Any]) -> Iterator[str]:
    """An error: message and code, details, what may be pasted, and what the database is now."""
    yield f"{click.style('error:', fg='red', bold=True)} {found['message']}  [{found['code']}]"
    yield from indented(found["details"])
    if found["hint"]:
        yield ""
        yield from labelled("hint: ", found["hint"])
    if found["state"]:
        yield f"state: {found['state']}"


def labelled(label: str, text: str) -> Iterator[str]:
    """A text of several lines under a label on its first."""
    for number, part in enumerate(text.splitlines()):
        yield (label if number == 0 else " " * len(label)) + part


def indented(text: str, depth: int = 2) -> Iterator[str]:
    """The lines of a text, moved to the right."""
    for part in text.splitlines():
        yield " " * depth + part


def level(name: str) -> str:
    """The word for the level of a finding."""
    color, word = _LEVELS[name]
    return click.style(word, fg=color)


def answer(good: bool) -> str:
    """ok, or no."""
    return click.style("ok", fg="green") if good else click.style("NO", fg="red", bold=True)


def heading(text: str) -> str:
    """A line above others."""
    return click.style(text, bold=True)


def table(rows: Iterable[Sequence[object]], *, indent: int = 2, right: Iterable[int] = ()) -> Iterator[str]:
    """Columns that stand in line; those in `right` are aligned to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return
    to_right = set(right)
    widths = [max(len(click.unstyle(row[i])) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        parts = []
        for i, cell in enumerate(row):
            blank = " " * (widths[i] - len(click.unstyle(cell)))
            parts.append(blank + cell if i in to_right else cell + blank)
        yield (" " * indent + "  ".join(parts)).rstrip()


def count(number: float | None) -> str:
    """A number with separators."""
    return "?" if number is None or number < 0 else f"{number:,.0f}"


def duration(seconds: float) -> str:
    """A time as people say it: two parts at most."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 and whole % 60 else f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def about(seconds: float | None) -> str:
    """An estimated time; what takes no time to speak of is instant."""
    if seconds is None:
        return ""
    if seconds < 0.5:
        return "instant"
    return f"about {duration(float(round(seconds)))}"
