"""Écluse, as a person runs it: a project, a migration file, `ecluse apply --switch`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks import command
from benchmarks.move.ground import TABLES, Ends
from benchmarks.programs import ProgramFailed
from ecluse.operations.registry import OPERATIONS

_NAME = "leave"
NOT_THERE = "not there yet: the operation `move_table`"


def there() -> bool:
    """Whether this version can move a table to another server."""
    return "move_table" in OPERATIONS


def ecluse(ends: Ends) -> dict[str, float]:
    """Both tables in one migration, proof included, up to the moment when they are in use where they arrived.

    The notes tell each stage, `plan`: all until the run begins, and `memory`: the most that the process held, in bytes.
    """
    if not there():
        raise ProgramFailed(NOT_THERE)
    with tempfile.TemporaryDirectory() as folder:
        return command.run(_write_project(Path(folder), ends), "apply", _NAME, "--switch")


def _write_project(folder: Path, ends: Ends) -> Path:
    """Two databases and a migration; gives the settings file."""
    settings, migrations = folder / "ecluse.toml", folder / "migrations"
    settings.write_text(f"[databases]\napp = {json.dumps(ends.leaves)}\nelsewhere = {json.dumps(ends.arrives)}\n")
    operations = "".join(
        f'\n[[operation]]\nkind = "move_table"\nfrom = "app"\ntable = "public.{table}"\n' for table in TABLES
    )
    migrations.mkdir()
    (migrations / f"{_NAME}.toml").write_text(f'name = "{_NAME}"\ndatabase = "elsewhere"\n{operations}')
    return settings
