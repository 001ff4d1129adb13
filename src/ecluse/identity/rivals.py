"""Ids that mean two people: which fault of the sources each is. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations

from ecluse.identity.findings import Fault, Finding
from ecluse.identity.outcomes import Ambiguous, Record, contradiction, same_form
from ecluse.identity.tally import SAMPLES
from ecluse.model.identity import Kind

_MESSAGES = {
    Fault.EMAIL_CASE: "of two people, alike but for upper and lower case",
    Fault.EMAIL_TWICE: "under two ids that are not one person's",
    Fault.ID_TWICE: "in two rows of one table, which are two people",
    Fault.TWO_PEOPLE: "in two tables, under two different people",
}
_CAUSES = {
    Fault.EMAIL_CASE: "a person signed up twice; the column is unique as a text, which upper and lower case are not",
    Fault.EMAIL_TWICE: "a person got a second account, or a profile was made anew under another id",
    Fault.ID_TWICE: "the column has no unique index",
    Fault.TWO_PEOPLE: "an id of one kind was written, or numbered, as if it were another's",
}
_CHANGED = "or it is one person, whose e-mail was changed in one of the tables only"


class Rivals:
    """Collects what the sources say against each other. One pair of rows is one fault, by however many ids it shows."""

    def __init__(self, show: Callable[[str], str]) -> None:
        self._show = show
        self._found: defaultdict[tuple[Fault, str], dict[str, tuple[str, bool]]] = defaultdict(dict)

    def add(self, value: str, outcome: Ambiguous) -> None:
        """Take a value that means two people."""
        for one, other in combinations(outcome.records, 2):
            if (conflict := contradiction(one, other)) is not None:
                fault, key = _fault(value, one, other)
                where = " and ".join(dict.fromkeys(self._places(value, record) for record in (one, other)))
                changed = conflict is Kind.EMAIL and bool(_kinds(value, one) & _kinds(value, other))
                self._found[fault, where].setdefault(key, (self._sample(value, one, other, conflict), changed))

    def _places(self, value: str, record: Record) -> str:
        return ", ".join(sorted(record.source.place(kind) for kind in _kinds(value, record)))

    def _sample(self, value: str, one: Record, other: Record, conflict: Kind) -> str:
        if _kinds(value, one) == {Kind.EMAIL} and one.written(Kind.EMAIL) != other.written(Kind.EMAIL):
            shown = " and ".join(self._show(record.written(Kind.EMAIL) or "") for record in (one, other))
        else:
            shown = self._show(value)
        differ = " or ".join(self._show(record.written(conflict) or "") for record in (one, other))
        return f"{shown} ({conflict} {differ})"

    def findings(self) -> Iterator[Finding]:
        """The faults, in a fixed order."""
        for (fault, where), found in sorted(self._found.items()):
            causes = [_CAUSES[fault]] + [_CHANGED] * any(changed for _, changed in found.values())
            samples = tuple(sorted(sample for sample, _ in found.values())[:SAMPLES])
            yield Finding(fault, where, _MESSAGES[fault], len(found), None, samples, tuple(causes))


def _kinds(value: str, record: Record) -> set[Kind]:
    return {kind for kind in Kind if record.key(kind) == same_form(kind, value)}


def _fault(value: str, one: Record, other: Record) -> tuple[Fault, str]:
    """The fault, and what counts as one of it."""
    ours, theirs = _kinds(value, one), _kinds(value, other)
    if ours == theirs == {Kind.EMAIL}:
        written = one.written(Kind.EMAIL), other.written(Kind.EMAIL)
        fault = Fault.EMAIL_CASE if written[0] != written[1] else Fault.EMAIL_TWICE
        return fault, same_form(Kind.EMAIL, value)
    key = same_form(Kind.PROFILE, value)
    return (Fault.ID_TWICE if one.source == other.source and ours & theirs else Fault.TWO_PEOPLE), key
