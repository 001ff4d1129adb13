"""`ecluse restore`: a backup becomes a database again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments, running
from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import backups as render
from ecluse.cli.render.json import plain

if TYPE_CHECKING:
    from ecluse.backup.restore import Restore
    from ecluse.model.backup import Manifest
    from ecluse.postgres.connect import Database


@dataclass(frozen=True, slots=True)
class _Asked:
    """The command line."""

    backup: str
    new: str | None
    into: str | None
    in_place: bool
    table: tuple[str, ...]
    place: Path | None
    on: str | None
    dry_run: bool
    confirm: str | None
    create_roles: bool
    no_owner: bool
    workers: int


@click.command(cls=Command)
@click.argument("backup")
@click.option("--new", metavar="NAME", help="Into a new database of this name, on the server that the backup is of.")
@click.option("--into", metavar="DATABASE", help="Into a database of ecluse.toml that is missing or empty.")
@click.option("--in-place", is_flag=True, help="In the place of the database, which is kept under another name.")
@click.option("--table", metavar="SCHEMA.TABLE", multiple=True, help="Only these tables, into schema ecluse_restored.")
@click.option(
    "--in", "place", type=click.Path(path_type=Path, file_okay=False), help="Where backups are; else .ecluse/backups/."
)
@click.option("--on", metavar="NAME", help="With --table: unpack on the server of this database, not on our own.")
@click.option("--dry-run", is_flag=True, help="Check the backup, say what would be lost, and change nothing.")
@click.option("--confirm", metavar="DATABASE", help="With --in-place: its name, where nobody can be asked.")
@click.option("--create-roles", is_flag=True, help="Make the roles that the server lacks, without a login.")
@click.option("--no-owner", is_flag=True, help="Leave owners and rights out: all of it belongs to who restores.")
@arguments.workers
@current
def restore(invocation: Invocation, /, **options: Any) -> None:
    """Restore a BACKUP: a folder, a name that `ecluse backups` lists, or `latest`.

    Every file is checked before anything is touched, and everything is restored into a new database, where each row is
    compared with what the snapshot held; only then that gets the name that was asked for. With --in-place, what changed
    since the backup is told first; the sessions of the application are ended at the moment of the change.

    On Supabase the database `postgres` cannot be replaced: use --new, or --table.
    """
    from ecluse.backup.files import intact
    from ecluse.backup.restore import Restore
    from ecluse.backup.shelf import find
    from ecluse.backup.target import Ways
    from ecluse.cli.saving import telling

    asked = _Asked(**options)
    if [asked.new is not None, asked.into is not None, asked.in_place, bool(asked.table)].count(True) != 1:
        raise click.UsageError("say where to: --new NAME, --into DATABASE, --in-place, or --table SCHEMA.TABLE")
    project = Project.of(invocation)
    folder = find(asked.place or project.backups, asked.backup, None if asked.place else invocation.database)
    manifest = intact(folder)
    ways = Ways(asked.create_roles, asked.no_owner, asked.workers)
    if asked.in_place:
        database = _of(project, manifest)
        with telling(invocation) as (emit, stopping):
            lost = _lost(database, Restore(folder, manifest, ways, emit, stopping))
        if not asked.dry_run:
            _confirm(invocation, asked, database, manifest, lost)
    with telling(invocation) as (emit, stopping):
        work = Restore(folder, manifest, ways, emit, stopping)
        if asked.in_place:
            done = _told(database, None if asked.dry_run else plain(work.in_place(database))) | {"lost": lost}
        else:
            done = _tables(project, asked, work) if asked.table else _beside(project, asked, work)
    told = {"backup": folder, "at": manifest.at, "verified": manifest.verified, "dry_run": asked.dry_run, **done}
    invocation.conclude(told, render.restored)


def _beside(project: Project, asked: _Asked, work: Restore) -> dict[str, Any]:
    if asked.into is not None:
        database = _reachable(project, asked.into, work, asked.dry_run)
        if isinstance(database, dict):
            return database
        work.refuse_into(database)
        return _told(database, None if asked.dry_run else plain(work.into_empty(database)))
    database = _of(project, work.manifest)
    assert asked.new is not None
    work.refuse_new(database, asked.new)
    return _told(database, None if asked.dry_run else plain(work.to_new(database, asked.new)))


def _of(project: Project, manifest: Manifest) -> Database:
    """The database that the backup is of, or the one that was asked for by option."""
    return project.origin(project.wanted or manifest.database)


def _told(database: Database, done: dict[str, Any] | None) -> dict[str, Any]:
    return {"database": str(database), "name": database.name, "restored": done}


def _reachable(project: Project, name: str, work: Restore, dry_run: bool) -> Database | dict[str, Any]:
    """The database, where it is there; where it is missing, what came of making it."""
    from ecluse.backup.target import name_of
    from ecluse.errors import CannotConnect
    from ecluse.postgres.connect import open_session

    database = project.origin(name)
    try:
        open_session(database, role="restore").close()
    except CannotConnect as error:
        if "does not exist" not in error.details or "database" not in error.details:
            raise
        called = name_of(database)
        work.refuse_new(database, called)
        return _told(database, None if dry_run else plain(work.to_new(database, called)))
    return database


def _lost(database: Database, work: Restore) -> dict[str, Any]:
    from ecluse.backup.lost import lost_since

    work.refuse_in_place(database)
    found = lost_since(work.manifest, database, work.emit, work.stopping, work.ways.workers)
    return {"changes": plain(found.changes), "steps": plain(found.steps), "tables": found.tables}


def _confirm(
    invocation: Invocation, asked: _Asked, database: Database, manifest: Manifest, lost: dict[str, Any]
) -> None:
    """Nobody answers with the progress moving, or with Ctrl-C caught: this is between the two."""
    for line in render.lost(lost, manifest.at):
        invocation.say(line)
    hint = f"--confirm {database.name}, if it is meant; --dry-run says what would be lost"
    what = f"replace {database} by the backup of {manifest.at}"
    running.confirm_name(invocation, database, what, asked.confirm, hint)


def _tables(project: Project, asked: _Asked, work: Restore) -> dict[str, Any]:
    from ecluse.backup.place import named_place, throwaway_place
    from ecluse.backup.single import put_tables, refuse_taken, wanted

    tables = wanted(work.manifest, asked.table)
    database = _of(project, work.manifest)
    refuse_taken(database, tables)
    if asked.dry_run:
        return _told(database, None)
    opened = (
        named_place(project.origin(asked.on), work.manifest)
        if asked.on
        else throwaway_place(project.folder, work.manifest)
    )
    with opened as place:
        done = put_tables(work.folder, work.manifest, tables, place, database, work.emit, work.stopping)
    listed = [{"table": str(each.table), "at": str(each.at), "rows": each.rows} for each in done]
    return _told(database, None) | {"tables": listed}
