"""`ecluse backups`: those that there are, tried again, and pruned."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import CommandGroup, current
from ecluse.cli.project import Project
from ecluse.cli.render import backups as render
from ecluse.errors import NotConfirmed

if TYPE_CHECKING:
    from ecluse.backup.shelf import Kept


def _age(context: click.Context, parameter: click.Parameter, given: str | None) -> float | None:
    return None if given is None else arguments.duration(context, parameter, given)


_place = click.option(
    "--in",
    "place",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder where they are; default .ecluse/backups/.",
)


@click.group(cls=CommandGroup)
@click.pass_context
def backups(context: click.Context) -> None:
    """List, verify or prune the backups that there are; alone, it lists them."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@backups.command("list")
@_place
@current
def list_(invocation: Invocation, /, place: Path | None = None) -> None:
    """List the backups, the newest first: when, rows, size, whether verified, and how migrations stood then."""
    from ecluse.backup.shelf import look

    above = _above(invocation, place)
    shelf = look(above)
    wanted = [each for each in shelf.kept if invocation.database in (None, _database(each))]
    invocation.show({"in": above, "backups": [_values(each) for each in wanted], "left": shelf.left}, render.shelf)


def _above(invocation: Invocation, place: Path | None) -> Path:
    return place or Project.of(invocation).backups


def _database(kept: Kept) -> str:
    return kept.manifest.database if kept.manifest else kept.folder.parent.name


def _values(kept: Kept) -> dict[str, Any]:
    from ecluse.cli.saving import values

    known = values(kept.folder, kept.manifest) if kept.manifest else {"folder": kept.folder, "verified": False}
    return {"database": _database(kept), "name": kept.folder.name, **known, "problem": kept.problem}


@backups.command()
@click.argument("backup")
@_place
@click.option("--on", metavar="NAME", help="Try it on the server of this database, instead of one of our own.")
@arguments.workers
@current
def verify(invocation: Invocation, /, backup: str, place: Path | None, on: str | None, workers: int) -> None:
    """Restore a BACKUP into a throw-away database and compare every row; exit 3 where it is not what it says.

    BACKUP is a folder, a name that `ecluse backups` lists, or `latest`. How it went is noted in its manifest.
    """
    from ecluse.backup.check import verify as try_out
    from ecluse.backup.shelf import find
    from ecluse.cli.saving import telling, values

    project = Project.of(invocation)
    folder = find(_above(invocation, place), backup, invocation.database)
    other = project.origin(on) if on else None
    with telling(invocation) as (emit, stopping):
        manifest = try_out(folder, project.folder, other, emit, stopping, workers)
    invocation.conclude({"backups": [values(folder, manifest)]}, render.taken)


@backups.command()
@_place
@click.option("--keep", type=click.IntRange(0), help="Keep so many of each database, the newest.")
@click.option("--older-than", callback=_age, metavar="AGE", help="Remove none that is younger: 30d, 12h.")
@click.option("--dry-run", is_flag=True, help="Say what would go.")
@current
def prune(
    invocation: Invocation, /, place: Path | None, keep: int | None, older_than: float | None, dry_run: bool
) -> None:
    """Remove old backups, and what killed backups left. The newest of each database that is verified always stays.

    Damaged ones stay as well: they are listed, and removed by hand.
    """
    from ecluse.backup.shelf import doomed, look, remove

    if keep is None and older_than is None:
        raise click.UsageError("say which: --keep NUMBER, --older-than AGE")
    above = _above(invocation, place)
    shelf = look(above)
    kept = [each for each in shelf.kept if invocation.database in (None, _database(each))]
    going = doomed(kept, keep, older_than, datetime.fromtimestamp(time.time(), UTC))
    found = {"in": above, "backups": [_values(each) for each in going], "left": shelf.left, "removed": not dry_run}
    if going and not dry_run:
        _confirm(invocation, found)
    if not dry_run:
        remove([*(each.folder for each in going), *shelf.left])
    invocation.show(found, render.pruned)


def _confirm(invocation: Invocation, found: dict[str, Any]) -> None:
    if invocation.yes:
        return
    number = len(found["backups"])
    running.require_terminal(invocation, f"remove {number} of the backups", "--yes, or --dry-run to see which")
    for line in render.pruned(found | {"removed": False}):
        click.echo(line, err=True)
    if not click.confirm("Remove them?", err=True):
        raise NotConfirmed("no backup was removed", state="nothing was changed")
