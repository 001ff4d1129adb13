"""What is asked of `ecluse supabase users`, whichever way it goes, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecluse.cli.invocation import Invocation
from ecluse.cli.render import users as texts
from ecluse.errors import MigrationFileError, WrongUsage

if TYPE_CHECKING:
    from ecluse.model.migration import Migration
    from ecluse.operations.import_users import ImportUsers
    from ecluse.supabase.user_outcomes import UserOutcome

WORD = "MIGRATE"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, whichever way users are imported."""

    migration: str
    via: str
    stack: Path
    url: str
    dry_run: bool
    confirm: bool
    outcomes: Path | None
    map_file: Path | None
    show_values: bool
    rate: float
    page_size: int

    def check(self) -> None:
        """Raise WrongUsage where a file could not be written at the end."""
        for file in (self.outcomes, self.map_file):
            if file and not os.access(file.parent, os.W_OK):
                raise WrongUsage(f"'{file}' cannot be written: there is no such folder, or it is not ours")
        if self.map_file and self.dry_run:
            raise WrongUsage("--map is written when the accounts are there", hint="--map FILE --no-dry-run")
        if self.map_file and self.map_file.exists():
            hint = f"mv {self.map_file} {self.map_file}.old"
            raise WrongUsage(f"'{self.map_file}' is there already, and maps are not overwritten", hint=hint)


def finish(
    invocation: Invocation,
    asked: Asked,
    users: Callable[[], Iterable[UserOutcome]],
    value: dict[str, Any],
    *,
    streamed: bool = False,
) -> None:
    """Write the files, and tell what came of it. No map of an import that was not proved."""
    from ecluse.supabase.user_outcomes import write_outcomes, write_user_map

    if asked.outcomes:
        write_outcomes(asked.outcomes, users(), show_values=asked.show_values)
        value["outcomes"] = str(asked.outcomes)
    if asked.map_file and value["good"]:
        value["map_lines"] = write_user_map(asked.map_file, users())
        value["map"] = str(asked.map_file)
    # After a run the result is the last event of its stream; a dry run is one document.
    tell = invocation.conclude if streamed else invocation.show
    tell(value, texts.imported)


def operation_of(migration: Migration) -> ImportUsers:
    """The one operation that imports users. Raises MigrationFileError."""
    from ecluse.operations.import_users import ImportUsers

    found = [operation for operation in migration.operations if isinstance(operation, ImportUsers)]
    if len(found) != 1:
        raise MigrationFileError(
            f"'{migration.name}' has {len(found)} operations import_users, and this command carries out one",
            hint='[[operation]]\nkind = "import_users"\ntable = "public.users"',
        )
    return found[0]
