"""Commands that know the global options, before and after their name, and a group that imports what it runs only."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ecluse.cli.invocation import Invocation

current = click.make_pass_decorator(Invocation, ensure=True)


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    if context.get_parameter_source(option.name or "") is not click.core.ParameterSource.DEFAULT:
        setattr(context.ensure_object(Invocation), option.name or "", value)


def _globals(*, hidden: bool) -> list[click.Parameter]:
    def flag(name: str, text: str) -> click.Option:
        return click.Option(
            [f"--{name}"], is_flag=True, help=text, hidden=hidden, expose_value=False, callback=_remember
        )

    def value(name: str, kind: Any, text: str) -> click.Option:
        return click.Option([f"--{name}"], type=kind, help=text, hidden=hidden, expose_value=False, callback=_remember)

    return [
        flag("json", "Print JSON: one document, or one event a line for a run."),
        flag("quiet", "Print what matters only: data, an answer and what is wrong, errors."),
        flag("verbose", "Tell more, and show tracebacks of bugs."),
        flag("no-color", "Print without colours; so does NO_COLOR=1."),
        flag("yes", "Answer questions with yes. It is not enough for `finish`."),
        value("config", click.Path(path_type=Path), "The settings file; else ecluse.toml here or in a folder above."),
        value("database", str, "The database of ecluse.toml to work on."),
    ]


class Command(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _globals(hidden=True)
        self.epilog = self.epilog or "The global options of `ecluse --help` may stand here as well."


class Group(click.Group):
    """A group of commands."""

    command_class = Command


class CommandGroup(Group):
    """A group that does something alone, and so takes the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invoke_without_command, self.no_args_is_help = True, False
        self.params += _globals(hidden=True)


class LazyGroup(Group):
    """The root: `table` gives, for each name, the module where the command of that name lives."""

    def __init__(self, *args: Any, table: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table
        self.params += _globals(hidden=False)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the work, not of the alphabet."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that is wanted."""
        if cmd_name not in self._table:
            near = difflib.get_close_matches(cmd_name, self._table, n=1)
            ctx.fail(f"there is no command '{cmd_name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        found = getattr(import_module(f"ecluse.cli.commands.{self._table[cmd_name]}"), self._table[cmd_name])
        assert isinstance(found, click.Command)
        return found
