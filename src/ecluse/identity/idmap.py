"""The id map: for each value of a column, the id that it should be, and the evidence. Never a guess.

A value that is that id already stands in the map as well, as itself: so what is not in the map is nobody's.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ecluse.errors import SourceUnreachable, WrongUsage
from ecluse.identity.columns import counted, declared_column
from ecluse.identity.outcomes import Absent, Ambiguous, Deleted, Found, Outcome, Record, Unreachable
from ecluse.identity.resolve import BATCH, Resolver
from ecluse.identity.sessions import DatabaseAway, Sessions
from ecluse.model.identity import Holder, Kind
from ecluse.model.uuid_sql import parse_uuid
from ecluse.operations.inputs import EVIDENCE, MAP_COLUMNS


@dataclass(frozen=True)
class Pair:
    """A value, the id that takes its place, and how that was established."""

    old_value: str
    uuid: str
    evidence: str

    @property
    def same(self) -> bool:
        """Whether the value is the wanted id already, in whatever spelling."""
        return parse_uuid(self.old_value) == self.uuid


@dataclass(frozen=True)
class Refused:
    """A value that is not mapped, and why."""

    value: str
    reason: str


@dataclass(frozen=True)
class IdMap:
    """What can be mapped, those that change first, and what cannot."""

    pairs: tuple[Pair, ...]
    refused: tuple[Refused, ...]

    @property
    def same(self) -> int:
        """How many values are the wanted id already."""
        return sum(pair.same for pair in self.pairs)


def id_map(holders: Iterable[Holder], to: Kind, resolver: Resolver, sessions: Sessions) -> IdMap:
    """The map of the values of these columns to ids of one kind, in the order of the values."""
    answers: dict[str, Pair | Refused] = {}
    for holder in holders:
        try:
            with sessions.use(holder.database) as conn:
                values = (value for value, _ in counted(conn, declared_column(conn, holder)))
                while batch := list(islice(values, BATCH)):
                    answers |= map_values([v for v in batch if v not in answers], to, resolver)
        except DatabaseAway as away:
            raise _unreachable(holder.database, sessions) from away.error
    answered = [answers[value] for value in sorted(answers)]
    pairs = [answer for answer in answered if isinstance(answer, Pair)]
    refused = tuple(answer for answer in answered if isinstance(answer, Refused))
    return IdMap(tuple(sorted(pairs, key=lambda pair: pair.same)), refused)


def map_values(values: Sequence[str], to: Kind, resolver: Resolver) -> dict[str, Pair | Refused]:
    """The answer for each value: a pair, or a refusal.

    Raises SourceUnreachable: half a map that looks whole is worse than none.
    """
    found: dict[str, Pair | Refused] = {}
    by_email: dict[str, str] = {}
    for value, outcome in resolver.resolve(values):
        answer = _direct(value, outcome, to)
        if isinstance(answer, str):
            by_email[value] = answer
        else:
            found[value] = answer
    if by_email:
        people = dict(resolver.resolve(by_email.values(), kinds=frozenset({Kind.EMAIL})))
        found |= {value: _over_email(value, people[email], to) for value, email in by_email.items()}
    return found


def _direct(value: str, outcome: Outcome, to: Kind) -> Pair | Refused | str:
    """The answer that the rows of the value itself give; else the e-mail to go on with."""
    refused = _no_person(value, outcome)
    if refused is not None:
        return refused
    assert isinstance(outcome, Found)
    own = next((source for source, kind in sorted(outcome.places, key=str) if kind is to), None)
    if own is not None:
        return _pair(value, outcome.records, to, f"the {to} id itself: {own.place(to)}")
    rows = [record for record in outcome.records if record.key(to) is not None]
    if rows:
        source = rows[0].source
        kind = next(kind for kind in Kind if (source, kind) in outcome.places)
        how = "unique e-mail" if kind is Kind.EMAIL else "one row"
        return _pair(value, rows, to, f"{how}: {source.place(kind)}, {source.ids[to]}")
    emails = sorted({email for record in outcome.records if (email := record.written(Kind.EMAIL))})
    return emails[0] if emails else Refused(value, f"known, but no row of it has an e-mail or the {to} id")


def _over_email(value: str, outcome: Outcome, to: Kind) -> Pair | Refused:
    """The answer by the e-mail of the value's row."""
    refused = _no_person(value, outcome)
    if refused is not None:
        return refused
    assert isinstance(outcome, Found)
    rows = [record for record in outcome.records if record.key(to) is not None]
    if not rows:
        return Refused(value, f"known, but nobody of its e-mail has the {to} id")
    return _pair(value, rows, to, f"unique e-mail: {rows[0].source.place(Kind.EMAIL)}, {rows[0].source.ids[to]}")


def _pair(value: str, records: Sequence[Record], to: Kind, evidence: str) -> Pair | Refused:
    ids = {key for record in records if (key := record.key(to)) is not None}
    if len(ids) > 1:
        return Refused(value, f"ambiguous: its rows have several {to} ids")
    uuid = parse_uuid(ids.pop())
    if not uuid:
        return Refused(value, f"its {to} id is not a UUID")
    return Pair(value, uuid, evidence)


def _no_person(value: str, outcome: Outcome) -> Refused | None:
    match outcome:
        case Unreachable(sources):
            raise SourceUnreachable(f"{sources[0]} does not answer, so nobody can say who is who", hint="ecluse doctor")
        case Absent():
            return Refused(value, "absent: no source knows it")
        case Deleted():
            return Refused(value, "deleted: its person is marked as deleted")
        case Ambiguous(records=records):
            places = ", ".join(sorted({str(record.source) for record in records}))
            return Refused(value, f"ambiguous: {len(records)} rows of {places} may be meant")
        case Found():
            return None


def write_map(found: IdMap, file: Path) -> None:
    """Write the pairs to a new file that only its owner can read; one that is there is not overwritten."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        hint = f"mv {file} {file}.old"
        raise WrongUsage(f"'{file}' is there already, and maps are not overwritten", hint=hint) from None
    except OSError as error:
        raise WrongUsage(f"'{file}' cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow((*MAP_COLUMNS, EVIDENCE))
        writer.writerows((pair.old_value, pair.uuid, pair.evidence) for pair in found.pairs)


def masked(found: IdMap, show: Callable[[str], str]) -> Iterator[Refused]:
    """The refusals with their values as they may be shown."""
    yield from (Refused(show(refused.value), refused.reason) for refused in found.refused)


def _unreachable(database: str, sessions: Sessions) -> SourceUnreachable:
    error = sessions.away[database]
    return SourceUnreachable(error.message, details=error.details, hint=error.hint)
