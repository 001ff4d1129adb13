"""Arguments that several commands share, with their completion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ecluse.cli.project import Project, find_settings
from ecluse.errors import EcluseError

if TYPE_CHECKING:
    from ecluse.engine.context import Options

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


def migration_or_all(function: _F) -> _F:
    """[MIGRATION]: without it, all are meant."""
    return click.argument("migration", required=False, shell_complete=_complete_migration)(function)


def show_values(function: _F) -> _F:
    """--show-values."""
    return click.option("--show-values", is_flag=True, help="Show values of rows, which are masked or left out else.")(
        function
    )


def stack_folder(function: _F) -> _F:
    """--folder: where a Supabase of one's own has its files."""
    kind = click.Path(path_type=Path, file_okay=False)
    return click.option("--folder", type=kind, default="supabase", show_default=True, help="The folder of the stack.")(
        function
    )


def run_options(function: _F) -> _F:
    """How hard the server is worked."""
    for option in (
        click.option("--workers", type=click.IntRange(1, 64), help="Sessions that work side by side; default 2."),
        click.option("--max-rate", type=click.FloatRange(min=1), help="At most so many rows a second."),
        click.option("--lock-budget", type=click.FloatRange(min=0.1), help="Seconds to try for a lock; default 60."),
    ):
        function = option(function)
    return function


def executor(function: _F) -> _F:
    """--executor: who carries the copy."""
    text = "Who carries the copy: dask:ADDRESS, a Dask cluster (pip install 'ecluse[dask]'); default is this process."
    return click.option("--executor", metavar="dask:ADDRESS", help=text)(function)


def switch_options(function: _F) -> _F:
    """What the moment under lock may cost."""
    for option in (
        click.option("--recycle-clients", is_flag=True, help="End the clients' sessions after it: they reconnect."),
        click.option("--switch-budget", type=click.FloatRange(min=0.01), help="Seconds under lock; default 0.25."),
    ):
        function = option(function)
    return function


def as_options(given: dict[str, Any]) -> Options:
    """The engine's options, with its own defaults for what was not given."""
    from ecluse.engine.context import Options

    return Options(**{name: value for name, value in given.items() if value is not None})
