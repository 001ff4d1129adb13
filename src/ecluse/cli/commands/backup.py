"""`ecluse backup`: a backup that is known to restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ecluse.cli import arguments
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import backups as render
from ecluse.errors import EcluseError, Interrupted


@click.command(cls=Command)
@click.argument("name", metavar="[DATABASE]", required=False)
@click.option("--all", "everything", is_flag=True, help="All databases of ecluse.toml, one after the other.")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the backup into this folder; default .ecluse/backups/DATABASE/.",
)
@click.option("--verify/--no-verify", default=True, help="Restore it into a throw-away database and compare; default.")
@click.option("--on", metavar="NAME", help="Try it on the server of this database, instead of one of our own.")
@arguments.workers
@current
def backup(invocation: Invocation, /, name: str | None, everything: bool, **options: Any) -> int:
    """Back a DATABASE up, at one snapshot, while applications go on writing, and prove that the backup restores.

    Written are a folder with the dump of pg_dump and a manifest: rows and checksums of every table, sequences, roles by
    name, versions, the runs of the journal, and the sha256 of each file. What roles may do, and their passwords, is of
    the server and not in it; nor are rows of foreign tables.
    """
    project = Project.of(invocation)
    if everything and (name or invocation.database):
        raise click.UsageError("name a database, or say --all")
    names = list(project.settings.databases) if everything else [name]
    done, status = [], 0
    for each in names:
        try:
            done.append(_one(invocation, project, each, **options))
        except EcluseError as error:
            if len(names) == 1 or isinstance(error, Interrupted):
                raise
            status = max(status, error.exit_status)
            done.append({"database": each, "error": error.as_dict()})
    invocation.conclude({"backups": done}, render.taken)
    return status


def _one(
    invocation: Invocation,
    project: Project,
    name: str | None,
    *,
    to: Path | None,
    verify: bool,
    on: str | None,
    workers: int,
) -> dict[str, Any]:
    from ecluse.cli.saving import back_up

    database = project.origin(name) if name else project.database()
    return back_up(invocation, project, database, above=to, verify=verify, on=on, workers=workers)
