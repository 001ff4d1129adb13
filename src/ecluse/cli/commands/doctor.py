"""`ecluse doctor`: can a run begin, what would stand in its way, and what is wrong besides."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import doctor as texts
from ecluse.cli.render.json import plain
from ecluse.errors import EcluseError

if TYPE_CHECKING:
    from ecluse.checkup.check import Finding

_LEVELS = ("wrong", "warning", "told", "good")


@click.command(cls=Command)
@click.option("--only", multiple=True, metavar="ID", help="Make this check, or those of this topic; may be repeated.")
@click.option("--skip", multiple=True, metavar="ID", help="Leave out this check, or this topic; may be repeated.")
@click.option("--strict", is_flag=True, help="Exit with 3 where there is a warning, too.")
@click.option("--list", "listing", is_flag=True, help="List the checks, what they mean and how to put things right.")
@click.option("--accept", metavar="MIGRATION", help="Take what a finished migration left, as it is now, for meant.")
@current
def doctor(
    invocation: Invocation,
    /,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    strict: bool,
    listing: bool,
    accept: str | None,
) -> int:
    """Look at the project's settings and at every database; exit 3 where something is wrong.

    Each finding says what it means and how to put it right. Nothing is changed, but for --accept, which notes in the
    journal what is no drift any more. A check that had no right to look says so, and is no good news.
    """
    from ecluse.checkup.registry import CHECKS, chosen

    if accept is not None:
        invocation.show(_accepted(Project.of(invocation), accept), texts.accepted)
        return 0
    ids = chosen(only, skip)
    if listing:
        invocation.show({"checks": _listed(ids)}, texts.listing)
        return 0
    project = Project.of(invocation)
    names = project.names()
    around = _project(project, ids)
    reached = any(check.scope != "project" and check.id in ids for check in CHECKS)
    databases = [_database(project, name, ids) for name in names if reached]
    found = [f for one in (around, *databases) for f in one["findings"]]
    counts = {level: sum(f["level"] == level for f in found) for level in _LEVELS}
    counts |= {"unseen": sum(not f["seen"] for f in found)}
    bad = counts["wrong"] > 0 or (strict and counts["warning"] > 0)
    healthy = bool(names) and not bad
    value = {
        "healthy": healthy,
        "names": names,
        "strict": strict,
        "counts": counts,
        "project": around,
        "databases": databases,
    }
    invocation.show(value, texts.verbose if invocation.verbose else texts.lines)
    return 0 if healthy else 3


def _accepted(project: Project, migration: str) -> dict[str, Any]:
    import psycopg

    from ecluse.engine import drift
    from ecluse.postgres.connect import open_session
    from ecluse.postgres.failures import translate

    with open_session(project.database(), role="doctor") as conn:
        try:
            accepted = drift.accept(conn, migration)
        except psycopg.Error as error:
            raise translate(error, "nothing was changed") from None
    return {"migration": migration, "accepted": [str(each) for each in accepted]}


def _listed(ids: frozenset[str]) -> list[dict[str, str]]:
    from ecluse.checkup.registry import TOPICS

    return [
        {"id": c.id, "topic": t.title, "level": c.level, "title": c.title, "means": c.means, "fix": c.fix}
        for t in TOPICS
        for c in t.checks
        if c.id in ids
    ]


def _project(project: Project, ids: frozenset[str]) -> dict[str, Any]:
    from ecluse.checkup.check import Project as Around
    from ecluse.checkup.examine import examine_project

    configured = project.settings.databases
    wanted = {found.variable: name for name, found in configured.items() if found.variable}
    around = Around(project.folder, dict(os.environ), wanted)
    return {"label": f"the project in {project.folder}", "findings": plain(examine_project(around, ids))}


def _database(project: Project, name: str, ids: frozenset[str]) -> dict[str, Any]:
    from ecluse.checkup.examine import examine_database, refused

    findings: tuple[Finding, ...]
    try:
        database = project.origin(name)
    except EcluseError as error:
        findings, label = refused(error), f"'{name}'"
    else:
        findings, label = examine_database(database, project.folder, ids), str(database)
    return {"name": name, "label": label, "findings": plain(findings)}
