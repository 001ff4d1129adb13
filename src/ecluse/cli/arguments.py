"""Arguments that several commands share, with their completion."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ecluse.cli.project import Project, find_settings
from ecluse.errors import EcluseError, WrongUsage

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")

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


def migrations(function: _F) -> _F:
    """[MIGRATION]...: any number of them."""
    return click.argument("migrations", metavar="[MIGRATION]...", nargs=-1, shell_complete=_complete_migration)(
        function
    )


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


def workers(function: _F) -> _F:
    """--workers: how many sessions."""
    return click.option(
        "--workers", type=click.IntRange(1, 64), default=2, help="Sessions that work side by side; default 2."
    )(function)


def run_options(function: _F) -> _F:
    """How hard the server is worked."""
    for option in (
        workers,
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
        click.option("--recycle-clients", is_flag=True, help="End the clients' sessions: they reconnect."),
        click.option("--switch-budget", type=click.FloatRange(min=0.01), help="Seconds under lock; default 0.25."),
    ):
        function = option(function)
    return function


def report_folder(function: _F) -> _F:
    """--report: where the certificate of the run goes."""
    return click.option(
        "--report",
        "report_folder",
        metavar="FOLDER",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where to write report.json and report.html; default .ecluse/reports/MIGRATION-RUN.",
    )(function)


def names(what: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[str, ...]]:
    """Reads an option that is given more than once, or has commas in it: each name once."""

    def read(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
        named = [name.strip() for text in given for name in text.split(",")]
        if not all(named):
            raise click.BadParameter(f"the name of a {what} is missing")
        return tuple(dict.fromkeys(named))

    return read


def old_shape_for(function: _F) -> _F:
    """--old-shape-for: who goes on using the old shape after the switch."""
    return click.option(
        "--old-shape-for",
        metavar="ROLE[,ROLE]",
        multiple=True,
        callback=names("role"),
        help="Roles that go on using the old shape beside the new one; else those that the migration names.",
    )(function)


def duration(_: click.Context, __: click.Parameter, given: str) -> float:
    """The seconds of 90, 90s, 30m, 1.5h or 2d."""
    found = _DURATION.fullmatch(given.strip())
    if found is None:
        raise click.BadParameter(f"'{given}' is not a duration: 90s, 30m, 1.5h, 2d")
    return float(found[1]) * _SECONDS[found[2]]


def reason(_: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """Why somebody goes past a gate: words, and not an empty text."""
    if given is not None and not given.strip():
        raise WrongUsage("the reason is missing", hint=f'{option.opts[0]} "why"')
    return given.strip() if given else None


def as_options(given: dict[str, Any]) -> Options:
    """The engine's options, with its own defaults for what was not given."""
    from ecluse.engine.context import Options

    return Options(**{name: value for name, value in given.items() if value is not None})
