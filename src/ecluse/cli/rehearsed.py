"""The gate before `apply` on a protected database: this very plan was rehearsed, or somebody says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ecluse.cli.project import Project
from ecluse.errors import NotRehearsed, WrongUsage

if TYPE_CHECKING:
    from ecluse.model.migration import Migration
    from ecluse.model.plan import Plan
    from ecluse.postgres.connect import Database


def without_rehearsal(function: click.decorators.FC) -> click.decorators.FC:
    """--without-rehearsal: why a protected database is changed by a plan that nobody rehearsed."""
    return click.option(
        "--without-rehearsal",
        metavar="REASON",
        callback=_reason,
        help="Change a protected database though this plan was not rehearsed; the reason is kept in the journal.",
    )(function)


def _reason(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    if given is not None and not given.strip():
        raise WrongUsage("the reason is missing", hint='--without-rehearsal "why"')
    return given.strip() if given else None


def require_rehearsal(
    project: Project, database: Database, migration: Migration, plan: Plan, reason: str | None
) -> None:
    """Raise NotRehearsed where the database, or an origin, is protected and no rehearsal of this plan passed.

    A run that has begun goes on: it was let in when it began.
    """
    from ecluse.engine.status import unfinished_plan
    from ecluse.operations.compile import origins_of
    from ecluse.postgres.rehearsals import read_rehearsal

    concerned = (database, *map(project.origin, origins_of(migration)))
    if reason or not any(each.protect for each in concerned):
        return
    if unfinished_plan(database, migration.name):
        return
    found = read_rehearsal(project.folder, migration.name)
    if found is None:
        why, details = "was not rehearsed", ""
    elif found.fingerprint != plan.fingerprint:
        why = f"is {plan.fingerprint}, and {found.fingerprint} was rehearsed"
        details = "the database or the migration file changed since then"
    elif not found.passed:
        why, details = f"failed its rehearsal of {found.at}", "\n".join(found.failures)
    else:
        return
    name = migration.name
    raise NotRehearsed(
        f"the plan for '{name}' {why}, and {next(d for d in concerned if d.protect)} is protected",
        details=details,
        hint=f'ecluse rehearse {name}\nor: ecluse apply {name} --without-rehearsal "why"',
        state="nothing was changed",
    )
