"""Load the dump of a backup into an empty database, and compare what is there then with the manifest."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ecluse.backup import facts
from ecluse.backup.likeness import unlike
from ecluse.backup.observed import differences, observe_now
from ecluse.backup.programs import Advance, Emit, carry, timed
from ecluse.backup.snapshot import session_of
from ecluse.backup.stopping import Stopping
from ecluse.model.backup import CATALOGUE, DUMP, Manifest
from ecluse.postgres.binaries import client_programs
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.postgres.saved_catalog import load as load_catalogue


def load(
    folder: Path,
    manifest: Manifest,
    into: Database,
    emit: Emit,
    stopping: Stopping,
    workers: int,
    *,
    state: str,
    options: Sequence[str] = (),
) -> None:
    """Run pg_restore. With `--single-transaction` among the options one session does it, and all of it or nothing."""
    with contextlib.closing(session_of(into)) as conn:
        major = conn.info.server_version // 10000
        if "public" not in load_catalogue((folder / CATALOGUE).read_text(encoding="utf-8"), CATALOGUE).schemas:
            conn.execute("DROP SCHEMA IF EXISTS public")
    octets = {f"{each.table.schema}.{each.table.name}": each.octets for each in manifest.tables}
    jobs = [] if "--single-transaction" in options else [f"--jobs={workers}"]
    arguments = ["--format=directory", "--exit-on-error", "--no-password", "--verbose", *jobs, *options]
    advance = Advance(emit, "restore", octets, workers if jobs else 1)
    with timed(emit, "restore"):
        programs = client_programs(max(major, manifest.versions.pg_dump))
        carry(programs, "pg_restore", [*arguments, str(folder / DUMP)], into, stopping, state, advance)


def compared(
    folder: Path,
    manifest: Manifest,
    database: Database,
    emit: Emit,
    stopping: Stopping,
    workers: int,
    *,
    owners: bool = True,
) -> list[str]:
    """In words, everything in which the restored database is not the one that the backup was taken of."""
    with timed(emit, "restored") as progress:
        now = observe_now(database, workers, stopping, progress)
        then = load_catalogue((folder / CATALOGUE).read_text(encoding="utf-8"), CATALOGUE)
        with contextlib.closing(session_of(database)) as conn:
            found = differences(manifest, now, facts.sequences(conn))
            found += unlike(then, read_catalog(conn, facts.schemas(conn)), owners=owners)
    return found
