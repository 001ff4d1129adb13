"""A backup or a restore under a command: how it tells how far it is, and what Ctrl-C does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecluse.cli import running
from ecluse.cli.invocation import Invocation
from ecluse.cli.progress import listening
from ecluse.cli.project import Project
from ecluse.errors import EcluseError

if TYPE_CHECKING:
    from ecluse.backup.programs import Emit
    from ecluse.backup.stopping import Stopping
    from ecluse.backup.take import Taken
    from ecluse.model.backup import Manifest
    from ecluse.postgres.connect import Database


@contextmanager
def telling(invocation: Invocation) -> Iterator[tuple[Emit, Stopping]]:
    """A listener, and the wish to stop, which the first Ctrl-C is."""
    from ecluse.backup.stopping import Stopping

    stopping = Stopping()
    with (
        listening(invocation) as listener,
        running.interrupts(invocation, stopping, "stopping; nothing half done stays"),
    ):
        yield listener, stopping


def back_up(
    invocation: Invocation,
    project: Project,
    database: Database,
    *,
    above: Path | None = None,
    verify: bool = True,
    on: str | None = None,
    workers: int = 2,
) -> dict[str, Any]:
    """Take a backup of a database, and try it where that is wanted; what it came to."""
    from ecluse.backup.check import verify as try_out
    from ecluse.backup.take import take

    other = project.origin(on) if on else None
    with telling(invocation) as (emit, stopping):
        taken = take(database, above or project.backups / database.name, emit, stopping, workers)
        manifest = taken.manifest
        if verify:
            try:
                manifest = try_out(taken.folder, project.folder, other, emit, stopping, workers)
            except EcluseError as error:
                raise _kept(error, taken) from None
    return values(taken.folder, manifest)


def _kept(error: EcluseError, taken: Taken) -> EcluseError:
    """A backup that was not verified is a backup, and it is said where it is."""
    error.state = f"{error.state}: {taken.folder}" if "is kept" in error.state else f"unverified: {taken.folder}"
    return error


def values(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """A backup as it is told; the file has more."""
    return {
        "database": manifest.database,
        "folder": folder,
        "at": manifest.at,
        "rows": manifest.rows,
        "tables": len(manifest.tables),
        "large_objects": manifest.large_objects.number,
        "foreign_tables": [str(name) for name in manifest.foreign_tables],
        "octets": sum(file.octets for file in manifest.files),
        "seconds": manifest.seconds,
        "server_version": manifest.versions.server,
        "verified": manifest.verified,
        "checked": manifest.checked,
        "migrations": [{"migration": m.migration, "status": m.status} for m in manifest.migrations],
    }
