"""`ecluse export`: a migration as a script, for those who must run it by their own tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import human
from ecluse.errors import WrongState, WrongUsage

if TYPE_CHECKING:
    from ecluse.engine.exporting.script import Exported
    from ecluse.model.migration import Migration
    from ecluse.model.plan import Plan
    from ecluse.postgres.connect import Database

_FORMS = ("sql", "supabase", "alembic")


@click.command(cls=Command)
@arguments.migration
@click.option(
    "--as", "form", type=click.Choice(_FORMS), required=True, help="Files for psql, Supabase CLI, or Alembic."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder; else `export/MIGRATION`.")
@click.option("--down-revision", metavar="REVISION", help="Of Alembic: the revision that this one comes after.")
@current
def export(invocation: Invocation, /, migration: str, form: str, out: Path | None, down_revision: str | None) -> None:
    """Write a MIGRATION as files that another tool runs, and say which guarantees are lost that way.

    The script locks the tables, builds, checks and switches in one transaction. It fits the tables as they are now,
    and refuses others. What only the engine can do is refused here: moves between servers, import_users, the old shape
    kept.
    """
    if down_revision and form != "alembic":
        raise click.UsageError("--down-revision is for --as alembic")
    project = Project.of(invocation)
    wanted = project.migration(migration)
    plan, found = _exported(project, wanted, project.database(wanted.database))
    made = _files(form, plan, found, down_revision)
    folder = out or Path("export") / plan.migration
    _write(folder, made)
    value = {
        "migration": plan.migration,
        "form": form,
        "fingerprint": plan.fingerprint,
        "folder": str(folder),
        "files": list(made),
        "rollback": found.rollback is not None,
        "lost": _losses(plan),
    }
    invocation.show(value, _lines)


def _exported(project: Project, wanted: Migration, database: Database) -> tuple[Plan, Exported]:
    from ecluse.cli.commands.apply import refused
    from ecluse.engine.exporting.script import export as make
    from ecluse.engine.planner import make_plan
    from ecluse.engine.status import last_run
    from ecluse.postgres.connect import open_session

    record = last_run(database, wanted.name)
    if record and record.status != "rolled_back":
        raise WrongState(
            f"'{wanted.name}' is '{record.status}' here: its run has changed the tables that a script would begin with",
            hint=f"export from a database that has the old shape: --database NAME; or: ecluse rollback {wanted.name}",
            state="nothing was changed, and nothing was written",
        )
    plan = make_plan(database, wanted, origins=project.origin)
    if plan.refused:
        raise refused(plan)
    with open_session(database, role="export") as conn:
        return plan, make(plan, conn)


def _files(form: str, plan: Plan, found: Exported, down_revision: str | None) -> Mapping[str, str]:
    from datetime import UTC, datetime

    from ecluse.cli.export_files import Layout, files

    # The same plan is the same revision: exported twice, it is not there twice.
    layout = Layout(plan.migration, datetime.now(UTC), plan.fingerprint[:12], down_revision)
    return files(form, plan, found, layout)


def _losses(plan: Plan) -> list[str]:
    from ecluse.cli.export_files import losses

    return list(losses(plan))


def _write(folder: Path, made: Mapping[str, str]) -> None:
    """All files, or none where one of that name says something else."""
    for name, text in made.items():
        place = folder / name
        if place.exists() and place.read_text(encoding="utf-8") != text:
            raise WrongUsage(f"'{place}' is there already, and says something else", hint="--out FOLDER")
    for name, text in made.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch(mode=0o600)
        place.write_text(text, encoding="utf-8")


def _lines(value: dict[str, Any]) -> Iterator[str]:
    yield f"{human.heading(value['migration'])} as {value['form']} in {value['folder']}:"
    yield from (f"  {name}" for name in value["files"])
    yield "lost by running it without Écluse:"
    yield from (f"  - {text}" for text in value["lost"])
