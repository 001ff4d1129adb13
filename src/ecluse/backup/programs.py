"""`pg_dump` and `pg_restore` at work: how far they are, by the sizes of tables, and how they are stopped."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecluse.backup.stopping import Stopping
from ecluse.errors import EcluseError
from ecluse.model.report import Event
from ecluse.postgres.connect import Database
from ecluse.postgres.dump import run_program
from ecluse.proof.readers import Progress

Emit = Callable[[Event], None]

_TABLE = re.compile(r'(?:dumping contents of table|processing data for table) "(.*)"$')


@contextlib.contextmanager
def timed(emit: Emit, step: str) -> Iterator[Progress]:
    """Tell that a step begins and, where it did not fail, its seconds; what is given tells how far it is."""
    emit(Event("step", step))
    began = time.monotonic()
    yield lambda done, total: emit(Event("progress", step, done=done, total=total))
    emit(Event("done", step, seconds=time.monotonic() - began))


@dataclass(slots=True)
class Advance:
    """How far a program is. It says when it begins a table: those that it may still be busy with do not count."""

    emit: Emit
    step: str
    octets: Mapping[str, int]  # by the name as the program writes it
    workers: int
    begun: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        """Hear a line."""
        if found := _TABLE.search(line):
            self.begun.append(found[1])
            done = sum(self.octets.get(name, 0) for name in self.begun[: -self.workers])
            self.emit(Event("progress", self.step, found[1], done, sum(self.octets.values()), "estimate"))


def carry(
    folder: Path,
    program: str,
    arguments: Sequence[str],
    database: Database,
    stopping: Stopping,
    state: str,
    on_line: Callable[[str], None],
) -> None:
    """Run the program to its end. Raises what `run_program` raises, or Interrupted where it was stopped."""
    stopping.check(state)
    try:
        run_program(folder, program, arguments, database, on_line=on_line, running=stopping.running)
    except EcluseError as error:
        stopping.check(state)
        error.state = state
        raise
    stopping.check(state)
