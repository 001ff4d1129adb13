"""`ecluse explain`: the exact SQL of every step."""

from __future__ import annotations

import click

from ecluse.cli import arguments
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import planned
from ecluse.cli.render.json import plain
from ecluse.cli.words import PHASES


@click.command(cls=Command)
@arguments.migration
@click.option("--phase", multiple=True, type=click.Choice(tuple(PHASES)), help="Only the steps of this phase.")
@current
def explain(invocation: Invocation, /, migration: str, phase: tuple[str, ...]) -> int:
    """Print the SQL of every step of a MIGRATION, with its lock and its undo. Nothing is run.

    A run that is unfinished is explained by the plan it began with.
    """
    from ecluse.engine.explain import steps
    from ecluse.engine.planner import make_plan
    from ecluse.engine.status import unfinished_plan

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    run, made = unfinished_plan(database, wanted.name) or (0, make_plan(database, wanted, origins=project.origin))
    found = [s for s in steps(made, run) if not phase or s.phase in phase]
    value = {
        "migration": made.migration,
        "run": run or None,
        "fingerprint": made.fingerprint,
        "steps": [plain(step) for step in found],
    }
    invocation.show(value, planned.explain)
    for hazard in made.refused if not run else ():
        invocation.say(f"refused: {hazard.message}")
    return 3 if made.refused and not run else 0
