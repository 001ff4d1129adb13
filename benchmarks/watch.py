"""What is seen from outside while a contender works: ACCESS EXCLUSIVE locks on the application's tables, WAL, size."""

from __future__ import annotations

import threading
import time

from benchmarks.ground import Connection, connect

_TICK = 0.02

_LOCKS = """
SELECT l.pid, l.virtualtransaction FROM pg_catalog.pg_locks l
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.relation = ANY (%s)
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
"""


class LockWatch:
    """Samples who holds ACCESS EXCLUSIVE on the tables as they were at the start; knows the longest hold."""

    def __init__(self, conninfo: str) -> None:
        self.longest = 0.0
        self._conninfo = conninfo
        self._stop = threading.Event()
        with connect(conninfo) as conn:
            rows = conn.execute("SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace")
            self._relations = [row[0] for row in rows if row[0]]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        since: dict[tuple[int, str], float] = {}
        with connect(self._conninfo) as conn:
            while not self._stop.wait(_TICK):
                now = time.monotonic()
                held = {(pid, x) for pid, x in conn.execute(_LOCKS, (self._relations,))}
                since = {who: since.get(who, now) for who in held}
                # Seen once is at least nothing and at most two ticks: it counts as one.
                self.longest = max([self.longest, *(now - began + _TICK for began in since.values())])

    def stop(self) -> float:
        """The longest hold in seconds, to within a sample."""
        self._stop.set()
        self._thread.join()
        return self.longest


def wal_position(conn: Connection) -> int:
    """Bytes of WAL written since the server was made."""
    row = conn.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
    return int(row[0]) if row else 0


def size(conn: Connection) -> int:
    """Bytes of the database."""
    row = conn.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0
