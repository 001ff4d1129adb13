"""The gate before the switch of a protected database: a backup that is known to restore, or somebody says why not."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli import arguments
from ecluse.cli.invocation import Invocation
from ecluse.cli.project import Project
from ecluse.errors import EcluseError, NotBackedUp

if TYPE_CHECKING:
    from ecluse.engine.journal import RunRecord
    from ecluse.model.migration import Migration
    from ecluse.postgres.connect import Database


def backup_options(function: click.decorators.FC) -> click.decorators.FC:
    """--backup and --without-backup: what a switch of a protected database wants."""
    for option in (
        click.option(
            "--without-backup",
            metavar="REASON",
            callback=arguments.reason,
            help="Switch a protected database without a verified backup since the run began; kept in the journal.",
        ),
        click.option("--backup", is_flag=True, help="Before the switch, take a backup and verify it by a restore."),
    ):
        function = option(function)
    return function


def require_backup(
    project: Project, database: Database, migration: Migration, backup: bool, reason: str | None
) -> None:
    """Raise NotBackedUp where a protected database has no verified backup since the run began, and none is to be taken.

    Asked before anything is done: `apply --switch` must not build for hours and refuse then.
    """
    from ecluse.engine.status import last_run

    if backup or reason:
        return
    record = last_run(database, migration.name)
    concerned = (database, *project.origins(migration))
    lacking = [each for each in concerned if each.protect and not _sound(project, each, record)]
    if lacking:
        raise NotBackedUp(
            f"{lacking[0]} is protected, and has no verified backup since the run of '{migration.name}' began",
            details="looked for in .ecluse/backups/, for one of this very server and database",
            hint=f'ecluse switch {migration.name} --backup\nor: ecluse switch {migration.name} --without-backup "why"',
            state="nothing was changed",
        )


def before_switch(
    invocation: Invocation, project: Project, database: Database, migration: Migration, backup: bool, reason: str | None
) -> None:
    """Take the backups that were asked for, and note in the journal what the switch relies on.

    A backup that cannot be taken, or does not restore, is an error, and there is no switch.
    """
    from ecluse.cli.saving import back_up
    from ecluse.engine import journal
    from ecluse.engine.status import last_run
    from ecluse.postgres.connect import open_session

    require_backup(project, database, migration, backup, reason)
    concerned = (database, *project.origins(migration))
    if backup:
        for each in concerned:
            try:
                back_up(invocation, project, each)
            except EcluseError as error:
                error.state = f"{error.state}; nothing was switched"
                raise
    record = last_run(database, migration.name)
    if record is None or not record.unfinished:
        return  # the switch itself says so
    kept = {each.name: found for each in concerned if (found := _sound(project, each, record))}
    if kept or reason:
        with open_session(database, role="switch") as conn, conn.transaction():
            journal.record_step(conn, record.id, "backup", backups=kept, without=reason or "")


def _sound(project: Project, database: Database, record: RunRecord | None) -> dict[str, Any] | None:
    """The newest backup of the database that was verified and is not older than the run.

    A name in ecluse.toml may mean another server tomorrow (env:DATABASE_URL): a backup of that is none of this one.
    """
    from ecluse.backup.facts import called, server
    from ecluse.backup.shelf import look
    from ecluse.postgres.connect import open_session

    if record is None or not record.unfinished:
        return None
    began = datetime.fromisoformat(record.started_at)
    with open_session(database, role="backup") as conn:
        place = (called(conn), server(conn))
    for each in look(project.backups).kept:
        mine = each.manifest if each.sound and each.manifest and each.manifest.database == database.name else None
        if mine and (mine.called, mine.server) == place and datetime.fromisoformat(mine.at) >= began:
            return {"backup": each.folder.name, "at": mine.at}
    return None
