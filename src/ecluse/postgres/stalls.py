"""Who waits for us: a thread that looks which sessions of others wait for a lock of one of ours, and how long."""

from __future__ import annotations

import threading
from types import TracebackType

import psycopg

from ecluse.errors import EcluseError
from ecluse.postgres.connect import Database, Session, open_session

_TICK = 0.02
# A lock that is waited for is known with its beginning; `ecluse` is how open_session names our sessions.
_WAITING = """
    SELECT l.pid, l.waitstart::pg_catalog.text,
        extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart)::pg_catalog.float8
    FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE NOT l.granted AND l.waitstart IS NOT NULL AND a.application_name NOT LIKE 'ecluse %'
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity AS ours
        WHERE ours.pid = ANY (pg_catalog.pg_blocking_pids(l.pid)) AND ours.application_name LIKE 'ecluse %')
"""


class Stalls:
    """Watches one database while it is entered. What is shorter than `tick` seconds may be missed.

    `longest` is in seconds, `waits` how many waits were seen, `complete` whether the watch could look all the time.
    """

    def __init__(self, database: Database, tick: float = _TICK) -> None:
        self._database = database
        self._tick = tick
        self._seen: dict[tuple[int, str], float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.complete = True

    @property
    def longest(self) -> float:
        """The longest wait."""
        return max(self._seen.values(), default=0.0)

    @property
    def waits(self) -> int:
        """How many times somebody waited."""
        return len(self._seen)

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        """A watch that fails must not fail what it watches: it says that it is not complete."""
        try:
            with open_session(self._database, role="stalls") as conn:
                while not self._stop.wait(self._tick):
                    self._look(conn)
        except (EcluseError, psycopg.Error):
            self.complete = False

    def _look(self, conn: Session) -> None:
        for pid, since, seconds in conn.execute(_WAITING.encode()):
            self._seen[pid, since] = max(seconds, self._seen.get((pid, since), 0.0))
