"""What every part of the engine is handed: the run, how to open sessions, how to tell, how to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ecluse.engine import timeline
from ecluse.engine.prepared import Prepared
from ecluse.errors import EcluseError, Interrupted
from ecluse.model.plan import Plan
from ecluse.model.report import Event
from ecluse.planning import roster_sql
from ecluse.planning.flow_sql import SESSION_TABLES, Places, places

Connection = psycopg.Connection[Any]

# Sorts and hashes of a mapping stay in memory; there are as many of these as workers.
_WORK_MEMORY = "SET work_mem = '64MB'"


class Restart(Exception):
    """The copy can no longer be trusted (rewritten table, TRUNCATE, trigger switched off) and starts again."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run behaves. Times in seconds; `max_rate` in rows a second, over all workers."""

    workers: int = 2
    chunk_seconds: float = 0.5
    max_rate: float | None = None
    max_lag_seconds: float = 10.0
    lock_budget: float = 60.0
    switch_budget: float = 0.25
    switch_attempts: int = 20
    show_values: bool = False
    recycle_clients: bool = False
    max_restarts: int = 3
    unit_batch: int = 20_000
    old_shape_for: tuple[str, ...] = ()  # roles that go on using the old shape; else those that the migration names
    without_rehearsal: str = ""  # why a plan that nobody rehearsed is carried out on a protected database
    executor: str = ""  # who carries ranges of the copy: "dask:ADDRESS", or the process itself


@dataclass(slots=True)
class Stop:
    """The two stages of Ctrl-C: finish what is in hand, then cancel what runs."""

    soft: threading.Event = field(default_factory=threading.Event)
    hard: threading.Event = field(default_factory=threading.Event)
    _live: set[Connection] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> None:
        """The first call stops after the chunk in hand; the second cancels running statements."""
        if not self.soft.is_set():
            self.soft.set()
            return
        self.hard.set()
        with self._lock:
            for conn in self._live:
                conn.cancel_safe(timeout=2.0)

    def check(self, state: str) -> None:
        """Raise Interrupted where a stop was asked for."""
        if self.soft.is_set():
            raise Interrupted("stopped on request", state=state, hint="go on with `ecluse apply`")

    @contextmanager
    def watching(self, conn: Connection) -> Iterator[None]:
        """Let the second Ctrl-C cancel what this connection runs."""
        with self._lock:
            self._live.add(conn)
        try:
            yield
        finally:
            with self._lock:
                self._live.discard(conn)


@dataclass(slots=True)
class Run:
    """One execution of a plan. `emit` may be called from any thread.

    `connect(what, origin)` opens a pinned autocommit session, in the origin of a move where one is named.
    """

    id: int
    plan: Plan
    connect: Callable[[str, str], Connection]
    emit: Callable[[Event], None]
    options: Options = field(default_factory=Options)
    stop: Stop = field(default_factory=Stop)
    prepared: Prepared = field(default_factory=Prepared)

    @property
    def building(self) -> Places:
        """Where the tables stand before the switch."""
        return places(self.plan, switched=False)

    @property
    def switched(self) -> Places:
        """Where the tables stand after the switch."""
        return places(self.plan, switched=True, settled=self.id)

    @property
    def returned(self) -> Places:
        """Where the tables stand after a rollback that followed the switch."""
        return places(self.plan, switched=False, settled=self.id)

    @contextmanager
    def session(self, what: str, origin: str = "") -> Iterator[Connection]:
        """A pinned session with the temporary tables for units, closed at the end, known to Stop.

        In the database of the run, or in the origin of a move.
        """
        conn = self.connect(what, origin)
        try:
            for statement in (_WORK_MEMORY, *SESSION_TABLES, *roster_sql.SESSION_TABLES):
                conn.execute(statement)
            with self.stop.watching(conn):
                yield conn
        finally:
            conn.close()

    @contextmanager
    def step(self, name: str, message: str = "", total: int | None = None) -> Iterator[None]:
        """Tell that a step begins and, where it does not fail, that it is done."""
        self.emit(Event("step", name, message, total=total))
        began = time.monotonic()
        yield
        self.emit(Event("done", name, message, seconds=time.monotonic() - began))

    def mark(self, kind: str, name: str, *, seconds: float, outcome: str, **detail: object) -> None:
        """Put a moment into the timeline, whatever becomes of the transaction at hand: in a session of its own.

        Where there is no session to be had, the run has other worries and will tell them.
        """
        with suppress(EcluseError, psycopg.Error), closing(self.connect("timeline", "")) as conn:
            timeline.mark(conn, self.id, kind, name, seconds=seconds, outcome=outcome, **detail)

    def journaled(self, name: str) -> None:
        """Tell that a journal record has been committed: the places where a crash must be harmless."""
        self.emit(Event("journal", name))
