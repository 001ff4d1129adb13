"""Three ways to tell how a run goes: one live line, plain lines, or events as JSON. Called from any thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

from ecluse.cli.invocation import Invocation, is_terminal, unheard
from ecluse.cli.render import human
from ecluse.cli.render.json import line, plain
from ecluse.cli.words import APPLY, stage
from ecluse.model.report import Event

if TYPE_CHECKING:
    from rich.status import Status

_EVERY = 30.0
_HIDDEN = frozenset({"journal"})
_OCTETS = frozenset({"dump", "restore"})  # steps that are measured by the bytes of tables
_BAR = 20


class Listener(Protocol):
    """What an engine emits to."""

    def __call__(self, event: Event) -> None:
        """Tell one event."""


@contextmanager
def listening(invocation: Invocation) -> Iterator[Listener]:
    """The listener that fits where we write to."""
    if invocation.json:
        yield _unharmed(JsonLines(), sys.stdout)
    elif invocation.quiet:
        yield _unharmed(_only_warnings, sys.stderr)
    elif is_terminal(sys.stderr):
        with live(invocation) as listener:
            yield listener
    else:
        yield _unharmed(PlainLines(lambda text: click.echo(text, err=True)), sys.stderr)


def _unharmed(listener: Listener, stream: TextIO) -> Listener:
    """A run must not stop half way because `| head` has seen enough: it goes on, unheard."""

    def tell(event: Event) -> None:
        try:
            listener(event)
        except BrokenPipeError:
            unheard(stream)

    return tell


def _only_warnings(event: Event) -> None:
    if event.kind == "warn":
        click.echo(f"warning: {event.message}", err=True)


class JsonLines:
    """One event a line, on stdout: with --json they are the data. Progress is told ten times a second at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        """Print the event without what it does not know."""
        if event.kind in _HIDDEN:
            return
        with self._lock:
            now = time.monotonic()
            if event.kind == "progress":
                if now - self._last < 0.1:
                    return
                self._last = now
            click.echo(line(event_values(event)))


class PlainLines:
    """A line at the start and the end of each step, and every 30 seconds."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._told = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Write what is worth a line."""
        with self._lock:
            now = time.monotonic()
            if event.kind == "progress":
                if now - self._told >= _EVERY:
                    self._told = now
                    self._write(f"{_position(event.step)}{stage(event.step)}: {measured(event)}")
                return
            text = _sentence(event)
            if text:
                self._told = now
                self._write(text)


class LiveLine:
    """Finished steps stay as lines; under them, one line moves."""

    def __init__(self, status: Status, write: Callable[[str], None]) -> None:
        self._status = status
        self._write = write
        self._lock = threading.Lock()
        self._step = ""

    def __call__(self, event: Event) -> None:
        """Move the line, or put one above it."""
        from rich.text import Text

        with self._lock:
            if event.kind == "step":
                self._step = event.step
                self._status.update(Text(f"{_position(event.step)}{stage(event.step)}"))
            elif event.kind == "progress":
                moving = f"{_position(event.step)}{stage(event.step)}  {measured(event)}"
                self._status.update(Text(moving))
            elif text := _sentence(event):
                self._write(text)


@contextmanager
def live(invocation: Invocation) -> Iterator[Listener]:
    """A live line on stderr."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, no_color=invocation.color is False, highlight=False)
    with console.status("", spinner="line") as status:
        yield LiveLine(status, lambda text: console.print(Text(text)))


def _position(step: str) -> str:
    return f"{APPLY.index(step) + 1}/{len(APPLY)}  " if step in APPLY else ""


def _sentence(event: Event) -> str:
    """A line for an event that is not progress; empty where there is nothing to say."""
    if event.kind == "step":
        return f"{_position(event.step)}{stage(event.step)} ..."
    if event.kind == "done":
        return f"{_position(event.step)}{stage(event.step)}: done in {human.duration(event.seconds or 0.0)}"
    if event.kind == "warn":
        return f"warning: {event.message}"
    return "" if event.kind in _HIDDEN else f"     {event.message}"


def measured(event: Event) -> str:
    """How far it is, how fast, and how long it still takes, by the rate that was measured and no other."""
    if event.done is None:
        return event.message
    if event.step in _OCTETS and event.total:
        return f"{_bar(event.done / event.total)}   {human.size(event.done)} of {human.size(event.total)}"
    # Steps other than the copy count something else than rows.
    unit = " rows" if event.step == "copy" else ""
    parts = [human.count(event.done) + unit]
    if event.total is not None:
        sign = "about " if event.total_is == "estimate" else ""
        parts = [f"{human.count(event.done)} of {sign}{human.count(event.total)}{unit}"]
    if event.rate:
        parts.append(f"{human.count(event.rate)}/s")
        if event.total is not None and event.total > event.done:
            parts.append(f"about {human.duration((event.total - event.done) / event.rate)} left")
    return "   ".join(parts)


def _bar(part: float) -> str:
    full = round(_BAR * part)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {part * 100:3.0f} %"


def event_values(event: Event) -> dict[str, Any]:
    """An event as --json prints it."""
    known: dict[str, Any] = {k: v for k, v in plain(event).items() if v not in (None, "")}
    if event.total is None:
        known.pop("total_is")
    return {"event": known.pop("kind"), **known}
