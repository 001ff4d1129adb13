"""`ecluse verify`: prove a run as it stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.begun import begun_run
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import runs
from ecluse.cli.render.json import plain

if TYPE_CHECKING:
    from ecluse.model.report import Verification


@click.command(cls=Command)
@arguments.migration
@arguments.show_values
@click.option("--workers", type=click.IntRange(1, 64), help="Sessions that work side by side; default 2.")
@current
def verify(invocation: Invocation, /, migration: str, **options: Any) -> int:
    """Prove a MIGRATION as it stands, while applications go on writing; exit 3 where it does not hold."""
    project = Project.of(invocation)
    begun = begun_run(invocation, project, migration)
    with running.engine_for(
        invocation, begun.database, arguments.as_options(options), f"ecluse verify {migration}"
    ) as engine:
        found = engine.verify(begun.name)
    invocation.conclude(verification_values(begun.name, found), runs.verification)
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
