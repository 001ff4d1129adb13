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
@click.option("--phase", multiple=True, type=click.Choice(tuple(PHASES)), help="The SQL of the steps of this phase.")
@click.option("--step", multiple=True, type=click.IntRange(min=1), help="The SQL of this step; may be given again.")
@click.option("--sql", is_flag=True, help="The SQL of all steps.")
@current
def explain(invocation: Invocation, /, migration: str, phase: tuple[str, ...], step: tuple[int, ...], sql: bool) -> int:
    """List the steps of a MIGRATION with their locks, or print their SQL, with its undo. Nothing is run.

    With --json the SQL is always there. A run that is unfinished is explained by the plan it began with.
    """
    from ecluse.engine.explain import steps
    from ecluse.engine.planner import make_plan
    from ecluse.engine.status import unfinished_plan

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    run, made = unfinished_plan(database, wanted.name) or (0, make_plan(database, wanted, origins=project.origin))
    numbered = list(enumerate(steps(made, run), 1))
    if step and max(step) > len(numbered):
        raise click.UsageError(f"there is no step {max(step)}: the steps are 1 to {len(numbered)}")
    chosen = bool(phase or step)
    found = [(n, s) for n, s in numbered if not chosen or s.phase in phase or n in step]
    value = {
        "migration": made.migration,
        "run": run or None,
        "fingerprint": made.fingerprint,
        "steps": [{"number": n, **plain(s)} for n, s in found],
    }
    invocation.show(value, planned.explain if sql or chosen else planned.outline)
    if not (sql or chosen):
        invocation.next(f"ecluse explain {migration} --step 1, or --sql for all")
    for hazard in made.refused if not run else ():
        invocation.say(f"refused: {hazard.message}")
    return 3 if made.refused and not run else 0
