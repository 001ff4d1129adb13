"""`ecluse rollback`: the old shape comes back, with what was written in the new one."""

from __future__ import annotations

from typing import Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs


@click.command(cls=Command)
@arguments.migration
@arguments.run_options
@arguments.switch_options
@current
def rollback(invocation: Invocation, /, migration: str, **options: Any) -> None:
    """Take a MIGRATION back. After the switch, what the new application wrote is carried home first."""
    from ecluse.engine.status import look

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    running.confirm_protected(invocation, database, "roll back")
    running.confirm_origins(invocation, project, wanted, "roll back")
    again = f"ecluse rollback {migration}"
    with running.engine_for(invocation, database, arguments.as_options(options), again) as engine:
        seconds = engine.rollback(wanted.name)
    run = next(r for r in look(database).runs if r.migration == wanted.name)
    done = {
        "migration": wanted.name,
        "database": str(database),
        "run": run.id,
        "status": run.status,
        "seconds_under_lock": seconds,
        "parked": run.parked,
    }
    invocation.conclude(done, runs.rolled_back)
