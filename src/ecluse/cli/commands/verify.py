"""`ecluse verify`: prove a run as it stands now, or hold an earlier report against it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.begun import begun_run
from ecluse.cli.certificates import Certificate, read_report
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs
from ecluse.cli.render.json import plain
from ecluse.errors import WrongUsage

if TYPE_CHECKING:
    from ecluse.model.report import Verification


@click.command(cls=Command)
@arguments.migration_or_all
@click.option(
    "--report",
    "report_file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Hold this report.json against itself, the journal and the tables, instead of MIGRATION.",
)
@arguments.show_values
@arguments.workers
@current
def verify(invocation: Invocation, /, migration: str | None, report_file: Path | None, **options: Any) -> int:
    """Prove a MIGRATION as it stands, while applications go on writing; exit 3 where it does not hold.

    With --report, an earlier report is looked at: whether it was edited, whether the journal says the same, and whether
    what can still be proved holds. What was written since is told as a change, and is no fault of the report.
    """
    if (migration is None) == (report_file is None):
        raise WrongUsage("name a migration, or a report with --report", hint="ecluse verify --help")
    if report_file is not None:
        return _replay(invocation, report_file, options)
    assert migration is not None
    project = Project.of(invocation)
    begun = begun_run(invocation, project, migration)
    shown = bool(options["show_values"])
    certificate = Certificate(invocation, project, begun.database, begun.name, show_values=shown)
    again = f"ecluse verify {migration}"
    given = arguments.as_options(options)
    with certificate.kept(), running.engine_for(invocation, begun.database, given, again) as engine:
        found = engine.verify(begun.name)
    value = verification_values(begun.name, found) | certificate.written()
    invocation.conclude(value, runs.verification, runs.disproved)
    return 0 if found.passed else 3


def _replay(invocation: Invocation, file: Path, options: dict[str, Any]) -> int:
    from ecluse.engine.replay import replay

    report = read_report(file)
    project = Project.of(invocation)
    database = project.database(str(report["database"].get("name", "")))
    again = f"ecluse verify --report {file}"
    with running.engine_for(invocation, database, arguments.as_options(options), again) as engine:
        found = replay(engine, report)
    value = {"migration": report["migration"], "run": report["run"], "database": str(database), "report": None}
    value |= {"status": found.status, "passed": found.passed, "checks": plain(found.checks)}
    invocation.conclude(value, runs.replayed)
    return 0 if found.passed else 3


def verification_values(migration: str, found: Verification) -> dict[str, Any]:
    """What a proof found, each part with its own verdict."""
    return {
        "migration": migration,
        "passed": found.passed,
        "accounts": [plain(a) | {"balanced": a.balanced} for a in found.accounts],
        "comparisons": [plain(c) | {"equal": c.equal} for c in found.comparisons],
        "probes": [plain(p) for p in found.probes],
    }
