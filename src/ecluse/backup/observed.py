"""What a database holds at one snapshot: rows and checksums of all tables, sequences, large objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.backup import facts
from ecluse.backup.facts import Found
from ecluse.backup.snapshot import session_of
from ecluse.backup.stopping import Stopping
from ecluse.model.backup import LargeObjects, Manifest, TableThen
from ecluse.model.names import Name
from ecluse.postgres.connect import Database
from ecluse.proof.compare import Relation, sums_of
from ecluse.proof.readers import Progress, Readers, readers

# An object of more than a gigabyte cannot be read so, and the backup says that: PostgreSQL has no value so large.
_LARGE_OBJECTS = "SELECT oid::int8 AS c0, pg_catalog.lo_get(oid) AS c1 FROM pg_catalog.pg_largeobject_metadata"


@dataclass(frozen=True, slots=True)
class Observed:
    """The rows of a database."""

    tables: tuple[TableThen, ...]
    large_objects: LargeObjects


def observe(
    database: Database,
    tables: Sequence[Found],
    workers: int,
    stopping: Stopping,
    progress: Progress | None = None,
    snapshot: str = "",
) -> Observed:
    """Read all rows of these tables, by parallel sessions at one snapshot: a new one, or an exported one."""
    with readers(lambda: session_of(database), workers, snapshot=snapshot, stop=stopping.flag) as sessions:
        return _observe(sessions, tables, progress)


def observe_now(database: Database, workers: int, stopping: Stopping, progress: Progress | None = None) -> Observed:
    """The same for all tables that there are, at a new snapshot. No lock is held: a TRUNCATE may come in between."""
    with readers(lambda: session_of(database), workers, stop=stopping.flag) as sessions:
        return _observe(sessions, [t for t in facts.tables(sessions.first) if t.kind == "r"], progress)


def _observe(sessions: Readers, tables: Sequence[Found], progress: Progress | None) -> Observed:
    relations = [_relation(facts.select(each), len(each.columns)) for each in tables]
    *sums, large = sums_of([*relations, _relation(_LARGE_OBJECTS, 2)], sessions, progress)
    found = tuple(
        TableThen(each.name, total.rows, total.hex, each.octets) for each, total in zip(tables, sums, strict=True)
    )
    return Observed(found, LargeObjects(large.rows, large.hex))


def _relation(query: str, columns: int) -> Relation:
    return Relation((query,), tuple(f"c{number}" for number in range(columns)))


def differences(manifest: Manifest, now: Observed, sequences: dict[Name, tuple[int, bool]]) -> list[str]:
    """In words, everything in which a restored database is not what the manifest says; nothing of any row."""
    found = list(_of_tables(manifest.tables, now.tables))
    for then in manifest.sequences:
        value = sequences.get(then.sequence)
        if value is None:
            found.append(f"sequence {then.sequence}: it is missing")
        elif not then.holds(*value):
            found.append(f"sequence {then.sequence}: it stands at {value[0]}, and stood at {then.value}")
    found += [
        f"sequence {name}: it was not there" for name in sequences.keys() - {s.sequence for s in manifest.sequences}
    ]
    if now.large_objects.number != manifest.large_objects.number:
        found.append(f"large objects: {now.large_objects.number:,} of {manifest.large_objects.number:,}")
    elif now.large_objects != manifest.large_objects:
        found.append("large objects: their content differs")
    return found


def _of_tables(before: Sequence[TableThen], after: Sequence[TableThen]) -> list[str]:
    there = {each.table: each for each in after}
    found = []
    for then in before:
        now = there.pop(then.table, None)
        if now is None:
            found.append(f"{then.table}: the table is missing")
        elif now.rows != then.rows:
            found.append(f"{then.table}: {now.rows:,} rows, and the snapshot had {then.rows:,}")
        elif now.checksum != then.checksum:
            found.append(f"{then.table}: {now.rows:,} rows, as many as the snapshot had, and not the same")
    return found + [f"{name}: the table was not there" for name in there]
