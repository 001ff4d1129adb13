"""Programs as a person would start them: alone, or one into the other. What they complain of is their error."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

Words = Sequence[str]


class ProgramFailed(Exception):
    """A program ended with an error; says the last thing that it said."""


def environment(**further: str) -> dict[str, str]:
    """Ours without what would point a client of PostgreSQL elsewhere."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")} | further


def run(words: Words, env: Mapping[str, str] | None = None) -> None:
    """One program, to its end."""
    pipe([words], env)


def pipe(programs: Sequence[Words], env: Mapping[str, str] | None = None) -> None:
    """Programs side by side, each reading what the one before it writes."""
    with tempfile.TemporaryFile("w+") as complaints:
        running: list[subprocess.Popen[bytes]] = []
        for number, words in enumerate(programs):
            last = number == len(programs) - 1
            started = subprocess.Popen(
                words,
                stdin=running[-1].stdout if running else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                stderr=complaints,
                env=env or environment(),
            )
            if running and running[-1].stdout:
                running[-1].stdout.close()  # so that the first hears when the second is gone
            running.append(started)
        failed = [words[0] for words, program in zip(programs, running, strict=True) if program.wait() != 0]
        if failed:
            complaints.seek(0)
            said = complaints.read().strip().splitlines()
            raise ProgramFailed(f"{', '.join(failed)}: {said[-1] if said else 'failed'}")
