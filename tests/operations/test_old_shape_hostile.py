"""Two who write one row at the same time, through the old shape or beside it: nothing is overwritten unseen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.beside import kept_beside
from tests.harness import SCENARIOS, Stage

Session = psycopg.Connection[tuple[Any, ...]]
JOBS = """
CREATE TABLE jobs (id text PRIMARY KEY, n integer NOT NULL, state text NOT NULL);
INSERT INTO jobs SELECT md5(i::text)::uuid::text, 0, 'free' FROM generate_series(1, 5) i;
INSERT INTO jobs VALUES (upper(md5('odd')::uuid::text), 0, 'free');
"""
CONVERT = """
[[operation]]
kind = "convert_column"
table = "public.jobs"
column = "id"
"""
TURNS = """
CREATE TABLE turns (id serial PRIMARY KEY, session text NOT NULL, said text, hits integer);
INSERT INTO turns (session, said, hits) VALUES ('a', '1', 1), ('a', '2', 1), ('b', '1', 1);
"""
MERGE = """
[[operation]]
kind = "merge_rows"
table = "public.turns"
by = "session"
order_by = "id"
keep = { hits = "sum" }
"""
KEY = "md5('1')::uuid::text"


def switched(database: Database, folder: Path, before: str, operations: str) -> tuple[Stage, Database]:
    """The stage after the switch, and how the old application connects."""
    return kept_beside(database, folder / "m.toml", before, f'name = "m"\n{operations}')


@contextmanager
def sessions(*databases: Database) -> Iterator[list[Session]]:
    """One session each, whose transactions end where the test says."""
    opened = [psycopg.connect(database.conninfo) for database in databases]
    try:
        yield opened
    finally:
        for conn in opened:
            conn.close()


def meanwhile(first: Session, second: Session, statement: str) -> Any:
    """What the second gets for its statement, which waits for the first to commit: rows, a count, or the error."""
    found: list[Any] = []

    def run() -> None:
        try:
            cursor = second.execute(statement.encode())
            found.append(cursor.fetchall() if cursor.description else cursor.rowcount)
            second.commit()
        except psycopg.Error as error:
            second.rollback()
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 10
    with psycopg.connect(first.info.dsn, password=first.info.password, autocommit=True) as watch:
        waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
        while watch.execute(waits, (second.info.backend_pid,)).fetchone() != (True,) and thread.is_alive():
            assert time.monotonic() < until, "it does not wait"
            time.sleep(0.01)
    assert thread.is_alive(), found
    first.commit()
    thread.join()
    return found[0]


@pytest.mark.parametrize("new", [False, True], ids=["old", "new"])
@pytest.mark.parametrize(
    ("statement", "key"),
    [
        (f"UPDATE jobs SET n = n + 1 WHERE id = {KEY}", KEY),
        (f"UPDATE jobs SET state = 'mine' WHERE id = {KEY} AND n = 0", KEY),
        (f"DELETE FROM jobs WHERE id = {KEY} AND n = 0", KEY),
        ("UPDATE jobs SET n = n + 1 WHERE id = upper(md5('odd')::uuid::text)", "upper(md5('odd')::uuid::text)"),
    ],
)
def test_a_row_that_changed_meanwhile(database: Database, tmp_path: Path, statement: str, key: str, new: bool) -> None:
    """What the statement was worked out from is no more: it is refused as under a snapshot, and can be tried again."""
    stage, there = switched(database, tmp_path, JOBS, CONVERT)
    with sessions(database if new else there, there) as (first, second):
        first.execute(f"UPDATE jobs SET n = n + 1 WHERE id = {f'({key})::uuid' if new else key}".encode())
        error = meanwhile(first, second, statement)
        assert isinstance(error, psycopg.errors.SerializationFailure), error
        again = second.execute(statement.encode()).rowcount
        second.commit()
        assert again == (0 if "n = 0" in statement else 1)
        assert second.execute(f"SELECT n FROM jobs WHERE id = {key}".encode()).fetchone() == (1 + again,)
    stage.verify()


@pytest.mark.parametrize(
    "statement", ["DELETE FROM jobs WHERE id = {0} RETURNING n", "UPDATE jobs SET n = 7 WHERE id = {0}"]
)
def test_a_row_that_went_meanwhile(database: Database, tmp_path: Path, statement: str) -> None:
    """It is not counted, and not returned: of two who take a job, one has it."""
    _, there = switched(database, tmp_path, JOBS, CONVERT)
    with sessions(there, there) as (first, second):
        first.execute(f"DELETE FROM jobs WHERE id = {KEY}".encode())
        assert meanwhile(first, second, statement.format(KEY)) in ([], 0)


def test_what_the_old_application_does_not_see(database: Database, tmp_path: Path) -> None:
    """A change that leaves the old shape as it is is no reason to refuse anything."""
    _, there = switched(database, tmp_path, JOBS, CONVERT)
    with sessions(database, there) as (first, second):
        first.execute(f"UPDATE jobs SET n = n WHERE id = ({KEY})::uuid".encode())
        assert meanwhile(first, second, f"UPDATE jobs SET n = n + 1 WHERE id = {KEY}") == 1


@pytest.mark.parametrize("savepoint", [False, True])
def test_what_a_transaction_changes_itself(database: Database, tmp_path: Path, savepoint: bool) -> None:
    """Its own changes are no reason either, in the same statement or before it."""
    _, there = switched(database, tmp_path, JOBS, CONVERT)
    with sessions(there) as (conn,):
        for statement in (
            f"SELECT set_config('x.y', '', true); {'SAVEPOINT s' if savepoint else ''}",
            f"UPDATE jobs SET n = n + 1 WHERE id = {KEY}",
            f"UPDATE jobs SET n = n + 1 WHERE id = {KEY}",
            f"UPDATE jobs SET state = v.x FROM (VALUES ('a'), ('b')) v (x) WHERE id = {KEY}",
            "UPDATE jobs SET id = upper(id)",
        ):
            conn.execute(statement.encode())
        conn.commit()
        assert conn.execute(f"SELECT n FROM jobs WHERE id = upper({KEY})".encode()).fetchone() == (2,)


@pytest.mark.parametrize(
    ("one", "other", "rows"),
    [
        (
            "INSERT INTO turns (session, said) VALUES ('{}', '3')",
            "INSERT INTO turns (session, said) VALUES ('{}', '4')",
            2,
        ),
        (
            "UPDATE turns SET said = 'x' WHERE session = '{}' AND id IN (1, 3)",
            "INSERT INTO turns (session) VALUES ('{}')",
            1,
        ),
    ],
)
@pytest.mark.parametrize("session", ["a", "b"])
def test_rows_that_are_one_new_row(
    database: Database, tmp_path: Path, one: str, other: str, rows: int, session: str
) -> None:
    """Two old rows of one new row are two rows: who comes second finds what the first has made of the new one."""
    stage, there = switched(database, tmp_path, TURNS, MERGE)
    count = f"SELECT count(*), count(*) FILTER (WHERE said IN ('x', '3', '4')) FROM turns WHERE session = '{session}'"
    with sessions(there, there) as (first, second):
        before = second.execute(count.encode()).fetchone()
        second.commit()
        first.execute(one.format(session).encode())
        assert meanwhile(first, second, other.format(session)) == 1
        assert before is not None
        inserts = 1 + one.startswith("INSERT")
        assert second.execute(count.encode()).fetchone() == (before[0] + inserts, rows)
    stage.verify()
    stage.rollback()
    with psycopg.connect(database.conninfo) as conn:
        assert conn.execute(count.encode()).fetchone() == (before[0] + inserts, rows)


VETO = """
CREATE FUNCTION veto() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF TG_OP = 'DELETE' THEN RETURN CASE WHEN OLD.n = 0 THEN NULL ELSE OLD END; END IF;
  RETURN CASE WHEN NEW.n = 7 THEN NULL ELSE NEW END; END$$;
CREATE TRIGGER veto BEFORE UPDATE OR DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION veto();
CREATE TRIGGER veto_redundant BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
"""


def test_a_trigger_that_keeps_rows_as_they_are(database: Database, tmp_path: Path) -> None:
    """They are not counted, and keep what stands aside of them; what only that changes is no business of a trigger."""
    _, there = switched(database, tmp_path, JOBS + VETO, CONVERT)
    odd = "upper(md5('odd')::uuid::text)"
    with sessions(there) as (conn,):
        conn.autocommit = True
        assert conn.execute("DELETE FROM jobs").rowcount == 0
        assert conn.execute("UPDATE jobs SET n = 7").rowcount == 0
        with pytest.raises(psycopg.errors.CheckViolation, match="the new shape has no place for this change"):
            conn.execute("UPDATE jobs SET n = 7, id = upper(id)")
        assert conn.execute(f"UPDATE jobs SET id = lower(id) WHERE id = {odd}".encode()).rowcount == 1
        assert conn.execute(f"SELECT n FROM jobs WHERE id = lower({odd})".encode()).fetchone() == (0,)


def test_a_number_that_is_always_generated(database: Database, tmp_path: Path) -> None:
    """No UPDATE changes it, as before; what a view cannot do is refused and not forgotten."""
    column = "ALTER TABLE jobs ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY;"
    _, there = switched(database, tmp_path, JOBS + column, CONVERT)
    with sessions(there) as (conn,):
        with pytest.raises(psycopg.errors.GeneratedAlways, match="number"):
            conn.execute("UPDATE jobs SET number = 70")
        conn.rollback()
        made = conn.execute("INSERT INTO jobs VALUES (gen_random_uuid()::text, 1, '') RETURNING number").fetchone()
        assert made == (7,)


TREE = """
CREATE TABLE jobs (
  id text PRIMARY KEY, boss text REFERENCES jobs ON UPDATE CASCADE, place integer UNIQUE DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO jobs SELECT md5(i::text)::uuid::text, CASE WHEN i > 1 THEN md5((i / 2)::text)::uuid::text END, i
  FROM generate_series(1, 20) i;
CREATE FUNCTION last() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN UPDATE jobs SET place = place + 100 WHERE place < 100 AND place = OLD.place + 1; RETURN NULL; END$$;
"""


@pytest.mark.parametrize("savepoint", [False, True])
def test_keys_that_follow_in_the_same_statement(database: Database, tmp_path: Path, savepoint: bool) -> None:
    """A row that a key of the statement itself has changed meanwhile is written like all others."""
    _, there = switched(database, tmp_path, TREE, CONVERT)
    with sessions(there) as (conn,):
        if savepoint:
            conn.execute("SAVEPOINT s")
        assert conn.execute("UPDATE jobs SET id = md5(id)::uuid::text, place = place + 1000").rowcount == 20
        conn.commit()
        found = conn.execute("SELECT count(*), min(place), count(boss) FROM jobs WHERE id = id").fetchone()
        assert found == (20, 1001, 19)
        kept = "SELECT count(*) FROM jobs WHERE id = md5(md5((place - 1000)::text)::uuid::text)::uuid::text"
        assert conn.execute(kept).fetchone() == (20,)


def test_rows_that_a_trigger_changes_in_the_same_statement(database: Database, tmp_path: Path) -> None:
    """What it wrote is kept, and so is what the statement says."""
    trigger = "CREATE TRIGGER last AFTER UPDATE OF boss ON jobs FOR EACH ROW EXECUTE FUNCTION last();"
    _, there = switched(database, tmp_path, TREE + trigger, CONVERT)
    with sessions(there) as (conn,):
        assert conn.execute("UPDATE jobs SET boss = NULL WHERE place > 1").rowcount == 19
        conn.commit()
        assert conn.execute("SELECT count(*) FROM jobs WHERE boss IS NULL").fetchone() == (20,)


LAST = MERGE.replace('hits = "sum"', 'hits = "sum", said = "last"')


def test_what_the_new_application_made_of_several_rows(database: Database, tmp_path: Path) -> None:
    """A write of one old row leaves the others as they are seen, and no sum is written that nobody has worked out."""
    stage, there = switched(database, tmp_path, TURNS, LAST)
    seen = "SELECT id, said, hits FROM turns WHERE session = 'a' ORDER BY id"
    with sessions(database, there) as (new, old):
        new.autocommit = old.autocommit = True
        new.execute("UPDATE turns SET hits = 10, said = 'N' WHERE session = 'a'")
        for statement in (
            "UPDATE turns SET hits = hits + 1 WHERE id = 1",
            "INSERT INTO turns (session, said, hits) VALUES ('a', 'x', 0)",
        ):
            with pytest.raises(psycopg.errors.CheckViolation, match="the new shape has no place for this change"):
                old.execute(statement.encode())
        old.execute("UPDATE turns SET said = 'first' WHERE id = 1")
        rows = [(1, "first", 1), (2, "N", 10)]
        assert old.execute(seen).fetchall() == rows
        assert new.execute("SELECT id, said, hits FROM turns WHERE session = 'a'").fetchall() == [(1, "N", 10)]
        old.execute("DELETE FROM turns WHERE id = 1")
        assert new.execute("SELECT id, said, hits FROM turns WHERE session = 'a'").fetchall() == [(2, "N", 10)]
        assert old.execute(seen).fetchall() == rows[1:]
    stage.verify()
    stage.rollback()
    with psycopg.connect(database.conninfo) as conn:
        assert conn.execute(seen).fetchall() == rows[1:]
        assert conn.execute("SELECT count(*) FROM ecluse.parked").fetchone() == (0,)


def test_a_trigger_that_makes_another_key(database: Database, tmp_path: Path) -> None:
    """The old application would be told of a row that has no key."""
    trigger = """
        CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS
          $$BEGIN IF NEW.n = 7 THEN NEW.id := gen_random_uuid(); END IF; RETURN NEW; END$$;
        CREATE TRIGGER other BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION other();"""
    _, there = switched(database, tmp_path, JOBS + trigger, CONVERT)
    with sessions(there) as (conn,):
        conn.autocommit = True
        insert = "INSERT INTO jobs VALUES (gen_random_uuid()::text, %s, '') RETURNING n"
        assert conn.execute(insert, (6,)).fetchone() == (6,)
        with pytest.raises(psycopg.errors.TriggeredDataChangeViolation, match="another key"):
            conn.execute(insert, (7,))


def test_what_only_the_new_shape_says_in_a_document_stays(database: Database, tmp_path: Path) -> None:
    """The old application changes the keys of a document that its columns are, and no others."""
    case = SCENARIOS / "generalize_table" / "connections"
    before, migration = ((case / name).read_text() for name in ("before.sql", "migration.toml"))
    stage, there = kept_beside(database, tmp_path / "m.toml", before, migration)
    with sessions(there, database) as (old, new):
        new.execute(
            "UPDATE provider_connections SET provider_profile = provider_profile || '{\"club\": 7}' WHERE id = 1"
        )
        new.commit()
        old.execute("UPDATE strava_connections SET strava_firstname = 'Ann' WHERE id = 1")
        old.commit()
        asked = (
            "SELECT provider_profile -> 'club', provider_profile ->> 'firstname' FROM provider_connections WHERE id = 1"
        )
        assert new.execute(asked).fetchone() == (7, "Ann")
    stage.verify()


def test_a_new_key_takes_no_row_that_the_old_shape_keeps(database: Database, tmp_path: Path) -> None:
    """In the old shape nothing holds an order to a customer: to delete the one must not delete the other."""
    case = SCENARIOS / "link_rows" / "by_email"
    before, migration = ((case / name).read_text() for name in ("before.sql", "migration.toml"))
    file = tmp_path / "m.toml"
    stage, there = kept_beside(database, file, before, migration.replace('"restrict"', '"cascade"'))
    with sessions(there, database) as (old, new):
        new.execute("UPDATE orders SET customer_id = (SELECT id FROM customers WHERE email IS NULL) WHERE id = 9")
        new.commit()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            old.execute("DELETE FROM customers WHERE email IS NULL")
        old.rollback()
        assert old.execute("SELECT count(*) FROM orders").fetchone() == (200,)
    stage.verify()
