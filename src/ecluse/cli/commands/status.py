"""`ecluse status`: how the runs stand; with --watch, as they go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs
from ecluse.cli.render.json import line, plain

if TYPE_CHECKING:
    from ecluse.engine.status import Status
    from ecluse.postgres.connect import Database

_SECOND = 1.0


@click.command(cls=Command)
@click.option("--watch", is_flag=True, help="Look again each second until nothing is being done.")
@click.option("--all", "everything", is_flag=True, help="List finished runs and those that were rolled back too.")
@current
def status(invocation: Invocation, watch: bool, everything: bool) -> None:
    """Show the runs of a database: how far each is, what is set aside, and what can be done next."""
    from ecluse.engine.status import look

    database = Project.of(invocation).database()
    now = look(database)
    if watch:
        _watch(invocation, database, now, everything)
        return
    if now.working and any(r.stage == "copy" for r in now.runs):
        now = look(database, now, pause=0.5)
    invocation.show(_values(database, now, everything), runs.status)


def _watch(invocation: Invocation, database: Database, now: Status, everything: bool) -> None:
    """One look a second: drawn over the last one on a terminal, else one after the other."""
    from ecluse.engine.status import look

    redraw = sys.stdout.isatty() and not invocation.json
    while True:
        value = _values(database, now, everything)
        if invocation.json:
            click.echo(line(value))
        else:
            if redraw:
                click.clear()
            invocation.show(value, runs.status)
        if not now.working:
            return
        now = look(database, now, pause=_SECOND)


def _values(database: Database, now: Status, everything: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"database": str(database)} | plain(now)
    if not everything:
        # The unfinished ones, and of each migration the latest: more is history.
        latest = {run["migration"]: run["id"] for run in reversed(value["runs"])}
        value["runs"] = [run for run in value["runs"] if run["next"] or latest[run["migration"]] == run["id"]]
    return value
