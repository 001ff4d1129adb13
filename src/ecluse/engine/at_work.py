"""What a process says in the timeline while it works on a run: that it began, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import psycopg

from ecluse.engine import timeline
from ecluse.engine.context import Connection, Run
from ecluse.errors import EcluseError
from ecluse.postgres.connect import Database
from ecluse.postgres.stalls import Stalls


@contextmanager
def watched(database: Database, run: Run, name: str) -> Iterator[None]:
    """Put the longest wait of another session for one of ours into the timeline, also where the work fails."""
    stalls = Stalls(database)
    try:
        with stalls:
            yield
    finally:
        seen = "" if stalls.complete else "not seen all the time"
        run.mark("stall", name, seconds=stalls.longest, outcome=seen, waits=stalls.waits)


class AtWork:
    """One command. Until `begin` it has no run to speak of, and nothing is recorded."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._number: int | None = None

    def begin(self, conn: Connection, run: int) -> None:
        """Record that the command works on this run."""
        self._number = timeline.begin(conn, run, self._command)

    @contextmanager
    def noted(self, connect: Callable[[], Connection]) -> Iterator[None]:
        """Record how it ends. What kills the process leaves the record open, and so can be told from an end.

        In a session of its own: the one at work may have been lost. Where there is none, the record stays open.
        """
        try:
            yield
        except EcluseError as error:
            self._end(connect, "failed", {**error.as_dict(), "hint": ""})
            raise
        self._end(connect, "done", {})

    def _end(self, connect: Callable[[], Connection], outcome: str, detail: dict[str, str]) -> None:
        if self._number is None:
            return
        with suppress(EcluseError, psycopg.Error), closing(connect()) as conn:
            timeline.end(conn, self._number, outcome, **detail)
