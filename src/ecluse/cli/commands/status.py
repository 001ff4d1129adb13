"""`ecluse status`: how the runs stand in every database; with --watch, as they go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.invocation import Invocation, is_terminal
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs
from ecluse.cli.render.json import line, plain
from ecluse.errors import EcluseError

if TYPE_CHECKING:
    from ecluse.engine.status import RunStatus, Status
    from ecluse.postgres.connect import Database

_SECOND = 1.0


@click.command(cls=Command)
@click.option("--watch", is_flag=True, help="Look again each second until nothing is being done.")
@click.option("--all", "everything", is_flag=True, help="List finished runs and those that were rolled back too.")
@current
def status(invocation: Invocation, watch: bool, everything: bool) -> int:
    """Show the runs of all databases: how far each is, what is set aside, and what can be done next.

    With --database, of that one only. A database that does not answer is told, and makes exit 1.
    """
    project = Project.of(invocation)
    names = project.names()
    if len(names) <= 1:
        looks: list[_Look] = [_Look(project.database())]
    else:
        looks = [_reached(project, name) for name in names]
    for one in looks:
        one.again()
    if watch:
        _watch(invocation, looks, everything)
    else:
        for one in looks:
            if one.working and any(r.stage == "copy" for r in one.runs):
                one.again(pause=0.5)
        _show(invocation, looks, everything)
    return 1 if any(one.error for one in looks) else 0


class _Look:
    """What was seen of a database. Where it is one of several, that it does not answer is seen as well."""

    def __init__(self, database: Database | None, label: str = "", error: EcluseError | None = None) -> None:
        self._database = database
        self._label = label
        self._now: Status | None = None
        self.error = error

    @property
    def runs(self) -> tuple[RunStatus, ...]:
        return self._now.runs if self._now else ()

    @property
    def working(self) -> bool:
        return bool(self._now and self._now.working)

    def again(self, pause: float = 0.0) -> None:
        from ecluse.engine.status import look

        if self._database is None:
            return
        try:
            self._now, self.error = look(self._database, self._now, pause), None
        except EcluseError as error:
            if not self._label:
                raise
            self._now, self.error = None, error

    def values(self, everything: bool) -> dict[str, Any]:
        value: dict[str, Any] = {"database": str(self._database or self._label)}
        if self.error:
            return value | {"error": self.error.as_dict()}
        value |= plain(self._now)
        if not everything:
            # The unfinished ones, and of each migration the latest: more is history.
            latest = {run["migration"]: run["id"] for run in reversed(value["runs"])}
            value["runs"] = [run for run in value["runs"] if run["next"] or latest[run["migration"]] == run["id"]]
        return value


def _reached(project: Project, name: str) -> _Look:
    label = f"'{name}'"
    try:
        return _Look(project.database(name), label)
    except EcluseError as error:
        return _Look(None, label, error)


def _show(invocation: Invocation, looks: list[_Look], everything: bool) -> None:
    values = [one.values(everything) for one in looks]
    if len(values) == 1:
        invocation.show(values[0], runs.status)
    else:
        invocation.show({"databases": values}, runs.statuses)


def _watch(invocation: Invocation, looks: list[_Look], everything: bool) -> None:
    """One look a second: drawn over the last one on a terminal, else one after the other."""
    redraw = is_terminal(sys.stdout) and not invocation.json
    while True:
        if invocation.json:
            for one in looks:
                click.echo(line(one.values(everything)))
        else:
            if redraw:
                click.clear()
            _show(invocation, looks, everything)
        if not any(one.working for one in looks):
            return
        for one in looks:
            one.again(pause=_SECOND / len(looks))
