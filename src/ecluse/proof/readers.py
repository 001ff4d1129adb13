"""Sessions that read one snapshot of a database, in parallel."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg

from ecluse.errors import Interrupted
from ecluse.model.names import literal
from ecluse.postgres.connect import Session
from ecluse.postgres.failures import translate
from ecluse.proof.checksum import ANY_ENUM
from ecluse.proof.pins import assert_pinned

Connect = Callable[[], Session]
Row = tuple[Any, ...]
Progress = Callable[[int, int], None]  # queries done, queries in all

_TICK = 0.2  # seconds between two looks at the stop flag
_FIRST_OF_USERS = 16384  # OIDs below it are PostgreSQL's own
_STATE = "nothing was changed"  # by the proof: it only reads


class Readers:
    """Runs queries, each on whichever of its sessions is free. All see the same data."""

    def __init__(self, sessions: Sequence[Session], stop: threading.Event | None = None) -> None:
        self._sessions = tuple(sessions)
        self._free: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in self._sessions:
            self._free.put(session)
        self._stop = stop or threading.Event()
        self._failures: list[psycopg.Error] = []

    @property
    def first(self) -> Session:
        """A session for small questions, when no queries run."""
        return self._sessions[0]

    def types(self, query: str, columns: Sequence[str]) -> dict[str, int]:
        """The type of each of these columns, the base type for a domain, ANY_ENUM for an enum."""
        by_name = dict(self.yields(query))
        found = {column: by_name[column] for column in columns}
        enums = self._enums({oid for oid in found.values() if oid >= _FIRST_OF_USERS})
        return {column: ANY_ENUM if oid in enums else oid for column, oid in found.items()}

    def _enums(self, oids: set[int]) -> set[int]:
        if not oids:
            return set()
        wanted = f"ARRAY[{', '.join(map(str, oids))}]::pg_catalog.oid[]"
        query = f"SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typtype = 'e' AND t.oid = ANY ({wanted})"
        return {oid for (oid,) in self.first.execute(query.encode())}

    def yields(self, query: str) -> list[tuple[str, int]]:
        """Name and type of each column that a query yields; nothing is executed beyond planning."""
        try:
            found = self.first.execute(f"SELECT * FROM ({query}\n) AS p LIMIT 0".encode()).description or []
        except psycopg.Error as error:
            raise translate(error, _STATE) from None
        return [(column.name, column.type_code) for column in found]

    def run(self, queries: Sequence[str], progress: Progress | None = None) -> list[list[Row]]:
        """The rows of each query, in the order of the queries. Raises Interrupted when the stop flag is set."""
        # PostgreSQL's own parallelism only where there are too few queries to keep all sessions busy.
        gather = 0 if len(queries) >= len(self._sessions) else len(self._sessions)
        with ThreadPoolExecutor(len(self._sessions), "proof") as threads:
            futures = [threads.submit(self._one, query, gather) for query in queries]
            try:
                self._watch(futures, progress)
            except BaseException:
                self._abandon(futures)
                raise
        return [future.result() for future in futures]

    def _one(self, query: str, gather: int) -> list[Row]:
        session = self._free.get()
        try:
            if len(self._sessions) > 1:
                session.execute(f"SET LOCAL max_parallel_workers_per_gather = {gather}".encode())
            return session.execute(query.encode()).fetchall()
        except psycopg.Error as error:
            self._failures.append(error)
            raise
        finally:
            self._free.put(session)

    def _watch(self, futures: list[Future[list[Row]]], progress: Progress | None) -> None:
        pending = set(futures)
        while pending:
            if self._stop.is_set():
                raise Interrupted("the proof was stopped", state=_STATE)
            done, pending = wait(pending, _TICK, FIRST_COMPLETED)
            if self._failures:  # the first one: those after it only say that the transaction is aborted
                raise translate(self._failures[0], _STATE) from None
            for future in done:
                future.result()
            if done and progress:
                progress(len(futures) - len(pending), len(futures))

    def _abandon(self, futures: list[Future[list[Row]]]) -> None:
        for future in futures:
            future.cancel()
        # A cancel that comes before its statement does nothing, so repeat until no thread is left.
        while wait(futures, 0).not_done:
            for session in self._sessions:
                session.cancel_safe(timeout=5)
            wait(futures, _TICK)


def run_all(
    queries: Mapping[Readers, Sequence[str]], progress: Progress | None = None
) -> dict[Readers, list[list[Row]]]:
    """Run the queries of several servers at the same time; the answers of each, in the order of its queries."""
    if not queries:
        return {}
    with ThreadPoolExecutor(len(queries), "servers") as threads:
        futures = {server: threads.submit(server.run, mine, progress) for server, mine in queries.items()}
        return {server: future.result() for server, future in futures.items()}


@contextmanager
def readers(
    connect: Connect, workers: int = 2, *, snapshot: str = "", stop: threading.Event | None = None
) -> Iterator[Readers]:
    """Sessions at one snapshot: a new one, or one that another transaction exported and keeps open.

    `connect` yields pinned connections outside a transaction; they are closed at the end.
    """
    with ExitStack() as stack:
        # All before the snapshot is taken: what `connect` does in one must not be too late for the others.
        sessions = [stack.enter_context(connect()) for _ in range(max(workers, 1))]
        for session in sessions:
            assert_pinned(session)
            session.rollback()  # where the connection is not in autocommit, looking at the pins began a transaction
            session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            session.read_only = True
            stack.enter_context(session.transaction(force_rollback=True))
            if snapshot:
                session.execute(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}".encode())
            if not snapshot:
                row = session.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
                snapshot = str(row[0]) if row else ""
        yield Readers(sessions, stop)
