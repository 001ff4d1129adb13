"""One run for each database, the ladder of lock timeouts, and who blocks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.errors import AnotherRun, ConnectionLost, LockNotTaken, OurBug
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.locks import (
    Blocker,
    blockers_of,
    hold_run_lock,
    replica_lag,
    waiters_behind,
    with_lock_retries,
)


@pytest.fixture
def table(any_server_database: Database) -> Database:
    with open_session(any_server_database) as session:
        session.execute("CREATE TABLE public.t (a int PRIMARY KEY, b int)")
        session.execute("CREATE TABLE public.u AS SELECT 1 AS a, 'secret' AS b")
        session.execute("INSERT INTO public.t VALUES (1, 0), (2, 0)")
    return any_server_database


def _alter(session: Session) -> str:
    session.execute("ALTER TABLE public.t ADD COLUMN c int")
    return "altered"


def _columns(database: Database) -> int:
    with open_session(database) as session:
        row = session.execute("SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attnum > 0")
        return int((row.fetchone() or (0,))[0])


# --- one run ----------------------------------------------------------------------------------------


def test_a_second_run_is_told_who_is_there(any_server_database: Database) -> None:
    with hold_run_lock(any_server_database, "apply 0001_uuid") as lock:
        lock.check()
        with pytest.raises(AnotherRun) as refused, hold_run_lock(any_server_database, "rollback"):
            pass
        details = refused.value.details
        assert f"pid {lock.pid}" in details and "'ecluse apply 0001_uuid'" in details and "user postgres" in details
        assert "since 20" in details
    with hold_run_lock(any_server_database, "rollback"):
        pass


def test_runs_on_two_databases_do_not_meet(database: Database, second_database: Database) -> None:
    with hold_run_lock(database, "apply"), hold_run_lock(second_database, "apply"):
        pass


def test_a_lost_run_lock_is_noticed_and_free_again(database: Database) -> None:
    with hold_run_lock(database, "apply") as lock, open_session(database) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [lock.pid])
        with pytest.raises(ConnectionLost):
            lock.check()
        with hold_run_lock(database, "resume"):
            pass


def test_only_one_of_many_gets_in(database: Database) -> None:
    barrier = threading.Barrier(4, timeout=20)

    def run(_: int) -> bool:
        barrier.wait()
        try:
            with hold_run_lock(database, "apply"):
                barrier.wait()
                return True
        except AnotherRun:
            barrier.wait()
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [False, False, False, True]


# --- the ladder -------------------------------------------------------------------------------------


def test_a_free_lock_is_taken_at_once(table: Database) -> None:
    heard: list[int] = []
    with open_session(table) as session:
        assert with_lock_retries(session, _alter, budget_seconds=1, on_wait=lambda _, n: heard.append(n)) == "altered"
        assert session.execute("SHOW lock_timeout").fetchone() == ("5s",)
    assert heard == [] and _columns(table) == 3


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_lock_that_comes_late_is_taken_and_its_holder_was_named(table: Database, autocommit: bool) -> None:
    heard: list[tuple[tuple[Blocker, ...], int]] = []
    blocker = psycopg.connect(make_conninfo(table.conninfo, application_name="the old app"))
    blocker.execute("SELECT b, 'secret' FROM public.t")
    blocker_pid = blocker.info.backend_pid

    def on_wait(blockers: tuple[Blocker, ...], attempt_no: int) -> None:
        heard.append((blockers, attempt_no))
        if attempt_no == 3:
            blocker.rollback()

    with blocker, open_session(table, autocommit=autocommit) as session:
        assert with_lock_retries(session, _alter, budget_seconds=30, on_wait=on_wait) == "altered"
    assert [number for _, number in heard] == [1, 2, 3]
    for blockers, _ in heard:
        (seen,) = blockers
        assert (seen.pid, seen.application, seen.user) == (blocker_pid, "the old app", "postgres")
        assert (seen.state, seen.doing) == ("idle in transaction", "SELECT")
        assert "secret" not in str(seen) and "since 20" in str(seen)
    assert _columns(table) == 3


def test_the_budget_ends_it_and_says_who_blocks(table: Database) -> None:
    with psycopg.connect(make_conninfo(table.conninfo, application_name="the old app")) as blocker:
        blocker.execute("SELECT b FROM public.t")
        began = time.monotonic()
        with open_session(table) as session, pytest.raises(LockNotTaken) as given_up:
            with_lock_retries(session, _alter, budget_seconds=1.0)
        assert time.monotonic() - began < 2.0
        assert "'the old app'" in given_up.value.details
        assert f"pg_terminate_backend({blocker.info.backend_pid})" in given_up.value.hint
    assert _columns(table) == 2


def test_the_application_gets_through_between_tries(table: Database) -> None:
    """A statement that queued behind our lock goes on as soon as the try is over."""
    with psycopg.connect(table.conninfo) as blocker, open_session(table) as reader:
        blocker.execute("SELECT b FROM public.t")
        longest = 0.0
        stop = threading.Event()

        def read() -> None:
            nonlocal longest
            while not stop.is_set():
                began = time.monotonic()
                reader.execute("SELECT count(*) FROM public.t")
                longest = max(longest, time.monotonic() - began)

        thread = threading.Thread(target=read)
        thread.start()
        with open_session(table) as session, pytest.raises(LockNotTaken):
            with_lock_retries(session, _alter, budget_seconds=1.5)
        stop.set()
        thread.join()
    assert 0.01 < longest < 1.0


def test_a_deadlock_is_tried_again(table: Database) -> None:
    with open_session(table) as admin:
        admin.execute("ALTER SYSTEM SET deadlock_timeout = '50ms'")
        admin.execute("SELECT pg_reload_conf(), pg_sleep(0.3)")
    tries: list[int] = []
    at_second_lock = threading.Event()

    def rival() -> None:
        with psycopg.connect(table.conninfo) as conn:
            conn.execute("SET deadlock_timeout = '1min'")  # so that it is we who are chosen
            conn.execute("UPDATE public.t SET b = 1 WHERE a = 2")
            at_second_lock.wait()
            conn.execute("UPDATE public.t SET b = 1 WHERE a = 1")

    def attempt(session: Session) -> None:
        tries.append(1)
        session.execute("UPDATE public.t SET b = 2 WHERE a = 1")
        at_second_lock.set()
        if len(tries) == 1:
            time.sleep(0.3)
            session.execute("SET LOCAL lock_timeout = '10s'")
        session.execute("UPDATE public.t SET b = 2 WHERE a = 2")

    thread = threading.Thread(target=rival)
    thread.start()
    time.sleep(0.2)
    try:
        with open_session(table) as session:
            with_lock_retries(session, attempt, budget_seconds=20)
    finally:
        thread.join()
        with open_session(table) as admin:
            admin.execute("ALTER SYSTEM RESET deadlock_timeout")
            admin.execute("SELECT pg_reload_conf()")
    assert len(tries) >= 2
    with open_session(table) as session:
        assert session.execute("SELECT b FROM public.t").fetchall() == [(2,), (2,)]


def test_other_errors_are_not_tried_again(table: Database) -> None:
    tries: list[int] = []

    def attempt(session: Session) -> None:
        tries.append(1)
        session.execute("SELECT 1/0")

    with open_session(table) as session:
        with pytest.raises(psycopg.errors.DivisionByZero):
            with_lock_retries(session, attempt, budget_seconds=5)
        with session.transaction(), pytest.raises(OurBug):
            with_lock_retries(session, attempt, budget_seconds=5)
    assert tries == [1]


# --- who waits --------------------------------------------------------------------------------------


def test_who_waits_behind_us_is_counted(table: Database) -> None:
    with open_session(table, autocommit=False) as ours, open_session(table) as watcher:
        ours.execute("LOCK TABLE public.t")
        pid = ours.info.backend_pid
        with ThreadPoolExecutor(2) as pool:

            def wait(_: int) -> int:
                with open_session(table) as session:
                    session.execute("SELECT count(*) FROM public.t")
                    return session.info.backend_pid

            futures = [pool.submit(wait, n) for n in range(2)]
            deadline = time.monotonic() + 5
            while waiters_behind(watcher, [pid]) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert waiters_behind(watcher, [pid]) == 2
            assert waiters_behind(watcher, [watcher.info.backend_pid]) == 0
            ours.rollback()
            assert len({future.result() for future in futures}) == 2
        assert waiters_behind(watcher, [pid]) == 0


def test_a_prepared_transaction_is_named_as_one(table: Database) -> None:
    with open_session(table) as owner, open_session(table) as watcher:
        owner.execute("BEGIN")
        owner.execute("LOCK TABLE public.t")
        owner.execute("PREPARE TRANSACTION 'left'")
        try:
            with open_session(table) as session, pytest.raises(LockNotTaken) as given_up:
                with_lock_retries(session, _alter, budget_seconds=0.3)
            assert "a prepared transaction" in given_up.value.details
            assert "pg_terminate_backend" not in given_up.value.hint
            assert blockers_of(watcher, owner.info.backend_pid) == ()
        finally:
            owner.execute("ROLLBACK PREPARED 'left'")


def test_without_standbys_there_is_no_lag(any_server_database: Database) -> None:
    with open_session(any_server_database) as session:
        lag = replica_lag(session)
    assert (lag.standbys, lag.bytes, lag.seconds) == (0, None, None)
