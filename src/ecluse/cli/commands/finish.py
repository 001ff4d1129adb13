"""`ecluse finish`: the old shape is archived, the archive is checked, and then it is dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.certificates import Certificate
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs
from ecluse.cli.standing import standing
from ecluse.errors import WrongState


@click.command(cls=Command)
@arguments.migration
@click.option("--confirm", metavar="FINGERPRINT", help="The plan's fingerprint, where nobody can be asked.")
@click.option("--archive", type=click.Path(path_type=Path), help="Where to write; default .ecluse/archive/.")
@arguments.run_options
@arguments.report_folder
@current
def finish(
    invocation: Invocation,
    /,
    migration: str,
    confirm: str | None,
    archive: Path | None,
    report_folder: Path | None,
    **options: Any,
) -> None:
    """Archive the old shape of a MIGRATION, check the archive, and drop what was archived. There is no way back."""
    from ecluse.engine.status import unfinished_plan

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    begun = unfinished_plan(database, wanted.name)
    already = standing(database, wanted.name)
    if begun is None and already:
        invocation.conclude(already, runs.standing)
        return
    if begun is None:
        raise WrongState(
            f"there is no unfinished run of '{wanted.name}'",
            hint=f"ecluse apply {migration}",
            state="nothing was changed",
        )
    running.confirm_finish(invocation, database, migration, begun[1].fingerprint, confirm)
    again = f"ecluse finish {migration}"
    certificate = Certificate(invocation, project, database, wanted.name, report_folder)
    with certificate.kept(), running.engine_for(invocation, database, arguments.as_options(options), again) as engine:
        place = engine.finish(wanted.name, archive or project.archives)
    done = {
        "migration": wanted.name,
        "database": str(database),
        "run": begun[0],
        "status": "finished",
        "archive": place,
        **certificate.written(),
    }
    invocation.conclude(done, runs.finished)
