"""`ecluse init`: a settings file to begin with, and, where a recipe is named, its migration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import SETTINGS_FILE, Project
from ecluse.cli.render import human

SETTINGS = """\
# Écluse: which databases there are, and where the migrations lie.
migrations = "migrations"

[databases]
# An embedded PostgreSQL under .ecluse/, started when it is needed: to try things out.
app = "embedded:app"

# Your own. `env:` takes the address from a variable, so that no password stands in a file.
# app = "env:DATABASE_URL"
# app = "postgresql://user@host:5432/name"
# app = "service=name"

# With `protect`, changes ask for the name of the database first.
# [databases.production]
# url = "env:PRODUCTION_URL"
# protect = true
"""


@click.command(cls=Command)
@click.option("--force", is_flag=True, help="Write over files that are there already.")
@current
def init(invocation: Invocation, force: bool) -> None:
    """Begin a project in this folder: ecluse.toml and migrations/."""
    file = invocation.config or Path(SETTINGS_FILE)
    written, kept = [], []
    if file.exists() and not force:
        kept.append(str(file))
    else:
        file.write_text(SETTINGS, encoding="utf-8")
        written.append(str(file))
    project = Project(file, invocation.database)
    if not project.migrations.is_dir():
        project.migrations.mkdir(parents=True)
        written.append(f"{project.settings.migrations}/")
    invocation.show({"written": written, "kept": kept}, _lines)
    invocation.next("ecluse doctor")


def _lines(value: dict[str, Any]) -> Iterator[str]:
    yield from human.table([("wrote", name) for name in value["written"]], indent=0)
    yield from human.table(
        [("kept", f"{name} (it is there already; --force writes it anew)") for name in value["kept"]], indent=0
    )
