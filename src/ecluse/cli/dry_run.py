"""`ecluse apply --dry-run`: what a run would do with the rows, and what it would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecluse.cli.invocation import Invocation
from ecluse.cli.project import Project
from ecluse.cli.render import dry_run as render
from ecluse.cli.render.json import plain

if TYPE_CHECKING:
    from pathlib import Path

    from ecluse.model.migration import Migration
    from ecluse.model.plan import Plan
    from ecluse.model.report import DryRun
    from ecluse.postgres.connect import Database


def show_dry_run(
    invocation: Invocation, database: Database, wanted: Migration, file: Path | None, show_values: bool
) -> int:
    """Count, show, and give the exit status: 3 where a run would be refused."""
    from ecluse.cli.plan_file import read_plan
    from ecluse.engine.dry_run import dry_run
    from ecluse.engine.planner import check_fingerprint, make_plan
    from ecluse.engine.status import unfinished_plan

    origins = Project.of(invocation).origin
    # A run that is under way is counted by the plan it began with, and no other.
    begun = unfinished_plan(database, wanted.name)
    plan = begun[1] if begun else make_plan(database, wanted, show_values=show_values, origins=origins)
    if file:
        check_fingerprint(read_plan(file), plan)
    found = dry_run(database, plan, origins)
    value = dry_run_values(plan, str(database), found) | {"run": begun[0] if begun else None}
    invocation.show(value, render.dry_run, render.brief)
    return 3 if value["refused"] else 0


def _refusals(plan: Plan, table: str) -> dict[str, int]:
    """The values of a table for which the plan is refused, by column: a mapping that fails on them counts nothing."""
    mine = (c for c in plan.census if str(c.table) == table and c.policy == "refuse" and c.invalid)
    return {count.column: count.invalid for count in mine}


def dry_run_values(plan: Plan, database: str, found: DryRun) -> dict[str, Any]:
    """What is printed, in either form."""
    return {
        "migration": plan.migration,
        "database": database,
        "fingerprint": plan.fingerprint,
        "refused": bool(plan.refused) or found.refused,
        **plain(found),
        "uncounted": [plain(each) | {"refusals": _refusals(plan, each.table)} for each in found.uncounted],
        "before": [script.title for script in plan.scripts if script.phase == "before"],
        "census": plain([count for count in plan.census if count.invalid or count.collisions]),
        "hazards": plain(plan.graded),
    }
