"""What a restore would take back: the database as it is now, beside what it was at the snapshot."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ecluse.backup import facts
from ecluse.backup.observed import observe_now
from ecluse.backup.programs import Emit, timed
from ecluse.backup.snapshot import session_of
from ecluse.backup.stopping import Stopping
from ecluse.model.backup import Manifest, MigrationThen
from ecluse.model.names import Name
from ecluse.postgres.connect import Database


@dataclass(frozen=True, slots=True)
class Change:
    """A table that is not what it was. `then` is None for one that was not there, `now` for one that is gone."""

    table: Name
    then: int | None
    now: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """A run that went on since: its status then ("" where it did not exist), and now."""

    migration: str
    run: int
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Everything that happened since the snapshot, as far as tables and the journal tell it."""

    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    tables: int  # that there are now


def lost_since(manifest: Manifest, database: Database, emit: Emit, stopping: Stopping, workers: int) -> Lost:
    """Read every row that there is now, and compare; applications may go on."""
    with timed(emit, "live") as progress:
        now = observe_now(database, workers, stopping, progress)
        with contextlib.closing(session_of(database)) as conn:
            runs = facts.migrations(conn)
    there, before = {each.table: each for each in now.tables}, {each.table: each for each in manifest.tables}
    changes = []
    for name in sorted(before.keys() | there.keys()):
        then, after = before.get(name), there.get(name)
        if then is None or after is None or (then.rows, then.checksum) != (after.rows, after.checksum):
            changes.append(Change(name, then.rows if then else None, after.rows if after else None))
    return Lost(tuple(changes), _steps(manifest.migrations, runs), len(there))


def _steps(before: tuple[MigrationThen, ...], now: tuple[MigrationThen, ...]) -> tuple[Step, ...]:
    was = {each.run: each.status for each in before}
    return tuple(
        Step(each.migration, each.run, was.get(each.run, ""), each.status)
        for each in now
        if was.get(each.run) != each.status
    )
