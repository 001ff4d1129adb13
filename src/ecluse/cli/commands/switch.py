"""`ecluse switch`: the new shape takes the place of the old."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.backed_up import backup_options, before_switch
from ecluse.cli.certificates import Certificate
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs


@click.command(cls=Command)
@arguments.migration
@arguments.run_options
@arguments.switch_options
@arguments.old_shape_for
@arguments.report_folder
@backup_options
@current
def switch(
    invocation: Invocation,
    /,
    migration: str,
    report_folder: Path | None,
    backup: bool,
    without_backup: str | None,
    **options: Any,
) -> None:
    """Put the new shape of a MIGRATION in the place of the old, in one short transaction.

    Statements that clients prepared against the old types fail until they reconnect; --recycle-clients makes them.

    Roles of --old-shape-for keep the old shape: tables of the old names, columns and types, which are views of the new
    ones and are written to as well. It is put in front of their search_path before the switch; where they have sessions
    that began before that, the switch is refused, or with --recycle-clients ends these.

    A protected database is switched only when a backup was taken since the run began and verified by a restore.
    """
    from ecluse.engine.status import old_shape_of, unfinished_plan

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    running.confirm_protected(invocation, database, "switch")
    running.confirm_origins(invocation, project, wanted, "switch")
    if begun := unfinished_plan(database, wanted.name):
        running.tell_edited(invocation, wanted, begun[1])
        before_switch(invocation, project, database, wanted, backup, without_backup)
    certificate = Certificate(invocation, project, database, wanted.name, report_folder)
    again = f"ecluse switch {migration}"
    with certificate.kept(), running.engine_for(invocation, database, arguments.as_options(options), again) as engine:
        seconds = engine.switch(wanted.name)
    done = {
        "migration": wanted.name,
        "database": str(database),
        "status": "switched",
        "seconds_under_lock": seconds,
        "old_shape": old_shape_of(database, wanted.name),
        **certificate.written(),
    }
    invocation.conclude(done, runs.applied)
    invocation.next(f"ecluse verify {migration}")
