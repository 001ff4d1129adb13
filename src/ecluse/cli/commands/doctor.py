"""`ecluse doctor`: can a run begin, and what would stand in its way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import human
from ecluse.cli.render.json import plain
from ecluse.errors import EcluseError


@click.command(cls=Command)
@current
def doctor(invocation: Invocation) -> int:
    """Look at every database of the project; exit 3 where something is wrong."""
    project = Project.of(invocation)
    found = [_database(project, name) for name in project.names()]
    healthy = bool(found) and all(f["good"] is not False for one in found for f in one["findings"])
    invocation.show({"healthy": healthy, "databases": found}, _lines)
    return 0 if healthy else 3


def _database(project: Project, name: str) -> dict[str, Any]:
    from ecluse.engine.checkup import Finding, check

    try:
        database = project.database(name)
    except EcluseError as error:
        findings = [Finding("connection", False, error.message, error.hint)]
        return {"name": name, "label": f"'{name}'", "findings": plain(findings)}
    return {"name": name, "label": str(database), "findings": plain(check(database))}


def _lines(value: dict[str, Any]) -> Iterator[str]:
    for database in value["databases"]:
        yield human.heading(database["label"])
        rows = []
        for finding in database["findings"]:
            mark = "  " if finding["good"] is None else human.answer(finding["good"])
            rows.append((mark, finding["about"], finding["message"]))
            if finding["hint"]:
                rows.append(("", "", f"hint: {finding['hint']}"))
        yield from human.table(rows)
    if not value["databases"]:
        yield 'There is no database in ecluse.toml. To try things out: [databases] app = "embedded:app"'
        return
    yield "Nothing is wrong." if value["healthy"] else "Something is wrong: see the lines that say NO."
