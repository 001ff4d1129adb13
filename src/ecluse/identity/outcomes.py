"""What is known about an id: five outcomes that are never mixed up. Pure.

Whether two rows are one person is decided here, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from ecluse.model.identity import Kind, Source
from ecluse.model.uuid_sql import parse_uuid

_WHOLE = re.compile(r"-?[0-9]{1,18}\Z")
_UPPER = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True)
class Record:
    """A row of a source: the ids that stand in it, as they are written there."""

    source: Source
    ids: tuple[tuple[Kind, str], ...]
    deleted: bool = False

    @cached_property
    def _keys(self) -> dict[Kind, str]:
        return {kind: same_form(kind, text) for kind, text in self.ids}

    def written(self, kind: Kind) -> str | None:
        """The id as it is written."""
        return dict(self.ids).get(kind)

    def key(self, kind: Kind) -> str | None:
        """The id in the form in which two that are the same are equal."""
        return self._keys.get(kind)


@dataclass(frozen=True)
class Hit:
    """A row that has the value that was looked for, in its id column of this kind."""

    kind: Kind
    record: Record


Place = tuple[Source, Kind]


@dataclass(frozen=True)
class Found:
    """One person, by the rows that are proved to be the same one."""

    records: tuple[Record, ...]
    places: frozenset[Place]


@dataclass(frozen=True)
class Deleted(Found):
    """One person, whom a source marks as deleted."""


@dataclass(frozen=True)
class Ambiguous(Found):
    """Rows of two people, or rows of which nothing says that they are one.

    `conflict` is the id in which rows differ, None where there is no evidence at all.
    """

    conflict: Kind | None


@dataclass(frozen=True)
class Absent:
    """Every source that could know the value has answered, and none does."""


@dataclass(frozen=True)
class Unreachable:
    """A source that could know the value did not answer, so that nothing is known."""

    sources: tuple[Source, ...]


Outcome = Found | Deleted | Ambiguous | Absent | Unreachable


def same_form(kind: Kind, text: str) -> str:
    """The id so that two spellings of one are equal: UUIDs as the server prints them, e-mails in lower case.

    Only ASCII letters are folded, as every server does it alike: a person is rather not found than mistaken.
    """
    if kind is Kind.EMAIL:
        return text.translate(_UPPER)
    if kind is Kind.LEGACY and _WHOLE.match(text):
        return str(int(text))
    return parse_uuid(text) or text


def could_be(kind: Kind, text: str) -> bool:
    """Whether a value may be an id of that kind at all."""
    match kind:
        case Kind.EMAIL:
            return "@" in text
        case Kind.AUTH:
            return bool(parse_uuid(text))
        case Kind.LEGACY:
            return bool(_WHOLE.match(text))
        case Kind.PROFILE:
            return "@" not in text


def settle(hits: Iterable[Hit], silent: Sequence[Source] = (), prefer: Kind | None = None) -> Outcome:
    """What the rows that were found for one value say.

    `silent` are the sources that could know the value and did not answer. `prefer` is the kind that the value is
    declared to be: where it is found as such, what else it may be does not matter.
    """
    if silent:
        return Unreachable(tuple(silent))
    found = list(hits)
    if any(hit.kind is prefer for hit in found):
        found = [hit for hit in found if hit.kind is prefer]
    if not found:
        return Absent()
    once = {hit.record for hit in found}
    records = tuple(sorted(once, key=_order) if len(once) > 1 else once)
    places = frozenset((hit.record.source, hit.kind) for hit in found)
    one, conflict = _one_person(records)
    if not one:
        return Ambiguous(records, places, conflict)
    return (Deleted if any(record.deleted for record in records) else Found)(records, places)


def contradiction(one: Record, other: Record) -> Kind | None:
    """The id that two rows give differently, so that they cannot be one person."""
    for kind in (Kind.EMAIL, Kind.AUTH, Kind.PROFILE, Kind.LEGACY):
        ours, theirs = one.key(kind), other.key(kind)
        # Each table may number its own rows, so only the ids that are the same everywhere contradict across tables.
        everywhere = kind in (Kind.EMAIL, Kind.AUTH) or one.source is other.source or one.source == other.source
        if everywhere and ours is not None and theirs is not None and ours != theirs:
            return kind
    return None


def _proved(one: Record, other: Record) -> bool:
    """Whether two rows share an id of one kind. Whole numbers are shared by chance by two databases."""
    return any(
        one.key(kind) is not None and one.key(kind) == other.key(kind)
        for kind in Kind
        if kind is not Kind.LEGACY or one.source.database == other.source.database
    )


def _one_person(records: Sequence[Record]) -> tuple[bool, Kind | None]:
    for one, other in combinations(records, 2):
        if (conflict := contradiction(one, other)) is not None:
            return False, conflict
    known, rest = [records[0]], list(records[1:])
    while joined := [record for record in rest if any(_proved(record, other) for other in known)]:
        known += joined
        rest = [record for record in rest if record not in joined]
    return not rest, None


def _order(record: Record) -> tuple[str, tuple[tuple[Kind, str], ...], bool]:
    return (str(record.source), record.ids, record.deleted)
