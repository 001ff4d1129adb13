"""The picture of the account: how many rows of each old table were carried, merged, or put in quarantine.

Only geometry is made here; the page draws it. Units are those of the picture's own coordinates, 360 wide: as wide as a
phone, so that its letters are read there as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecluse.certificate.words import count
from ecluse.words import many

WIDTH = 360.0
FATES = ("carried", "merged", "quarantined")

_MOST = 14  # tables that are drawn on their own; the others are one bar
_THINNEST, _THICKEST = 3.0, 34.0  # of a table's bar
_LABEL, _GAP = 15.0, 7.0
_NODE, _LEFT, _RIGHT = 5.0, 0.0, 355.0
_BESIDE = 24.0  # least distance between two labels on the right
_LETTERS = 26  # that fit over a bar, the number left out


@dataclass(frozen=True, slots=True)
class Ribbon:
    """The rows of one table that have one fate: from `left` to `right`, each the upper edge, `thick` high."""

    fate: str
    left: float
    right: float
    thick: float
    title: str

    @property
    def path(self) -> str:
        """The outline, for a path element."""
        a, b, middle = _LEFT + _NODE, _RIGHT, (_LEFT + _NODE + _RIGHT) / 2
        low, end = self.left + self.thick, self.right + self.thick
        return (
            f"M{a:g},{self.left:.2f}C{middle:g},{self.left:.2f} {middle:g},{self.right:.2f} {b:g},{self.right:.2f}"
            f"V{end:.2f}C{middle:g},{end:.2f} {middle:g},{low:.2f} {a:g},{low:.2f}Z"
        )


@dataclass(frozen=True, slots=True)
class Bar:
    """A node: a table on the left, a fate on the right. `label_at` is the base line of its words."""

    label: str
    number: str
    top: float
    high: float
    label_at: float
    title: str
    fate: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it, and the sentence that says the same."""

    height: float
    tables: tuple[Bar, ...]
    fates: tuple[Bar, ...]
    ribbons: tuple[Ribbon, ...]
    says: str
    grouped: int = 0  # tables that share one bar


@dataclass(slots=True)
class _Source:
    name: str
    rows: dict[str, int]
    title: str = ""
    parts: list[tuple[str, float]] = field(default_factory=list)

    @property
    def all(self) -> int:
        return sum(self.rows.values())


def draw(accounts: Sequence[Mapping[str, Any]]) -> Picture | None:
    """The picture of these accounts; None where there is no row at all."""
    sources, grouped = _sources(accounts)
    if not sources:
        return None
    largest = max(source.all for source in sources)
    for source in sources:
        _divide(source, largest)
    tables, tops = _on_the_left(sources)
    height = tables[-1].top + tables[-1].high
    fates, starts = _on_the_right(sources, height)
    ribbons = _ribbons(sources, tops, starts)
    low = max(height, *(bar.top + bar.high for bar in fates), *(bar.label_at for bar in fates)) + 4
    return Picture(round(low, 1), tuple(tables), tuple(fates), tuple(ribbons), _says(sources), grouped)


def _sources(accounts: Sequence[Mapping[str, Any]]) -> tuple[list[_Source], int]:
    """The tables, the largest first; of many small ones, those whose every row was carried are put together."""
    found = [
        _Source(str(a["table"]), {fate: int(a[fate]) for fate in FATES}) for a in accounts if any(map(a.get, FATES))
    ]
    found.sort(key=lambda source: (-source.all, source.name))
    if len(found) <= _MOST + 1:
        return found, 0
    plain = [s for s in found if s.all == s.rows["carried"]]
    # What was merged or put aside is what one looks for: such a table stands alone as long as there is room.
    marked = [s for s in found if s.all != s.rows["carried"]][:_MOST]
    alone = {id(s) for s in (*marked, *plain[: _MOST - len(marked)])}
    rest = [s for s in found if id(s) not in alone]
    group = _Source(f"{len(rest)} other tables", {fate: sum(s.rows[fate] for s in rest) for fate in FATES})
    return [s for s in found if id(s) in alone] + [group], len(rest)


def _divide(source: _Source, largest: int) -> None:
    """How thick each part is drawn: by the square root over the tables, in proportion within one, and never unseen."""
    thick = max(_THINNEST, _THICKEST * math.sqrt(source.all / largest))
    source.parts = [
        (fate, max(_THINNEST, thick * number / source.all)) for fate, number in source.rows.items() if number
    ]


def _on_the_left(sources: list[_Source]) -> tuple[list[Bar], list[float]]:
    bars, tops, at = [], [], 0.0
    for source in sources:
        high = sum(thick for _, thick in source.parts)
        top = at + _LABEL
        parts = ", ".join(f"{count(n)} {fate}" for fate, n in source.rows.items() if n)
        title = f"{source.name}: {many(source.all, 'row')}: {parts}"
        bars.append(Bar(shortened(source.name), count(source.all), round(top, 2), round(high, 2), at + 11, title))
        tops.append(top)
        at = top + high + _GAP
    return bars, tops


def _on_the_right(sources: list[_Source], height: float) -> tuple[list[Bar], dict[str, float]]:
    """The fates, spread over the height of the tables."""
    highs = {fate: sum(t for s in sources for f, t in s.parts if f == fate) for fate in FATES}
    there = [fate for fate in FATES if highs[fate]]
    free = max(0.0, height - sum(highs[f] for f in there) - _LABEL)
    gap = max(_BESIDE, free / max(1, len(there)))
    bars, starts, at = [], {}, _LABEL
    for fate in there:
        number = sum(s.rows[fate] for s in sources)
        title = f"{fate}: {many(number, 'row')}"
        bars.append(Bar(fate, count(number), round(at, 2), round(highs[fate], 2), at - 4, title, fate))
        starts[fate] = at
        at += highs[fate] + gap
    return bars, starts


def _ribbons(sources: list[_Source], tops: list[float], starts: dict[str, float]) -> list[Ribbon]:
    found, ends = [], dict(starts)
    for source, top in zip(sources, tops, strict=True):
        at = top
        for fate, thick in source.parts:
            title = f"{source.name}: {many(source.rows[fate], 'row')} {fate}"
            found.append(Ribbon(fate, round(at, 2), round(ends[fate], 2), round(thick, 2), title))
            at += thick
            ends[fate] += thick
    return found


def _says(sources: list[_Source]) -> str:
    whole = {fate: sum(s.rows[fate] for s in sources) for fate in FATES}
    parts = ", ".join(f"{count(number)} {fate}" for fate, number in whole.items())
    return f"{many(sum(whole.values()), 'row')} of the old tables: {parts}. The figures of each table are in the table."


def shortened(name: str, letters: int = _LETTERS) -> str:
    """A long name without its middle: its end tells more than that."""
    if len(name) <= letters:
        return name
    head = letters // 2 - 1
    return f"{name[:head]}…{name[-(letters - head - 1) :]}"
