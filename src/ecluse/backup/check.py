"""Prove a backup: restored into a throw-away database, it must be what its snapshot was."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from ecluse.backup.files import intact, write_manifest
from ecluse.backup.load import compared, load
from ecluse.backup.place import Place, named_place, throwaway_place
from ecluse.backup.programs import Emit
from ecluse.backup.stopping import Stopping
from ecluse.errors import NotVerifiable, ProgramFailed, ProofFailed
from ecluse.model.backup import Check, Manifest
from ecluse.postgres.connect import Database

_KEPT = "the backup is kept, and is not verified"
_TOLD = 20


def verify(
    folder: Path, project: Path, on: Database | None, emit: Emit, stopping: Stopping, workers: int = 2
) -> Manifest:
    """Check every file, restore the backup, compare it, and note in its manifest how that went.

    The throw-away database is on a server of our own, or beside `on`. Raises BackupDamaged, NotVerifiable, ProofFailed.
    """
    manifest = intact(folder)
    began = time.monotonic()
    place: AbstractContextManager[Place]
    place = named_place(on, manifest) if on else throwaway_place(project, manifest)
    with place as made:
        found = _tried(folder, manifest, made, emit, stopping, workers)
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    seconds = round(time.monotonic() - began, 3)
    manifest = manifest.with_check(Check(at, made.name, made.server_version, not found, seconds))
    write_manifest(folder, manifest)
    if found:
        more = [f"and {len(found) - _TOLD} more"] if len(found) > _TOLD else []
        raise ProofFailed(
            f"the backup '{folder.name}', restored, is not what its snapshot was: {len(found)} differences",
            details="\n".join(found[:_TOLD] + more),
            hint="ecluse backup",
            state="the backup is kept, with the note that it does not restore; the database was only read",
        )
    return manifest


def _tried(folder: Path, manifest: Manifest, made: Place, emit: Emit, stopping: Stopping, workers: int) -> list[str]:
    try:
        load(folder, manifest, made.database, emit, stopping, workers, state=_KEPT, options=["--no-subscriptions"])
    except ProgramFailed as error:
        raise NotVerifiable(
            f"the backup '{folder.name}' cannot be restored on {made.name}",
            details=error.details,
            hint="where that server lacks something, name another: --on NAME",
            state=_KEPT,
        ) from None
    return compared(folder, manifest, made.database, emit, stopping, workers)
