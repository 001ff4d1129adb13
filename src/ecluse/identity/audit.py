"""The audit: every column that holds ids of people against every source, and the sources against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ecluse.identity.columns import columns_in, counted
from ecluse.identity.findings import Audit, Examined, Fault, Finding, SourceState
from ecluse.identity.outcomes import Ambiguous, Record
from ecluse.identity.resolve import BATCH, Resolver
from ecluse.identity.rivals import Rivals
from ecluse.identity.sessions import DatabaseAway, Sessions
from ecluse.identity.source_sql import as_record, columns_of, lookup, require, row_columns
from ecluse.identity.tally import Tally
from ecluse.model.identity import Identity, Kind, Source
from ecluse.postgres.connect import Session

# An audit asks for everybody. Where no index fits (e-mails by lower case) each question reads the whole source once, so
# there should be few; what is found of all the values of a question is in our memory, so they should not be too large.
_AT_ONCE = 20 * BATCH


def resolver_for(identity: Identity, sessions: Sessions, batch: int = BATCH) -> Resolver:
    """The resolver over the declared sources."""
    return Resolver({source: lookup(sessions, source) for source in identity.source}, batch)


def audit(identity: Identity, databases: Iterable[str], sessions: Sessions, show: Callable[[str], str]) -> Audit:
    """Look at all sources, and at the columns of these databases. `show` masks values. Nothing is changed."""
    resolver = resolver_for(identity, sessions, _AT_ONCE)
    states: list[SourceState] = []
    columns = []
    findings: list[Finding] = []
    rivals = Rivals(show)
    unread: list[str] = []
    for source in identity.source:
        states.append(_source(source, resolver, sessions, rivals))
    for database in databases:
        try:
            with sessions.use(database) as conn:
                for examined in list(columns_in(conn, database, identity, resolver, unread)):
                    tally = _column(conn, examined, identity.source, resolver, show)
                    columns.append(tally.state())
                    findings += tally.findings()
        except DatabaseAway:
            continue  # it is among sessions.away, and told below
    silent = [
        Finding(Fault.UNREACHABLE, database, error.message, causes=tuple(filter(None, (error.details, error.hint))))
        for database, error in sessions.away.items()
    ]
    silent += [Finding(Fault.UNREACHABLE, column, "may not be read by this role") for column in unread]
    return Audit(tuple(states), tuple(columns), (*silent, *rivals.findings(), *findings))


def _column(
    conn: Session, examined: Examined, sources: tuple[Source, ...], resolver: Resolver, show: Callable[[str], str]
) -> Tally:
    holder = examined.holder
    tally = Tally(examined, sources, show)
    # A column that is an id of a source itself is looked up in the others.
    own = next((s for s in sources if (s.database, s.name) == (holder.database, holder.name)), None)
    without = own if own is not None and holder.column in own.ids.values() else None
    values = counted(conn, examined)
    while batch := dict(islice(values, _AT_ONCE)):
        for value, outcome in resolver.resolve(batch, prefer=holder.holds, without=without):
            tally.add(value, batch[value], outcome)
    return tally


def _source(source: Source, resolver: Resolver, sessions: Sessions, rivals: Rivals) -> SourceState:
    """Look up each id of a source in all sources: whatever contradicts itself there is a fault of the data."""
    people = 0
    ids = {kind.value: column for kind, column in source.ids.items()}
    try:
        with sessions.use(source.database) as conn:
            types = columns_of(conn, source.database, source.name)
            require(types, str(source), *source.ids.values(), source.deleted)
            records = _records(conn, source)
            while batch := list(islice(records, _AT_ONCE)):
                people += len(batch)
                # Kind by kind, so that not every question has e-mails in it.
                values = dict.fromkeys(text for kind in Kind for record in batch if (text := record.written(kind)))
                for value, outcome in resolver.resolve(values):
                    if isinstance(outcome, Ambiguous) and outcome.conflict is not None:
                        rivals.add(value, outcome)
    except DatabaseAway:
        return SourceState(str(source), ids, None)
    return SourceState(str(source), ids, people)


def _records(conn: Session, source: Source) -> Iterator[Record]:
    with conn.transaction(), conn.cursor(name="ecluse_people") as cursor:
        cursor.execute(f"SELECT {row_columns(source)} FROM {source.name.sql} t".encode())
        for deleted, *ids in cursor:
            yield as_record(source, deleted, ids)
