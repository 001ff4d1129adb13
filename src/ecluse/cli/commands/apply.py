"""`ecluse apply`: build and prove the new shape, up to the gate; with --switch, through it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.backed_up import backup_options, before_switch, require_backup
from ecluse.cli.certificates import Certificate
from ecluse.cli.dry_run import show_dry_run
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.rehearsed import require_rehearsal, without_rehearsal
from ecluse.cli.render import runs
from ecluse.errors import PlanRefused

if TYPE_CHECKING:
    from ecluse.model.migration import Migration
    from ecluse.model.plan import Plan
    from ecluse.postgres.connect import Database


@click.command(cls=Command)
@arguments.migration
@click.option("--switch", is_flag=True, help="Go through the gate: the new shape takes the place of the old.")
@click.option(
    "--dry-run", is_flag=True, help="Change nothing: count what would become of each row, and why; 3: refused."
)
@arguments.show_values
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="Carry out this saved plan and no other.")
@arguments.run_options
@arguments.executor
@arguments.switch_options
@arguments.old_shape_for
@without_rehearsal
@backup_options
@arguments.report_folder
@current
def apply(
    invocation: Invocation,
    /,
    migration: str,
    switch: bool,
    dry_run: bool,
    show_values: bool,
    plan_file: Path | None,
    report_folder: Path | None,
    backup: bool,
    without_backup: str | None,
    **options: Any,
) -> int:
    """Build the new shape of a MIGRATION beside the old, prove it, and stop at the gate before the switch.

    A run that stopped half way goes on where it stopped, with the plan it began with; after the switch nothing is left
    to do. With --dry-run it counts what would become of each row, by the mapping's own SQL, and changes nothing.
    """
    from ecluse.cli.standing import standing
    from ecluse.engine.status import old_shape_of

    project = Project.of(invocation)
    wanted = project.migration(migration)
    database = project.database(wanted.database)
    stands = standing(database, wanted.name)
    if stands and (stands["status"] == "finished" or not plan_file):
        (invocation.show if dry_run else invocation.conclude)(stands, runs.standing)
        return 0
    if dry_run:
        return show_dry_run(invocation, database, wanted, plan_file, show_values)
    plan = plan_for(invocation, database, wanted, plan_file)
    require_rehearsal(project, database, wanted, plan, options["without_rehearsal"])
    if switch:
        require_backup(project, database, wanted, backup, without_backup)
    running.confirm_protected(invocation, database, "change")
    running.confirm_origins(invocation, project, wanted, "change")
    again = f"ecluse apply {migration}" + (" --switch" if switch else "")
    certificate = Certificate(invocation, project, database, wanted.name, report_folder)
    given = arguments.as_options(options)
    with certificate.kept(), running.engine_for(invocation, database, given, again) as engine:
        record = engine.apply(plan)
    seconds = None
    if switch and record.status != "switched":
        before_switch(invocation, project, database, wanted, backup, without_backup)
        with certificate.kept(), running.engine_for(invocation, database, given, again) as engine:
            seconds = engine.switch(wanted.name)
    done = {
        "migration": wanted.name,
        "database": str(database),
        "run": record.id,
        "fingerprint": record.fingerprint,
        "status": "switched" if seconds is not None else record.status,
        "seconds_under_lock": seconds,
        "old_shape": old_shape_of(database, wanted.name),
        **certificate.written(),
    }
    invocation.conclude(done, runs.applied)
    switched = done["status"] == "switched"
    invocation.next(f"ecluse verify {migration}" if switched else f"ecluse switch {migration}")
    return 0


def plan_for(invocation: Invocation, database: Database, wanted: Migration, file: Path | None) -> Plan:
    """The plan to carry out: that of an unfinished run, else the saved one where it still fits, else a new one."""
    from ecluse.cli.plan_file import read_plan
    from ecluse.engine.planner import check_fingerprint, make_plan
    from ecluse.engine.status import unfinished_plan

    saved = read_plan(file) if file else None
    # Not compared with the database: the run itself has changed it (triggers), and its own watch sees the rest.
    begun = unfinished_plan(database, wanted.name)
    if begun:
        if saved:
            check_fingerprint(saved, begun[1])
        invocation.say(f"going on with run {begun[0]}, plan {begun[1].fingerprint}")
        running.tell_edited(invocation, wanted, begun[1])
        return begun[1]
    now = make_plan(database, wanted, origins=Project.of(invocation).origin)
    if saved:
        check_fingerprint(saved, now)
    if now.refused:
        raise refused(now)
    return saved or now


def refused(plan: Plan) -> PlanRefused:
    """Every reason at once, each with what may be pasted."""
    reasons = [f"{h.id}  {h.message}" + (f"\n  {h.hint}" if h.hint else "") for h in plan.refused]
    number = len(reasons)
    return PlanRefused(
        f"the plan for '{plan.migration}' is refused, for {number} reason" + ("s" if number > 1 else ""),
        details="\n".join(reasons),
        hint=f"ecluse plan {plan.migration}",
        state="nothing was changed",
    )
