"""Two writers of one row: what another has committed is not overwritten by who has not seen it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.beside import kept_beside
from tests.harness import SCENARIOS

Session = psycopg.Connection[tuple[object, ...]]
BEFORE = """
CREATE TABLE tasks (id text PRIMARY KEY, state text NOT NULL, owner text, tries numeric NOT NULL DEFAULT 0);
INSERT INTO tasks SELECT md5('t' || n)::uuid::text, 'free' FROM generate_series(1, 5) n;
INSERT INTO tasks VALUES (upper(md5('odd')::uuid::text), 'free');
"""
MIGRATION = 'name = "races"\n[[operation]]\nkind = "convert_column"\ntable = "public.tasks"\ncolumn = "id"\n'
ONE = "md5('t1')::uuid"


@pytest.fixture
def applications(database: Database, tmp_path: Path) -> Iterator[Callable[[str], Session]]:
    """Opens sessions of the old application, and of the new one, after the switch."""
    stage, there = kept_beside(database, tmp_path / "races.toml", BEFORE, MIGRATION)
    made: list[Session] = []

    def connect(which: str) -> Session:
        made.append(psycopg.connect((there if which == "old" else database).conninfo, autocommit=True))
        return made[-1]

    yield connect
    for session in made:
        session.close()
    stage.verify()


class Waiting:
    """A statement in a thread of its own, that has to wait for another session."""

    def __init__(self, session: Session, statement: str, blocked_by: Session) -> None:
        self._came: list[object] = []
        self._thread = threading.Thread(target=self._run, args=(session, statement))
        self._thread.start()
        for _ in range(500):
            row = blocked_by.execute("SELECT cardinality(pg_blocking_pids(%s))", (session.info.backend_pid,)).fetchone()
            if row and row[0]:
                return
            threading.Event().wait(0.01)
        raise AssertionError("the statement does not wait")

    def _run(self, session: Session, statement: str) -> None:
        try:
            self._came.append(session.execute(statement.encode()).rowcount)
        except psycopg.Error as error:
            self._came.append(error)

    def came(self) -> object:
        """How many rows it wrote in the end, or the error."""
        self._thread.join()
        return self._came[0]


@pytest.mark.parametrize("other", ["old", "new"])
@pytest.mark.parametrize("change", ["tries = tries + 1", "state = 'taken', owner = 'me'"])
def test_a_change_that_was_not_seen_is_not_lost(
    applications: Callable[[str], Session], other: str, change: str
) -> None:
    """Where a table would look at the row again, the writer says that it was changed: 40001."""
    first, second = applications(other), applications("old")
    key = f"{ONE}::text" if other == "old" else ONE
    with first.transaction():
        first.execute(f"UPDATE tasks SET tries = tries + 1, state = 'taken', owner = 'they' WHERE id = {key}".encode())
        statement = f"UPDATE tasks SET {change} WHERE id = {ONE}::text AND state = 'free'"
        waited = Waiting(second, statement, first)
    assert isinstance(waited.came(), psycopg.errors.SerializationFailure)
    assert first.execute(f"SELECT tries, owner FROM tasks WHERE id = {key}".encode()).fetchone() == (1, "they")


@pytest.mark.parametrize("other", ["old", "new"])
def test_another_column_may_be_what_the_statement_asked_for(applications: Callable[[str], Session], other: str) -> None:
    first, second = applications(other), applications("old")
    key = f"{ONE}::text" if other == "old" else ONE
    with first.transaction():
        first.execute(f"UPDATE tasks SET state = 'taken' WHERE id = {key}".encode())
        waited = Waiting(second, f"UPDATE tasks SET owner = 'me' WHERE id = {ONE}::text AND state = 'free'", first)
        # A row that nobody else writes is not concerned.
        assert applications("old").execute("UPDATE tasks SET owner = 'me' WHERE id = md5('t2')::uuid::text").rowcount
    assert isinstance(waited.came(), psycopg.errors.SerializationFailure)
    assert first.execute(f"SELECT owner FROM tasks WHERE id = {key}".encode()).fetchone() == (None,)


@pytest.mark.parametrize("statement", ["UPDATE tasks SET owner = 'me'", "DELETE FROM tasks"])
def test_a_row_that_is_gone_is_left_alone(applications: Callable[[str], Session], statement: str) -> None:
    first, second = applications("new"), applications("old")
    with first.transaction():
        first.execute(f"DELETE FROM tasks WHERE id = {ONE}".encode())
        waited = Waiting(second, f"{statement} WHERE id = {ONE}::text", first)
    assert waited.came() == 0


def test_a_row_that_changed_is_not_deleted(applications: Callable[[str], Session]) -> None:
    first, second = applications("new"), applications("old")
    with first.transaction():
        first.execute(f"UPDATE tasks SET state = 'taken' WHERE id = {ONE}".encode())
        waited = Waiting(second, f"DELETE FROM tasks WHERE id = {ONE}::text AND state = 'free'", first)
    assert isinstance(waited.came(), psycopg.errors.SerializationFailure)


def test_one_statement_that_meets_a_row_twice(applications: Callable[[str], Session]) -> None:
    """PostgreSQL takes one of the matches; a trigger is called for both, works each out from what the row was."""
    old = applications("old")
    done = old.execute("UPDATE tasks SET tries = tries + n.n FROM (VALUES (1), (1)) n (n) WHERE state = 'free'")
    assert done.rowcount == 12
    assert old.execute("SELECT min(tries), max(tries) FROM tasks").fetchone() == (1, 1)
    assert old.execute("UPDATE tasks SET tries = tries").rowcount == 6  # nothing changes, and all are counted


def test_a_split_row_is_waited_for(database: Database, tmp_path: Path) -> None:
    """The old columns of a row are in rows of another table by now: these are waited for as well."""
    case = SCENARIOS / "split_table" / "questions"
    before, migration = (case / name for name in ("before.sql", "migration.toml"))
    stage, there = kept_beside(database, tmp_path / "split.toml", before.read_text(), migration.read_text())
    with psycopg.connect(there.conninfo, autocommit=True) as first, psycopg.connect(there.conninfo) as second:
        second.autocommit = True
        with first.transaction():
            first.execute("UPDATE talks SET question = question || ' one' WHERE question IS NOT NULL")
            waited = Waiting(second, "UPDATE talks SET question = question || ' two' WHERE question IS NOT NULL", first)
        assert isinstance(waited.came(), psycopg.errors.SerializationFailure)
    stage.verify()
