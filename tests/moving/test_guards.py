"""What must not go unseen between the copy and the closing, and what must not be opened or undone by mistake."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.engine import journal
from ecluse.engine.moving.closing import closed
from ecluse.errors import CaptureBroken, DatabaseChanged
from ecluse.postgres.connect import Database, open_session
from tests.harness import Halted, Listener, load
from tests.moving.places import AS_IT_WAS, Places, prepared, rows

ADD = "ALTER TABLE public.invitations ADD COLUMN note text; UPDATE public.invitations SET note = 'kept'"


@pytest.fixture
def places(database: Database, second_database: Database, tmp_path: Path) -> Places:
    return prepared(second_database, database, tmp_path, AS_IT_WAS)


def test_a_column_that_comes_while_the_closing_waits_for_the_table(places: Places) -> None:
    places.apply()
    with psycopg.connect(places.origin.conninfo) as altering:
        late = threading.Timer(1.0, altering.commit)

        def alter(record: str) -> None:
            if record == "closing":
                altering.execute(ADD.encode())
                late.start()

        with pytest.raises(DatabaseChanged):
            places.switch(Listener(on_record=alter))
        late.join()
    load(places.origin, "UPDATE public.invitations SET weight = 3 WHERE token = 't1'")  # it is open


def test_a_column_that_came_after_a_switch_that_died(places: Places) -> None:
    places.apply()
    with pytest.raises(Halted):
        places.switch(Listener(at=1))
    load(places.origin, ADD)
    with pytest.raises(DatabaseChanged):
        places.switch()


@pytest.mark.parametrize("command", ["apply", "switch"])
def test_going_on_after_a_rollback_that_died_begins_the_copy_again(places: Places, command: str) -> None:
    places.apply()
    with pytest.raises(Halted):
        places.rollback(Listener(at=1))
    load(places.origin, "UPDATE public.invitations SET weight = 3 WHERE token = 't1'")  # nobody logs it
    if command == "switch":
        with pytest.raises(CaptureBroken):
            places.switch()
    assert places.resume() == "ready"
    places.switch()
    places.verify()
    assert rows(places.database, "SELECT weight FROM public.invitations WHERE token = 't1'") == [(3.0,)]


def test_a_switch_whose_answer_was_lost_leaves_the_table_closed(places: Places) -> None:
    """The connection breaks while the server commits; what the journal says at once is not yet the truth."""
    places.apply()
    engine = places.engine()
    with open_session(places.database) as here, psycopg.connect(places.database.conninfo) as committing:
        record = journal.last_run(here, "bring")
        assert record is not None
        late = threading.Timer(1.0, committing.commit)
        with pytest.raises(psycopg.OperationalError), closed(engine._run(here, record), here):
            committing.execute("UPDATE ecluse.run SET status = 'switched'")
            late.start()
            raise psycopg.OperationalError
        late.join()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        load(places.origin, "DELETE FROM public.invitations")


def test_two_databases_that_move_tables_of_one_name_keep_apart(
    places: Places, fresh_database: Callable[[], Database], tmp_path: Path
) -> None:
    """Each has a journal of its own; taking the one back must not open what the other has closed."""
    load(
        places.origin,
        "CREATE SCHEMA other; CREATE TABLE other.invitations (id int PRIMARY KEY); INSERT INTO other.invitations "
        "VALUES (1)",
    )
    file = tmp_path / "other.toml"
    file.write_text(AS_IT_WAS.replace("public.", "other."))
    other = replace(places, database=fresh_database(), file=file)
    load(other.database, "CREATE SCHEMA other")
    places.apply()
    other.apply()
    load(places.origin, "UPDATE public.invitations SET weight = 3 WHERE token = 't1'")
    places.switch()
    other.rollback()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        load(places.origin, "DELETE FROM public.invitations")
    places.verify()
    assert rows(places.database, "SELECT weight FROM public.invitations WHERE token = 't1'") == [(3.0,)]


def test_a_finish_that_dropped_one_of_two_tables_keeps_both_archives(places: Places, tmp_path: Path) -> None:
    load(places.origin, "CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1)")
    both = AS_IT_WAS + AS_IT_WAS.partition("\n")[2].partition("\n")[2].replace("invitations", "t")
    places.file.write_text(both)
    places.apply()
    places.switch()
    with pytest.raises(Halted):
        places.finish(tmp_path / "archive", Listener(at=3))
    gone = "SELECT count(*) FROM pg_class WHERE relname IN ('t', 'invitations')"
    assert rows(places.origin, gone) == [(1,)]
    folder = places.finish(tmp_path / "archive") / "from-origin"
    assert {each.name for each in folder.glob("*.copy.gz")} == {"public.t.copy.gz", "public.invitations.copy.gz"}
