"""An engine under a command: its listener, its Ctrl-C, and the questions that come before."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Protocol

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.progress import listening
from ecluse.cli.project import Project
from ecluse.errors import Interrupted, NotConfirmed

if TYPE_CHECKING:
    from ecluse.engine.context import Options
    from ecluse.engine.runner import Engine
    from ecluse.model.migration import Migration
    from ecluse.model.plan import Plan
    from ecluse.postgres.connect import Database


class Asked(Protocol):
    """Work that can be asked to stop."""

    def ask(self) -> None:
        """Stop; at the second call at once."""


@contextmanager
def engine_for(invocation: Invocation, database: Database, options: Options, command: str) -> Iterator[Engine]:
    """An engine that tells how it goes and stops when it is asked to; `command` is how to go on then."""
    from ecluse.engine.runner import Engine

    with listening(invocation) as listener:
        engine = Engine(database, options, listener, origins=Project.of(invocation).origin)
        with interrupts(invocation, engine.stop):
            try:
                yield engine
            except Interrupted as stopped:
                stopped.hint = f"go on with `{command}`"
                raise


@contextmanager
def interrupts(
    invocation: Invocation, stop: Asked, said: str = "finishing this batch; press again to stop at once"
) -> Iterator[None]:
    """First Ctrl-C: finish what is in hand. Second: cancel it. Third: Python's own way, for when all else hangs."""
    asked = 0

    def ask(_: int, __: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            invocation.say(said)
        elif asked > 2:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        # In a thread: the interrupted code may hold the very lock that `ask` takes.
        threading.Thread(target=stop.ask, daemon=True).start()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # Once stopped, the process only says so and ends: another Ctrl-C must not take its exit status from it.
            signal.signal(number, signal.SIG_IGN if asked else handler)


def tell_edited(invocation: Invocation, wanted: Migration, begun: Plan) -> None:
    """Say that a run keeps to the plan it began with, where the migration says something else by now."""
    if begun.source and begun.source != wanted.digest:
        invocation.say(
            f"the file of '{wanted.name}', or one that it names, has changed since this run began; the run keeps to "
            f"its plan. For the new text: ecluse rollback {wanted.name}, then apply again"
        )


def confirm_protected(invocation: Invocation, database: Database, what: str) -> None:
    """Ask for the name of a protected database before it is changed."""
    if database.protect and not invocation.yes:
        _ask_name(invocation, database, f"{what} {database.name}", f"--yes, if `{what} {database.name}` is meant")


def confirm_origins(invocation: Invocation, project: Project, migration: Migration, what: str) -> None:
    """The same for the databases that tables come from: they are changed as well."""
    for origin in project.origins(migration):
        confirm_protected(invocation, origin, what)


def confirm_finish(
    invocation: Invocation, database: Database, migration: str, fingerprint: str, given: str | None
) -> None:
    """What cannot be taken back needs the plan's fingerprint, or the database's name typed by somebody."""
    hint = f"ecluse finish {migration} --confirm {fingerprint}"
    if given is None:
        _ask_name(invocation, database, f"finish '{migration}' (no way back)", hint)
    elif given != fingerprint:
        raise NotConfirmed(
            f"'{given}' is not the fingerprint of the run of '{migration}'", hint=hint, state="nothing was changed"
        )


def confirm_name(invocation: Invocation, database: Database, what: str, given: str | None, hint: str) -> None:
    """What replaces a database needs its name, typed by somebody or given beforehand; --yes is not enough."""
    if given is None:
        _ask_name(invocation, database, what, hint)
    elif given != database.name:
        raise NotConfirmed(f"'{given}' is not '{database.name}'", hint=hint, state="nothing was changed")


def confirm_word(invocation: Invocation, what: str, word: str, hint: str) -> None:
    """Ask for a word before many things are made that nobody takes back; `hint` is the option that says it."""
    require_terminal(invocation, what, hint)
    typed = click.prompt(f"{what}? Type {word}", err=True, default="", show_default=False)
    if typed != word:
        raise NotConfirmed(f"'{typed}' is not '{word}'", hint=hint, state="nothing was changed")


def require_terminal(invocation: Invocation, what: str, hint: str) -> None:
    """Refuse where nobody can be asked."""
    if not invocation.asks:
        raise NotConfirmed(
            f"this needs an answer and there is no terminal: {what}?", hint=hint, state="nothing was changed"
        )


def _ask_name(invocation: Invocation, database: Database, what: str, hint: str) -> None:
    require_terminal(invocation, what, hint)
    typed = click.prompt(f"{what}? Type the name of the database", err=True, default="", show_default=False)
    if typed != database.name:
        raise NotConfirmed(f"'{typed}' is not '{database.name}'", hint=hint, state="nothing was changed")
