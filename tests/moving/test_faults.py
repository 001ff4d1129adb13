"""A move that dies: our process at each record, either server at each record."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.checkup.examine import examine_database
from ecluse.engine.status import look
from ecluse.errors import ConnectionLost, EcluseError, WrongState
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests.harness import FULL, Halted, Listener, load
from tests.moving.places import OTHERWISE, Places, prepared, rows

OLD = 'SELECT i::text FROM public.invitations i ORDER BY i::text COLLATE "C"'
NEW = 'SELECT i::text FROM public.invites i ORDER BY i::text COLLATE "C"'
WRITE_OLD = """
UPDATE public.invitations SET status = 'accepted', weight = 0.1 WHERE token IN ('t1', 't7');
DELETE FROM public.invitations WHERE token = 't9';
"""
TOUCH = "UPDATE public.invitations SET weight = weight WHERE token < 't2'"
# The first comes home whole; the old table has no such state as the second's, and no place for what the third says.
WRITE_NEW = """
INSERT INTO public.invites (id, inviter, email, state, metadata) SELECT gen_random_uuid(), 'n@example.org',
    'New@example.org', 'pending',
    jsonb_build_object('number', '90001', 'token', 'n1', 'weight', '0.5');
INSERT INTO public.invites (id, inviter, email, state, metadata) SELECT gen_random_uuid(), 'n@example.org',
    'No@example.org', 'dreaming',
    jsonb_build_object('number', '90002', 'token', 'n2', 'weight', '0.5');
UPDATE public.invites SET metadata = metadata || '{"more": true}' WHERE metadata ->> 'token' = 't11';
UPDATE public.invites SET state = 'expired' WHERE metadata ->> 'token' = 't12';
DELETE FROM public.invites WHERE metadata ->> 'token' = 't13';
"""


@pytest.fixture
def places(database: Database, second_database: Database, tmp_path: Path) -> Places:
    return prepared(second_database, database, tmp_path, OTHERWISE)


def _halts(do: Callable[[Listener], object], again: Callable[[], object]) -> int:
    """Do something that is halted at its first, second, ... record, and go on; returns how many records there are."""
    for number in itertools.count(1):
        try:
            do(Listener(at=number))
        except Halted:
            again()
        else:
            return number - 1
    raise AssertionError


def test_apply_goes_on_from_every_record(places: Places) -> None:
    plan = places.plan()

    def apply(listener: Listener) -> None:
        places.engine(listener).apply(plan)
        places.rollback()

    def again() -> None:
        load(places.origin, WRITE_OLD.replace("'t1'", "'t3'"))
        assert places.resume() == "ready"
        places.verify()
        places.rollback()

    assert _halts(apply, again) > 12
    assert rows(places.origin, "SELECT count(*) FROM pg_trigger WHERE tgname ~ 'ecluse'") == [(0,)]


def test_switch_and_rollback_go_on_from_every_record(places: Places) -> None:
    before = rows(places.origin, OLD)

    def there(listener: Listener) -> None:
        places.apply()
        load(places.origin, TOUCH)
        places.switch(listener)
        places.rollback()

    def there_again() -> None:
        places.switch()
        places.verify()
        places.rollback()

    assert _halts(there, there_again) >= 4
    assert rows(places.origin, OLD) == before

    def back(listener: Listener) -> None:
        places.apply()
        places.switch()
        load(places.database, "UPDATE public.invites SET state = 'expired' WHERE metadata ->> 'token' = 't12'")
        places.rollback(listener)

    assert _halts(back, places.rollback) >= 5
    (status,) = rows(places.origin, "SELECT status FROM public.invitations WHERE token = 't12'")
    assert status == ("expired",)
    load(places.origin, WRITE_OLD)  # it is open


@pytest.mark.parametrize("at", range(1, 5))
def test_a_switch_that_died_is_taken_back_and_opened(places: Places, at: int) -> None:
    places.apply()
    load(places.origin, TOUCH)
    with pytest.raises(Halted):
        places.switch(Listener(at=at))
    (run,) = look(places.database).runs
    assert run.closed == (("public.invitations in 'origin'",) if run.status == "ready" and at > 1 else ())
    (told,) = examine_database(places.database, Path(), {"unfinished-run"})
    assert (told.level == "wrong", "nobody can write there" in told.found) == (bool(run.closed), bool(run.closed))
    places.rollback()
    assert not look(places.database).runs[0].closed
    load(places.origin, WRITE_OLD)
    assert rows(places.origin, "SELECT count(*) FROM pg_trigger WHERE tgname ~ 'ecluse'") == [(0,)]
    places.apply()
    places.switch()
    places.verify()


def test_a_commit_whose_answer_was_lost_is_waited_for(places: Places) -> None:
    """Opening the old table while the switch may still be committed would leave two tables that take writes."""
    places.apply()
    with psycopg.connect(places.database.conninfo) as late:
        late.execute("SELECT FROM ecluse.run FOR UPDATE")
        with pytest.raises(EcluseError):
            places.rollback()
        assert rows(places.origin, "SELECT count(*) FROM pg_trigger WHERE tgname = 'zz_ecluse_capture'") == [(1,)]
    places.rollback()


def test_finish_goes_on_from_every_record(places: Places, tmp_path: Path) -> None:
    def finish(listener: Listener) -> None:
        places.apply()
        places.switch()
        places.finish(tmp_path / "archive", listener)
        _again(places)

    def again() -> None:
        with contextlib.suppress(WrongState):  # it was halted after its last record
            places.finish(tmp_path / "archive")
        newest = max((tmp_path / "archive").iterdir())
        assert (newest / "from-origin" / "public.invitations.copy.gz").exists()
        _again(places)

    assert _halts(finish, again) >= 3


def test_no_rollback_after_a_finish_that_died_with_the_old_table_gone(places: Places, tmp_path: Path) -> None:
    places.apply()
    places.switch()
    with pytest.raises(Halted):
        places.finish(tmp_path / "archive", Listener(at=3))
    with pytest.raises(WrongState, match="nothing to come home to"):
        places.rollback()
    places.finish(tmp_path / "archive")


def _again(places: Places) -> None:
    """Both databases as they were at the start."""
    assert rows(places.origin, "SELECT to_regclass('public.invitations') IS NULL") == [(True,)]
    load(places.database, "DROP TABLE public.invites")
    prepared(places.origin, places.database, places.file.parent, OTHERWISE)


def test_new_writes_come_home_and_what_does_not_fit_is_parked(places: Places) -> None:
    places.apply()
    places.switch()
    load(places.database, WRITE_NEW)
    places.verify()
    new = rows(places.database, NEW)
    places.rollback()
    found = rows(
        places.origin, "SELECT token, status FROM public.invitations WHERE token IN ('n1','n2','t11','t12','t13')"
    )
    assert sorted(found) == [("n1", "pending"), ("t11", "expired"), ("t12", "expired")]
    parked = rows(places.database, "SELECT row ->> 'state', row -> 'metadata' FROM ecluse.parked ORDER BY 1")
    assert [row[0] for row in parked if row[0] == "dreaming"] == ["dreaming"]
    assert len(parked) == 2, parked
    assert len(new) == 2000 + 2 - 1


# --- the servers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def second_server(open_folder: Path, server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """A server of its own, which may be stopped."""
    other = EmbeddedServer(open_folder / "second", server.bin_dir, {"max_wal_size": "1GB", "shared_buffers": "32MB"})
    other.start()
    yield other
    other.stop("immediate")


@pytest.mark.parametrize("dies", ["origin", "arrival"])
def test_either_server_may_vanish_at_any_record(
    dies: str, second_server: EmbeddedServer, database: Database, tmp_path: Path
) -> None:
    """The other one stays; what vanished comes back after a crash recovery, and the run goes on."""
    name = f"vanishing_{dies}"
    second = Database("second", second_server.create_database(name), label=name)
    origin, arrival = (second, database) if dies == "origin" else (database, second)
    places = prepared(origin, arrival, tmp_path, OTHERWISE)
    before = rows(origin, OLD)
    heard = Listener()
    places.apply(heard)
    places.switch(heard)
    load(arrival, "UPDATE public.invites SET state = 'expired' WHERE metadata ->> 'token' = 't12'")
    places.rollback(heard)
    load(origin, "UPDATE public.invitations SET status = 'pending' WHERE token = 't12'")
    assert rows(origin, OLD) == before
    for number in range(1, len(heard.heard) + 1, 1 if FULL else 3):
        _with_a_crash(places, second_server, number)
        assert rows(origin, OLD) == before
    second_server.create_database(name)


def _with_a_crash(places: Places, server: EmbeddedServer, at: int) -> None:
    """The whole life, with one crash of a server after the `at`-th record, counted over all commands."""
    crashed = []
    seen = itertools.count(1)

    def crash(_: str) -> None:
        if next(seen) == at:
            server.crash()
            crashed.append(at)
            server.start()

    listener = Listener(on_record=crash)
    for command in (places.apply, places.switch, places.rollback):
        try:
            command(listener)
        except (ConnectionLost, psycopg.OperationalError) as error:
            assert crashed, error
            if command == places.apply:
                assert places.resume(listener) == "ready"
            else:
                command(listener)
    assert crashed
