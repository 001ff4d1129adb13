"""What a rehearsal costs, seen from outside: locks of ours that stop others, the log, the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import psycopg

from ecluse.errors import EcluseError
from ecluse.postgres.connect import Database, Session, open_session

_TICK = 0.02
_SIZES_EVERY = 0.3
_RELATIONS = """
    SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT pg_catalog.starts_with(n.nspname::text, 'ecluse')
        AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_') AND n.nspname <> 'information_schema'
"""
# All that stops who writes, at least.
_LOCKS = """
    SELECT DISTINCT l.pid, l.virtualtransaction FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY (%s) AND a.application_name LIKE 'ecluse %%'
        AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
"""
_LOG = "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint"
_SIZE = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"
_LOG_SIZE = "SELECT coalesce(sum(size), 0)::bigint FROM pg_catalog.pg_ls_waldir()"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one step cost. Seconds and bytes; `disk` is of the databases and, where it can be seen, their log."""

    seconds: float
    wal: int
    disk: int
    longest_lock: float


class Watch:
    """Watches the copies while it is entered, step by step. What is shorter than 20 ms may be missed."""

    def __init__(self, databases: Sequence[Database]) -> None:
        self._databases = databases
        self._stack = ExitStack()
        self._sessions: list[Session] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._relations: list[list[int]] = []
        self._longest, self._disk, self._wal, self._began = 0.0, 0, 0, 0.0
        self.complete = True

    def __enter__(self) -> Watch:
        with ExitStack() as stack:
            for database in self._databases:
                self._sessions.append(stack.enter_context(closing(open_session(database, role="measure"))))
            self.begin()
            self._stack = stack.pop_all()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._stack.close()

    def begin(self) -> None:
        """A step begins: what the application has now are the tables whose locks count."""
        relations = [[row[0] for row in conn.execute(_RELATIONS.encode())] for conn in self._sessions]
        disk, wal = self._sizes(self._sessions), _number(self._sessions[0], _LOG)
        with self._lock:
            self._relations, self._longest, self._disk, self._wal = relations, 0.0, disk, wal
            self._began = time.monotonic()

    def seen(self) -> Seen:
        """What the step cost so far."""
        seconds = time.monotonic() - self._began
        disk, wal = self._sizes(self._sessions), _number(self._sessions[0], _LOG)
        with self._lock:
            return Seen(seconds, wal - self._wal, max(disk, self._disk), self._longest)

    @staticmethod
    def _sizes(sessions: Sequence[Session]) -> int:
        whole = sum(_number(conn, _SIZE) for conn in sessions)
        try:
            return whole + _number(sessions[0], _LOG_SIZE)
        except psycopg.errors.InsufficientPrivilege:
            return whole

    def _run(self) -> None:
        """A watch that fails must not fail what it watches: it says that it is not complete."""
        try:
            with ExitStack() as stack:
                sessions = [stack.enter_context(closing(open_session(d, role="watch"))) for d in self._databases]
                self._look(sessions)
        except (EcluseError, psycopg.Error):
            self.complete = False

    def _look(self, sessions: Sequence[Session]) -> None:
        since: dict[tuple[int, int, str], float] = {}
        sized = 0.0
        while not self._stop.wait(_TICK):
            now = time.monotonic()
            with self._lock:
                relations, began = self._relations, self._began
            held = {
                (number, pid, transaction)
                for number, (conn, oids) in enumerate(zip(sessions, relations, strict=True))
                for pid, transaction in conn.execute(_LOCKS.encode(), (oids,))
            }
            since = {who: max(since.get(who, now), began) for who in held}
            disk = 0
            if now - sized > _SIZES_EVERY:
                sized, disk = now, self._sizes(sessions)
            with self._lock:
                # Seen once is at least nothing and at most two ticks: it counts as one.
                self._longest = max([self._longest, *(now - first + _TICK for first in since.values())])
                self._disk = max(self._disk, disk)


def _number(conn: Session, query: str) -> int:
    row = conn.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
