"""`ecluse report`: the certificate of a run, made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ecluse.cli import arguments
from ecluse.cli.begun import begun_run
from ecluse.cli.certificates import Certificate, read_report, write_report
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.errors import ReportDamaged, WrongState


@click.command(cls=Command)
@click.argument("what", metavar="MIGRATION|FILE")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="The folder to write into.")
@arguments.show_values
@current
def report(invocation: Invocation, what: str, output: Path | None, show_values: bool) -> None:
    """Write the certificate of a MIGRATION's latest run, as its journal knows it now: report.json and report.html.

    With the FILE of a report.json its page is made again, from the file alone: no database is asked. A report that was
    edited makes no page.
    """
    if what.endswith(".json"):
        file = Path(what)
        found = write_report(_intact(file), output or file.parent)
    else:
        found = _of_the_run(invocation, what, output, show_values)
    invocation.show(found, _lines)


def _intact(file: Path) -> dict[str, Any]:
    from ecluse.certificate import intact

    found = read_report(file)
    if not intact(found):
        raise ReportDamaged(
            f"'{file}' is not as it was made: its content does not have the sha256 that it bears",
            hint=f"ecluse report {found['migration']}  # from the journal",
            state="nothing was written",
        )
    return found


def _of_the_run(invocation: Invocation, name: str, output: Path | None, show_values: bool) -> dict[str, str]:
    from ecluse.engine.evidence import gather

    project = Project.of(invocation)
    begun = begun_run(invocation, project, name)
    made = gather(begun.database, begun.name, values=show_values)
    if made is None:
        raise WrongState(
            f"no run of '{begun.name}' is recorded in {begun.database}",
            hint=f"ecluse apply {name}",
            state="nothing was written",
        )
    certificate = Certificate(invocation, project, begun.database, begun.name, output)
    return write_report(made, certificate.place(made))


def _lines(value: dict[str, Any]) -> Iterator[str]:
    yield value["html"]
    yield value["json"]
