"""`ecluse retire`: the old shape that was kept beside the new one is taken away when nobody uses it."""

from __future__ import annotations

import click

from ecluse.cli import arguments, running
from ecluse.cli.begun import begun_run
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs


@click.command(cls=Command)
@arguments.migration
@click.option(
    "--unused-for",
    metavar="DURATION",
    callback=arguments.duration,
    default="1h",
    show_default=True,
    help="For how long nobody must have used it: 90s, 30m, 1h, 2d. 0 takes it away in any case.",
)
@current
def retire(invocation: Invocation, /, migration: str, unused_for: float) -> None:
    """Take away the old shape that a switch of MIGRATION kept for the old application, where nobody uses it.

    Its views are dropped, and the roles get back the search_path that they had. What was written through them is in the
    new shape. A rollback is still possible; `ecluse finish` needs this first.

    PostgreSQL 14 and 15 do not note when a table was last read: there the first call notes the counts and is refused
    where there are any, and a later one compares.
    """
    from ecluse.engine.context import Options

    project = Project.of(invocation)
    begun = begun_run(invocation, project, migration)
    running.confirm_protected(invocation, begun.database, "retire the old shape in")
    with running.engine_for(invocation, begun.database, Options(), f"ecluse retire {migration}") as engine:
        uses = engine.retire(begun.name, unused_for)
    done = {
        "migration": begun.name,
        "database": str(begun.database),
        "status": "switched",
        "unused_for": unused_for,
        "uses": list(uses),
    }
    invocation.conclude(done, runs.retired)
    invocation.next(f"ecluse finish {migration}")
