"""`ecluse rollback`: the old shape comes back, with what was written in the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.begun import begun_run
from ecluse.cli.certificates import Certificate
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs


@click.command(cls=Command)
@arguments.migration
@arguments.run_options
@arguments.switch_options
@arguments.report_folder
@current
def rollback(invocation: Invocation, /, migration: str, report_folder: Path | None, **options: Any) -> None:
    """Take a MIGRATION back. After the switch, what the new application wrote is carried home first."""
    from ecluse.engine.status import look

    project = Project.of(invocation)
    begun = begun_run(invocation, project, migration)
    name, database = begun.name, begun.database
    running.confirm_protected(invocation, database, "roll back")
    for origin in begun.origins:
        running.confirm_protected(invocation, project.origin(origin), "roll back")
    again = f"ecluse rollback {migration}"
    certificate = Certificate(invocation, project, database, name, report_folder)
    with certificate.kept(), running.engine_for(invocation, database, arguments.as_options(options), again) as engine:
        seconds = engine.rollback(name)
    run = next(r for r in look(database).runs if r.migration == name)
    done = {
        "migration": name,
        "database": str(database),
        "run": run.id,
        "status": run.status,
        "seconds_under_lock": seconds,
        "parked": run.parked,
        **certificate.written(),
    }
    invocation.conclude(done, runs.rolled_back)
