"""A run that has begun, for commands that must work when its migration file does not: the way back first of all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecluse.cli.invocation import Invocation
from ecluse.cli.project import Project
from ecluse.errors import EcluseError, MigrationFileError, UnknownMigration

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database


@dataclass(frozen=True, slots=True)
class Begun:
    """The name of the migration, its database, and the databases that its tables come from."""

    name: str
    database: Database
    origins: tuple[str, ...]


def begun_run(invocation: Invocation, project: Project, text: str) -> Begun:
    """What the file says, or where it is gone or cannot be read, the journal of the run that began with it.

    Raises what reading the file raises where no unfinished run has this name.
    """
    from ecluse.operations.compile import origins_of

    try:
        wanted = project.migration(text)
    except (MigrationFileError, UnknownMigration) as error:
        found = _from_the_journal(project, text)
        if found is None:
            raise
        invocation.say(f"{error.message}; the run keeps to the plan that is in its journal")
        return found
    return Begun(wanted.name, project.database(wanted.database), origins_of(wanted))


def _from_the_journal(project: Project, name: str) -> Begun | None:
    from ecluse.engine.status import unfinished_plan

    for each in project.names():
        # A database that does not answer has no run that we could go back in.
        with suppress(EcluseError):
            database = project.database(each)
            begun = unfinished_plan(database, name)
            if begun is not None:
                return Begun(name, database, tuple(dict.fromkeys(move.origin for move in begun[1].moves)))
    return None
