"""The gate before `apply` on a protected database: this very plan was rehearsed, or somebody says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ecluse.cli import arguments
from ecluse.cli.project import Project
from ecluse.errors import NotRehearsed

if TYPE_CHECKING:
    from ecluse.model.migration import Migration
    from ecluse.model.plan import Plan
    from ecluse.model.rehearsal import Rehearsal
    from ecluse.postgres.connect import Database


def without_rehearsal(function: click.decorators.FC) -> click.decorators.FC:
    """--without-rehearsal: why a protected database is changed by a plan that nobody rehearsed."""
    return click.option(
        "--without-rehearsal",
        metavar="REASON",
        callback=arguments.reason,
        help="Change a protected database though this plan was not rehearsed; the reason is kept in the journal.",
    )(function)


def require_rehearsal(
    project: Project, database: Database, migration: Migration, plan: Plan, reason: str | None
) -> None:
    """Raise NotRehearsed where the database, or an origin, is protected and no rehearsal of this plan passed.

    A run that has begun goes on: it was let in when it began.
    """
    from ecluse.engine.status import unfinished_plan
    from ecluse.postgres.rehearsals import read_rehearsal

    concerned = (database, *project.origins(migration))
    if reason or not any(each.protect for each in concerned):
        return
    if unfinished_plan(database, migration.name):
        return
    lacks = shortcoming(read_rehearsal(project.folder, migration.name), plan)
    if lacks is None:
        return
    (_, why, details), name = lacks, migration.name
    raise NotRehearsed(
        f"the plan for '{name}' {why}, and {next(d for d in concerned if d.protect)} is protected",
        details=details,
        hint=f'ecluse rehearse {name}\nor: ecluse apply {name} --without-rehearsal "why"',
        state="nothing was changed",
    )


def shortcoming(found: Rehearsal | None, plan: Plan) -> tuple[str, str, str] | None:
    """What a plan's rehearsal lacks: a word, a verb that goes with "the plan", details. None where it passed."""
    if found is None:
        return "not rehearsed", "was not rehearsed", ""
    if found.fingerprint != plan.fingerprint:
        changed = "the migration file, or one that it names," if found.source != plan.source else "the database"
        why = f"is {plan.fingerprint}, and {found.fingerprint} was rehearsed"
        return "changed since", why, f"{changed} changed since then"
    if not found.passed:
        return "rehearsal failed", f"failed its rehearsal of {found.at}", "\n".join(found.failures)
    return None
