"""`ecluse plan`: what would be done, what was found, and what it would take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import planned, runs

if TYPE_CHECKING:
    from ecluse.model.migration import Migration
    from ecluse.model.plan import Plan, Step
    from ecluse.postgres.connect import Database


@click.command(cls=Command)
@arguments.migrations
@click.option("--save", type=click.Path(path_type=Path), help="Write the plan to a file, for `ecluse apply --plan`.")
@click.option(
    "--check", is_flag=True, help="Exit 3 where a pending migration is not rehearsed as it is, or a database drifted."
)
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), help="With --check: the saved plan that must still fit."
)
@arguments.show_values
@current
def plan(
    invocation: Invocation,
    /,
    migrations: tuple[str, ...],
    save: Path | None,
    check: bool,
    plan_file: Path | None,
    show_values: bool,
) -> int:
    """Plan a MIGRATION on its database as it stands. Nothing is changed; exit 3 where the plan is refused.

    Of a migration that is switched or finished it says so: there is nothing to plan. With --check, several are asked
    for, or all of the project: whether each that is pending was rehearsed with the very plan that it has now, and
    whether what earlier ones left is still there.
    """
    if check:
        from ecluse.cli import plan_check

        if save or (plan_file and len(migrations) != 1):
            raise click.UsageError("--check saves nothing, and --plan is for one migration")
        return plan_check.check(invocation, migrations, plan_file)
    if not migrations:
        raise click.UsageError("Missing argument 'MIGRATION'; --check does without")
    if len(migrations) != 1 or plan_file:
        raise click.UsageError("one MIGRATION is planned at a time; several are for --check, and so is --plan")
    return _plan(invocation, migrations[0], save, show_values)


def _plan(invocation: Invocation, migration: str, save: Path | None, show_values: bool) -> int:
    from ecluse.cli.plan_file import write_plan
    from ecluse.cli.standing import standing
    from ecluse.engine.explain import steps
    from ecluse.engine.planner import make_plan

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    if stands := standing(database, wanted.name):
        invocation.show(stands, runs.standing)
        return 0
    made = make_plan(database, wanted, show_values=show_values, origins=project.origin)
    if save:
        write_plan(made, save)
    value = plan_values(wanted, database, made, steps(made)) | {"saved": str(save) if save else None}
    invocation.show(value, planned.plan, planned.brief)
    if not made.refused:
        invocation.next(f"ecluse apply {migration}" + (f" --plan {save}" if save else ""))
    return 3 if made.refused else 0


def plan_values(migration: Migration, database: Database, made: Plan, steps: list[Step]) -> dict[str, Any]:
    """A plan as it is printed, in either form."""
    from ecluse.engine.explain import counts

    levels = {level: sum(h.level == level for h in made.hazards) for level in ("refuse", "warn", "note")}
    major, minor = divmod(made.server_version, 10000)
    return {
        "migration": migration.name,
        "description": migration.description,
        "database": str(database),
        "server": f"PostgreSQL {major}.{minor}",
        "fingerprint": made.fingerprint,
        "refused": bool(made.refused),
        "steps": [
            {
                "phase": s.phase,
                "title": s.title,
                "lock": s.lock,
                "rows": s.rows,
                "seconds": s.seconds,
                "way_back": s.undo is not None,
            }
            for s in steps
        ],
        "census": list(made.census),
        "hazards": made.graded,
        "counts": counts(steps) | levels,
        "octets": sum(m.table.size for f in made.builds for m in f.old.members),
    }
