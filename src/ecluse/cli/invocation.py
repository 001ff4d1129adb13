"""What one invocation was asked for globally, and the only two ways in which it speaks: data out, the rest aside."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from ecluse.cli.render.json import document, line, plain


def unheard(stream: TextIO) -> None:
    """Let go of a stream that nobody reads any more, so that Python does not complain at exit."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at it. Where a stream was closed before we began, there is none."""
    return stream is not None and not stream.closed and stream.isatty()


Lines = Callable[[Any], Iterable[str]]


@dataclass(slots=True)
class Invocation:
    """The global options, and where to write. stdout is data, stderr is everything else."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    yes: bool = False
    config: Path | None = None
    database: str | None = None

    @property
    def color(self) -> bool | None:
        """False where colour is unwanted; None lets click look at the stream."""
        return False if self.no_color or os.environ.get("NO_COLOR") else None

    @property
    def asks(self) -> bool:
        """Whether there is somebody who can answer a question."""
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)

    @property
    def watched(self) -> bool:
        """Whether somebody reads what we print: then we say what could come next."""
        return is_terminal(sys.stdout) and not self.json and not self.quiet

    def show(self, value: dict[str, Any], lines: Lines, brief: Lines | None = None) -> None:
        """Print a document: as it is with --json, else as the lines made of the very same values.

        `brief` is what matters of it, for --quiet: what is wrong, and the answer.
        """
        if self.json:
            click.echo(document(value))
            return
        for text in (brief if brief and self.quiet else lines)(plain(value)):
            click.echo(text, color=self.color)

    def conclude(self, value: dict[str, Any], lines: Lines, brief: Lines | None = None) -> None:
        """Print what a run came to: with --json it is the last event of the stream."""
        if self.json:
            click.echo(line({"event": "result", **value}))
        else:
            self.show(value, lines, brief)

    def say(self, text: str) -> None:
        """Tell something that is not data."""
        if not self.quiet and not self.json:
            click.echo(text, err=True, color=self.color)

    def next(self, command: str) -> None:
        """Say what could come next, to a person."""
        if self.watched:
            click.echo(f"Next: {command}")
