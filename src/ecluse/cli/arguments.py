"""Arguments that several commands share, with their completion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ecluse.cli.project import Project, find_settings
from ecluse.errors import EcluseError

_F = TypeVar("_F", bound=Callable[..., Any])


def _complete_migration(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    try:
        names = Project(find_settings(Path.cwd()), None).migration_names()
    except (EcluseError, OSError):
        return []
    return [name for name in names if name.startswith(incomplete)]


def migration(function: _F) -> _F:
    """MIGRATION: a name in the migrations folder, or a path."""
    return click.argument("migration", shell_complete=_complete_migration)(function)


def show_values(function: _F) -> _F:
    """--show-values."""
    return click.option("--show-values", is_flag=True, help="Show values of rows, which are masked or left out else.")(
        function
    )
