"""Take a backup: one snapshot, its checksums, the dump, and a manifest that says what is in it."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import ecluse
from ecluse.backup import facts
from ecluse.backup.files import described, make_private, no_room, unfinished_folder, write_manifest, write_private
from ecluse.backup.observed import Observed, observe
from ecluse.backup.programs import Advance, Emit, carry, timed
from ecluse.backup.snapshot import STATE, Held, held
from ecluse.backup.stopping import Stopping
from ecluse.errors import NoRoom
from ecluse.model.backup import CATALOGUE, DUMP, SETTINGS, Manifest, SequenceThen, Versions
from ecluse.model.names import Name
from ecluse.model.report import Event
from ecluse.postgres import dump
from ecluse.postgres.binaries import client_programs
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.postgres.dump import program_version
from ecluse.postgres.saved_catalog import save

# Rows become text and are compressed: seldom to more than a half, and hardly ever to less than a twentieth.
_LIKELY, _LEAST = 0.5, 0.05


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that is in its place."""

    folder: Path
    manifest: Manifest


def take(database: Database, above: Path, emit: Emit, stopping: Stopping, workers: int = 2) -> Taken:
    """Write a backup into a new folder in `above`, named by the time of its snapshot.

    Locks: ACCESS SHARE on all tables, as pg_dump takes them. Raises MissingProgram, MissingRights, RowsHidden,
    LockNotTaken, NoRoom, ConnectionLost, ProgramFailed, Interrupted; nothing of the backup is left then.
    """
    began = time.monotonic()
    with held(database) as snapshot:
        folder = above / snapshot.at.replace("-", "").replace(":", "")
        programs = client_programs(snapshot.session.info.server_version // 10000)
        _room(above, sum(each.octets for each in snapshot.stored), emit)
        with unfinished_folder(folder) as work:
            beside = work.folder
            manifest = _write(database, snapshot, beside, programs, emit, stopping, workers)
            manifest = replace(manifest, seconds=round(time.monotonic() - began, 3), files=described(beside))
            stopping.check(STATE)
            write_manifest(beside, manifest)
    return Taken(work.kept, manifest)


def _write(
    database: Database, held: Held, folder: Path, programs: Path, emit: Emit, stopping: Stopping, workers: int
) -> Manifest:
    before = facts.sequences(held.session)
    rows = _checksums(database, held, emit, stopping, workers)
    _dump(database, held, folder, programs, emit, stopping, workers)
    after = facts.sequences(held.session)
    catalogue = read_catalog(held.session, facts.schemas(held.session))
    write_private(folder / CATALOGUE, save(catalogue))
    write_private(folder / SETTINGS, json.dumps(facts.settings(held.session), indent=1, ensure_ascii=False) + "\n")
    return _manifest(database, held, rows, _moved(before, after), program_version(programs, "pg_dump"))


def _checksums(database: Database, held: Held, emit: Emit, stopping: Stopping, workers: int) -> Observed:
    with timed(emit, "checksums") as progress:
        return observe(database, held.stored, workers, stopping, progress, held.snapshot)


def _dump(
    database: Database, held: Held, folder: Path, programs: Path, emit: Emit, stopping: Stopping, workers: int
) -> None:
    octets = {f"{each.name.schema}.{each.name.name}": each.octets for each in held.stored}
    arguments = ["--format=directory", f"--jobs={workers}", f"--snapshot={held.snapshot}", "--no-password", "--verbose"]
    # The lightest compression: the snapshot is held meanwhile, and VACUUM removes nothing that it can still see.
    arguments += ["--compress=1", f"--file={folder / DUMP}", f"--lock-wait-timeout={dump.LOCK_PATIENCE}"]
    with timed(emit, "dump"):
        carry(programs, "pg_dump", arguments, database, stopping, STATE, Advance(emit, "dump", octets, workers))


def _moved(before: dict[Name, tuple[int, bool]], after: dict[Name, tuple[int, bool]]) -> tuple[SequenceThen, ...]:
    """A sequence that went while pg_dump ran is not in the dump, or made pg_dump fail."""
    return tuple(SequenceThen(name, *before[name], *after[name]) for name in before if name in after)


def _manifest(
    database: Database, held: Held, rows: Observed, sequences: tuple[SequenceThen, ...], program: int
) -> Manifest:
    conn = held.session
    return Manifest(
        database=database.name,
        called=facts.called(conn),
        at=held.at,
        seconds=0.0,
        versions=Versions(conn.info.server_version, program, ecluse.__version__),
        locale=facts.locale(conn),
        octets=facts.size(conn),
        tables=rows.tables,
        sequences=sequences,
        large_objects=rows.large_objects,
        roles=facts.roles(conn),
        extensions=facts.extensions(conn),
        foreign_tables=tuple(each.name for each in held.tables if each.kind == "f"),
        migrations=facts.migrations(conn),
        server=facts.server(conn),
    )


def _room(above: Path, octets: int, emit: Emit) -> None:
    """Refuse where there is no hope, warn where there may be too little."""
    with no_room(above):
        make_private(above)
        free = shutil.disk_usage(above).free
    if free < octets * _LEAST:
        raise NoRoom(
            f"'{above}' has {free / 1e6:,.0f} MB free, and the tables are {octets / 1e6:,.0f} MB",
            hint="make room, or choose another place: --to FOLDER",
            state=STATE,
        )
    if free < octets * _LIKELY:
        text = f"{free / 1e6:,.0f} MB are free for tables of {octets / 1e6:,.0f} MB; the disk may become full"
        emit(Event("warn", "dump", text))
