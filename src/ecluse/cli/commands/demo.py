"""`ecluse demo`: a whole migration under a running application, with every command printed."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.render import human


@click.command(cls=Command)
@click.option("--rows", type=click.IntRange(min=100), default=10_000, show_default=True, help="Legacy conversations.")
@current
def demo(invocation: Invocation, /, rows: int) -> None:
    """Watch a messy legacy database change its shape under a running application, go back, and change again.

    After the switch the old application goes on beside the new one.

    Everything happens in .ecluse/demo/ of this folder, on an embedded PostgreSQL that is stopped at the end.
    """
    from ecluse.cli.demo.story import Story, fresh_folder, tell_story
    from ecluse.cli.main import run
    from ecluse.cli.project import Project
    from ecluse.postgres.connect import release_embedded

    folder = fresh_folder((Path.cwd() / ".ecluse" / "demo").resolve())
    project = Project(folder / "ecluse.toml", None)
    shared = ["--no-color"] if invocation.no_color else []
    if invocation.json or invocation.quiet:
        shared.append("--quiet")
    story = Story(folder, lambda arguments: run([*arguments, *shared]), project.database)
    silence = contextlib.redirect_stdout(io.StringIO()) if invocation.json else contextlib.nullcontext()
    try:
        with contextlib.chdir(folder), silence:
            tell_story(story, rows)
    finally:
        release_embedded()
    invocation.show(story.result(), _lines)


def _lines(value: dict[str, Any]) -> Iterator[str]:
    yield ""
    stalls = ", ".join(f"{when} {human.duration(ms / 1000)}" for when, ms in value["stalls_ms"].items())
    yield f"All {len(value['checks'])} claims hold, after {human.duration(value['seconds'])}. Longest stalls: {stalls}."
    yield f"The archive of the old shape: {value['folder']}/.ecluse/archive/"
    yield f"Nothing is left running. To look around: cd {value['folder']} && ecluse status --all"
