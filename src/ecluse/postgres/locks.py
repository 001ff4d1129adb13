"""Locks: one run for each database, short waits with retries, and who stands in the way."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from ecluse.errors import AnotherRun, ConnectionLost, LockNotTaken, OurBug
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.failures import translate

_RUN_KEY = 0x65636C757365  # "ecluse", as the key of an advisory lock

_FIRST_TIMEOUT, _LAST_TIMEOUT, _GROWTH = 0.1, 3.0, 1.4
_SHORTEST_TIMEOUT = 0.01
_LOOK_AFTER, _LOOK_EVERY = 0.04, 0.04

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that others wait for. `doing` is the first keyword of its query; the rest could hold values.

    Rights decide what is known: without pg_monitor, of others' sessions only the pid and the user.
    A prepared transaction has no session: its pid is 0.
    """

    pid: int
    user: str = ""
    application: str = ""
    client: str = ""
    state: str = ""
    doing: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        if self.pid == 0:
            return "a prepared transaction (see pg_prepared_xacts)"
        since = f"since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        who = (self.application and f"'{self.application}'", self.user and f"user {self.user}", self.client)
        return ", ".join(part for part in (f"pid {self.pid}", *who, self.state, self.doing, since) if part)


@dataclass(frozen=True, slots=True)
class ReplicaLag:
    """How far the slowest standby is behind; None where our role may not see it."""

    standbys: int
    bytes: int | None
    seconds: float | None


_SESSION_COLUMNS = """
    coalesce(a.usename::text, ''), coalesce(a.application_name, ''),
    coalesce('from ' || pg_catalog.host(a.client_addr), ''), coalesce(a.state, ''),
    coalesce(pg_catalog.upper(pg_catalog.substring(a.query, '^\\s*([A-Za-z]+)')), '')
"""
_BLOCKERS = f"""
    SELECT b.pid, {_SESSION_COLUMNS}, a.xact_start
    FROM (SELECT DISTINCT pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%s::int4)) AS u(pid)) AS b
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid
    ORDER BY a.xact_start NULLS LAST, b.pid
"""
_RUN_LOCK_HOLDERS = f"""
    SELECT l.pid, {_SESSION_COLUMNS}, a.backend_start
    FROM pg_catalog.pg_locks AS l
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND l.classid::pg_catalog.int8 << 32 | l.objid::pg_catalog.int8 = %s
"""
_WAITERS = """
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
    WHERE wait_event_type = 'Lock' AND pid <> ALL (%(pids)s::int4[])
      AND pg_catalog.pg_blocking_pids(pid) && %(pids)s::int4[]
"""
_LAG = """
    SELECT pg_catalog.count(*),
        pg_catalog.max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn))::int8,
        pg_catalog.max(extract(epoch FROM replay_lag))::float8
    FROM pg_catalog.pg_stat_replication
"""


# --- who stands in the way --------------------------------------------------------------------------


def blockers_of(conn: Session, pid: int) -> tuple[Blocker, ...]:
    """The sessions that the session `pid` waits for, the oldest transaction first. Not for one's own pid."""
    return tuple(Blocker(*row) for row in conn.execute(_BLOCKERS, [pid]))


def waiters_behind(conn: Session, pids: Sequence[int]) -> int:
    """How many other sessions wait for a lock that one of `pids` holds, or asked for before them."""
    return int(_one(conn, _WAITERS, {"pids": list(pids)})[0])


def replica_lag(conn: Session) -> ReplicaLag:
    """How far the standbys and the subscribers of this server are behind it."""
    standbys, behind, seconds = _one(conn, _LAG, {})
    return ReplicaLag(standbys, behind, seconds)


_PATIENCE = 3.0  # seconds


# --- one run for each database ----------------------------------------------------------------------


class RunLock:
    """The lock that keeps other runs away, as long as its connection lives."""

    def __init__(self, session: Session, database: Database) -> None:
        self._session = session
        self._database = database
        self.pid = session.info.backend_pid

    def check(self) -> None:
        """Raise ConnectionLost if the lock went with its connection; for a long run to ask now and then."""
        try:
            held = any(blocker.pid == self.pid for blocker in run_lock_holders(self._session))
        except psycopg.Error as error:
            raise translate(error) from None
        if not held:
            raise ConnectionLost(
                f"the lock of the run on {self._database} is gone",
                hint="a pooler in transaction mode loses it: connect to the server itself",
            )


@contextlib.contextmanager
def hold_run_lock(database: Database, what: str, patience: float = _PATIENCE) -> Iterator[RunLock]:
    """Keep other runs away from the database; `what` ("apply 0001_uuid") is how we are shown to them.

    It waits a few seconds (`patience`): the server may not have noticed yet that a killed run is gone.
    """
    with contextlib.closing(open_session(database, role=what)) as session:
        try:
            deadline = time.monotonic() + patience
            holders: tuple[Blocker, ...] = ()
            while not (taken := _try_run_lock(session)) and time.monotonic() < deadline:
                holders = run_lock_holders(session)
                time.sleep(0.1)
        except psycopg.Error as error:
            raise translate(error, "nothing was changed") from None
        if not taken:
            raise AnotherRun(
                f"another run works on {database}",
                details="\n".join(map(str, holders)) or "who it is cannot be seen",
                hint="wait for it, or stop it with Ctrl-C where it runs; `ecluse status` shows how far it is",
                state="nothing was changed",
            )
        # The end of the session gives the lock back, also when we are killed.
        yield RunLock(session, database)


def _try_run_lock(session: Session) -> bool:
    return bool(_one(session, "SELECT pg_catalog.pg_try_advisory_lock(%(key)s)", {"key": _RUN_KEY})[0])


def run_lock_holders(session: Session) -> tuple[Blocker, ...]:
    """Who has a run on the database of this session at work."""
    return tuple(Blocker(*row) for row in session.execute(_RUN_LOCK_HOLDERS, [_RUN_KEY]))


# --- short waits with retries -----------------------------------------------------------------------


def with_lock_retries(
    conn: Session,
    attempt: Callable[[Session], Answer],
    *,
    budget_seconds: float,
    on_wait: Callable[[tuple[Blocker, ...], int], None] = lambda blockers, attempt_no: None,
    within: bool = False,
) -> Answer:
    """Run `attempt` in a transaction of its own until its locks come, each try with a short lock_timeout.

    Who waits for a strong lock makes everyone behind it wait too, so tries are short and there is a pause
    between them; no try is without a timeout. Between tries `on_wait` hears who was in the way, and may raise.
    `within`: each try is a savepoint of the transaction at hand, which must hold nothing that others wait for.
    """
    if not within and conn.info.transaction_status != TransactionStatus.IDLE:
        raise OurBug("a lock was asked for in the middle of a transaction, which could not be tried again")
    deadline = time.monotonic() + budget_seconds
    timeout, attempt_no = _FIRST_TIMEOUT, 0
    while True:
        attempt_no += 1
        allowed = max(_SHORTEST_TIMEOUT, min(timeout, deadline - time.monotonic()))
        with _Lookout(conn) as lookout:
            try:
                with conn.transaction():
                    conn.execute(f"SET LOCAL lock_timeout = {round(allowed * 1000)}".encode())
                    return attempt(conn)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                reason = error.diag.message_primary or ""
        on_wait(lookout.seen, attempt_no)
        pause = random.uniform(0.5, 1.0) * min(timeout, 1.0)
        if time.monotonic() + pause + _SHORTEST_TIMEOUT > deadline:
            raise _not_taken(lookout.seen, attempt_no, budget_seconds, reason)
        time.sleep(pause)
        timeout = min(timeout * _GROWTH, _LAST_TIMEOUT)


def _not_taken(blockers: tuple[Blocker, ...], attempts: int, budget: float, reason: str) -> LockNotTaken:
    who = "\n".join(f"blocked by {blocker}" for blocker in blockers) or "who held it could not be seen"
    ends = [str(blocker.pid) for blocker in blockers if blocker.pid]
    cancel = f", or end it: SELECT pg_terminate_backend({ends[0]})" if ends else ""
    return LockNotTaken(
        f"a lock was not taken in {attempts} tries over {budget:g} s",
        details=f"{reason}\n{who}",
        hint=f"try again when the blocking transaction has ended{cancel}",
    )


class _Lookout:
    """A thread with a session of its own that sees who blocks us: our session is waiting and cannot ask.

    It connects only when the wait has lasted a moment, so that a lock that is free costs no connection.
    """

    def __init__(self, conn: Session) -> None:
        self.seen: tuple[Blocker, ...] = ()
        self._pid = conn.info.backend_pid
        parameters: dict[str, Any] = dict(conn.info.get_parameters())
        self._parameters = parameters | {"password": conn.info.password, "application_name": "ecluse lookout"}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ecluse lookout", daemon=True)

    def __enter__(self) -> _Lookout:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        # Not for ever: it may hang in connecting, and ends by itself later.
        self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        if self._done.wait(_LOOK_AFTER):
            return
        # Without a free connection we are blind, and that must not stop the run.
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(**self._parameters, autocommit=True) as session,
        ):
            while True:
                self.seen = blockers_of(session, self._pid) or self.seen
                if self._done.wait(_LOOK_EVERY):
                    return


def _one(conn: Session, query: str, arguments: dict[str, Any]) -> tuple[Any, ...]:
    row = conn.execute(query.encode(), arguments).fetchone()
    if row is None:
        raise OurBug("a query that always gives one row gave none")
    return row
