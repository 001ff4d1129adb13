"""Counts the outcomes of a column's values, and judges them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ecluse.identity.findings import ColumnState, Examined, Fault, Finding
from ecluse.identity.outcomes import Absent, Ambiguous, Deleted, Found, Outcome, Place, Unreachable, could_be
from ecluse.model.identity import Kind, Source
from ecluse.model.uuid_sql import parse_uuid

SAMPLES = 5
_PREFERENCE = (Kind.AUTH, Kind.PROFILE, Kind.LEGACY, Kind.EMAIL)


@dataclass
class _Count:
    values: int = 0
    rows: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, value: str, rows: int) -> None:
        self.values += 1
        self.rows += rows
        # The first in the order of the values, so that two audits of the same data say the same.
        self.samples = sorted([*self.samples, value])[:SAMPLES]


class Tally:
    """The outcomes of one column."""

    def __init__(self, examined: Examined, sources: tuple[Source, ...], show: Callable[[str], str]) -> None:
        self._examined = examined
        self._sources = sources
        self._show = show
        self._counts: defaultdict[tuple[type[Outcome], frozenset[Place]], _Count] = defaultdict(_Count)

    def add(self, value: str, rows: int, outcome: Outcome) -> None:
        """Count one value."""
        places = outcome.places if isinstance(outcome, Found) else frozenset()
        self._counts[type(outcome), places].add(value, rows)

    def _all(self, *kinds: type[Outcome]) -> _Count:
        total = _Count()
        for (kind, _), count in self._counts.items():
            if kind in kinds:
                total.values += count.values
                total.rows += count.rows
                total.samples = sorted(total.samples + count.samples)[:SAMPLES]
        return total

    def _resolved(self) -> dict[Kind, int]:
        numbers = dict.fromkeys(Kind, 0)
        for (outcome, places), count in self._counts.items():
            if outcome in (Found, Deleted):
                for kind in {kind for _, kind in places}:
                    numbers[kind] += count.values
        return numbers

    def _holds(self) -> Kind | None:
        """What the column should hold: as declared, else the id by which most values are known."""
        numbers = self._resolved()
        most = max(_PREFERENCE, key=lambda kind: numbers[kind])
        return self._examined.holder.holds or (most if numbers[most] else None)

    def state(self) -> ColumnState:
        """The numbers."""
        whole = self._all(Found, Deleted, Ambiguous, Absent, Unreachable)
        return ColumnState(
            column=str(self._examined.holder),
            known_by=self._examined.known_by,
            holds=self._holds() or "",
            judged=self._examined.judged,
            values=whole.values,
            rows=whole.rows,
            resolved={kind.value: number for kind, number in self._resolved().items()},
            deleted=self._all(Deleted).values,
            ambiguous=self._all(Ambiguous).values,
            absent=self._all(Absent).values,
            unreachable=self._all(Unreachable).values,
        )

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the column; nothing is said of one that is not judged."""
        if not self._examined.judged:
            return
        holds = self._holds()
        for (outcome, places), count in sorted(self._counts.items(), key=lambda item: _written(item[0][1])):
            if outcome in (Found, Deleted) and holds and holds not in {kind for _, kind in places}:
                yield self._wrong(holds, places, count)
        for kind, fault, message in (
            (Deleted, Fault.DELETED, "belong to people who are marked as deleted"),
            (Ambiguous, Fault.AMBIGUOUS, "may mean more than one person"),
            (Unreachable, Fault.UNREACHABLE, "could not be looked up, because a source does not answer"),
        ):
            if (count := self._all(kind)).values:
                yield self._finding(fault, message, count)
        yield from self._orphans(holds)

    def _wrong(self, holds: Kind, places: frozenset[Place], count: _Count) -> Finding:
        there = _written(places)
        wanted = ", ".join(source.place(holds) for source in self._sources if holds in source.ids)
        message = f"hold another id than the {holds} id: they stand in {there}, and not in {wanted or 'any source'}"
        kinds = {kind for _, kind in places}
        cause = f"whoever looks them up as {holds} id finds nobody; the people are there, under another id"
        if kinds == {Kind.EMAIL}:
            cause = "rows were written with the e-mail where the id belongs"
        elif kinds == {Kind.PROFILE} and holds is Kind.AUTH:
            cause = "rows were written with the id of the profile in place of the auth id"
        return self._finding(Fault.WRONG_IDENTITY, message, count, cause)

    def _orphans(self, holds: Kind | None) -> Iterator[Finding]:
        count = self._all(Absent)
        if not count.values:
            return
        causes = {_cause(value) for value in count.samples}
        if holds and self._resolved()[holds] == 0:
            causes.add(f"no value at all is known as {holds} id: perhaps the column holds ids of something else")
        if not any(kind in source.ids for source in self._sources for kind in (Kind.LEGACY, Kind.PROFILE)):
            causes.add("no source has numbers or profile ids; perhaps one is not declared in ecluse.toml")
        yield self._finding(Fault.ORPHAN, "are known to no source, by no id", count, *sorted(causes))

    def _finding(self, fault: Fault, message: str, count: _Count, *causes: str) -> Finding:
        samples = tuple(self._show(value) for value in count.samples)
        where = str(self._examined.holder)
        return Finding(fault, where, message, count.values, count.rows, samples, tuple(causes))


def _written(places: frozenset[Place]) -> str:
    return ", ".join(sorted(source.place(kind) for source, kind in places))


def _cause(value: str) -> str:
    if could_be(Kind.EMAIL, value):
        return "an e-mail that nobody has: it was changed, or never was a user's"
    if parse_uuid(value):
        return "the person was deleted outright, or is known to a source that is not declared"
    if could_be(Kind.LEGACY, value):
        return "a number that no source has: its table is not declared, or the person was deleted outright"
    return "a text that is no id at all"
