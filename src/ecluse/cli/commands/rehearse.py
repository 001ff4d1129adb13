"""`ecluse rehearse`: the whole life of a migration on a copy of the real data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.progress import listening
from ecluse.cli.project import Project
from ecluse.cli.render import rehearsals
from ecluse.cli.render.json import plain
from ecluse.cli.render.rehearsal_page import page
from ecluse.errors import WrongUsage

if TYPE_CHECKING:
    from ecluse.engine.rehearsal.rehearse import Rehearsed
    from ecluse.model.migration import Migration
    from ecluse.postgres.connect import Database


@click.command(cls=Command)
@arguments.migration
@click.option(
    "--sample",
    metavar="PERCENT",
    type=click.FloatRange(0.001, 100.0),
    default=100.0,
    show_default=True,
    help="Copy so much of the rows only; what they refer to comes along.",
)
@click.option(
    "--load",
    metavar="N",
    type=click.IntRange(0, 64),
    default=2,
    show_default=True,
    help="Writers that do what the application does, meanwhile.",
)
@click.option("--on", metavar="NAME", help="Make the copies beside this database of ecluse.toml.")
@click.option("--keep", is_flag=True, help="Keep the server of the copies, to look at it.")
@arguments.show_values
@arguments.run_options
@click.option("--switch-budget", type=click.FloatRange(min=0.01), help="Seconds under lock; default 0.25.")
@current
def rehearse(
    invocation: Invocation,
    /,
    migration: str,
    sample: float,
    load: int,
    on: str | None,
    keep: bool,
    **options: Any,
) -> int:
    """Rehearse a MIGRATION: its whole life on a throw-away copy of its databases; exit 3 where something failed.

    The real databases are read at one snapshot and not touched otherwise. On the copies the migration is planned,
    applied while a load like the application's goes on, proved, switched, rolled back with new writes, applied and
    switched again, and finished. Each step is measured, and what it would take on the real database is estimated.

    The outcome is kept in rehearsals/ beside ecluse.toml. Commit it: `apply` on a protected database asks for it.
    """
    from ecluse.certificate import html
    from ecluse.engine.context import Stop
    from ecluse.engine.rehearsal.rehearse import Asked
    from ecluse.engine.rehearsal.rehearse import rehearse as carry_out
    from ecluse.postgres.rehearsals import write_rehearsal, write_report

    if on and keep:
        raise WrongUsage("--keep is for a server of its own, and --on names another", hint="leave one of them out")
    project = Project.of(invocation)
    wanted = project.migration(migration)
    beside = project.origin(on) if on else None
    if beside is not None:
        running.confirm_protected(invocation, beside, "rehearse beside")
    asked = Asked(
        wanted,
        partial(_database, project, wanted),
        project.folder,
        sample=sample,
        load=load,
        on=beside,
        keep=keep,
        options=arguments.as_options(options),
    )
    stop = Stop()
    with listening(invocation) as listener, running.interrupts(invocation, stop):
        found = carry_out(asked, listener, stop)
    value = rehearsal_values(found)
    value["record"] = str(write_rehearsal(project.folder, found.record))
    value["report"] = str(write_report(project.folder, found.record, value, html(page(plain(value)))))
    invocation.conclude(value, rehearsals.rehearsed)
    if found.record.passed:
        invocation.next(f"ecluse apply {migration}")
    return 0 if found.record.passed else 3


def _database(project: Project, wanted: Migration, name: str) -> Database:
    return project.database(name) if name == wanted.database else project.origin(name)


def rehearsal_values(found: Rehearsed) -> dict[str, Any]:
    """A rehearsal as it is printed, in either form."""
    record = found.record
    steps = [plain(step) | {"rows_per_second": step.rows_per_second} for step in record.steps]
    return {
        **plain(record),
        "steps": steps,
        "failures": [plain(failure) for failure in found.failures],
        "copied": [plain(one) for one in found.copied],
        "accounts": [plain(account) | {"balanced": account.balanced} for account in found.accounts],
        "parked": plain(found.parked),
        "look": list(found.look),
    }
