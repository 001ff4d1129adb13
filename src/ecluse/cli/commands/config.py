"""`ecluse config`: the settings as they are understood, and where each comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import human


@click.command(cls=Command)
@current
def config(invocation: Invocation) -> None:
    """Show the settings with their origin, without passwords."""
    project = Project.of(invocation)
    settings = project.settings
    entries = [_entry(project, ("migrations",), settings.migrations, "migrations" in settings.model_fields_set)]
    for name, database in settings.databases.items():
        given = database.model_fields_set
        path = ("databases", name)
        entries.append(_entry(project, (*path, "url"), database.shown_url, "url" in given))
        if database.variable:
            state = "is set" if os.environ.get(database.variable) else "is NOT set"
            entries[-1]["note"] = f"the variable {state}"
        entries.append(_entry(project, (*path, "protect"), database.protect, "protect" in given))
        if database.embedded_name:
            entries.append(_entry(project, (*path, "postgres"), database.postgres, "postgres" in given))
        if database.postgres_bin:
            entries.append(_entry(project, (*path, "postgres_bin"), database.postgres_bin, True))
    shown = {"file": str(project.file), "settings": entries, "chosen": project.wanted}
    invocation.show(shown, _lines)


def _entry(project: Project, path: tuple[str, ...], value: object, given: bool) -> dict[str, Any]:
    from ecluse.model.settings import line_of

    file = project.file / "ecluse.toml" if project.file.is_dir() else project.file
    line = line_of(file.read_text(encoding="utf-8"), path) if given else None
    origin = f"{file.name} line {line}" if line else file.name if given else "default"
    return {"name": ".".join(path), "value": value, "origin": origin, "note": ""}


def _lines(value: dict[str, Any]) -> Iterator[str]:
    yield f"settings of {value['file']}"
    rows = [(e["name"], _written(e["value"]), e["origin"], e["note"]) for e in value["settings"]]
    yield from human.table(rows)


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
