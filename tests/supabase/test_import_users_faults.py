"""An import of users that dies: halted at records of the journal, killed, the server crashed; nothing is left over."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import ConnectionLost, WrongState
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests import harness
from tests.faults import child
from tests.faults.test_killed import go_back, go_on, order
from tests.harness import FULL, Halted, Listener, Snapshot, Stage, load, same, same_structure, snapshot, spread
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.people import ACCOUNTS, LEGACY, staged

LEFT = """
SELECT 'index ' || indexname FROM pg_indexes WHERE indexname LIKE 'ecluse\\_%' AND schemaname NOT LIKE 'pg\\_temp%'
UNION ALL SELECT 'trigger of ' || tgrelid::regclass FROM pg_trigger WHERE tgname LIKE '%ecluse%'
UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'ecluse\\_%'
UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relnamespace = 'ecluse'::regnamespace
  AND relkind = 'r' AND relname ~ 'log_|roster|known|moment'
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'ecluse'::regnamespace
  AND proname ~ '^capture'
"""


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Iterator[Stage]:
    yield staged(database, tmp_path)
    drop_roles(database)


def _records(do: Callable[[Listener], object]) -> int:
    listener = Listener()
    do(listener)
    return len(listener.heard)


def _is_switched(stage: Stage, wanted: Snapshot) -> None:
    """As a run that nobody disturbed left it; when it began, and ids that are drawn, aside."""
    have = snapshot(stage.database)
    same_structure(harness.without_traces(have.catalog), harness.without_traces(wanted.catalog))
    assert _steady(have) == _steady(wanted)


def _steady(found: Snapshot) -> dict[str, list[str]]:
    drawn = ("user_id_mapping", "auth.users", "auth.identities")
    return {table: rows if not table.endswith(drawn) else [str(len(rows))] for table, rows in found.rows.items()}


def _is_as_before(stage: Stage, before: Snapshot) -> None:
    same(snapshot(stage.database), before)
    assert ask(stage.database, LEFT) == []


@pytest.fixture
def known(stage: Stage) -> tuple[Stage, Snapshot, Snapshot]:
    """The stage, as it is, and as the switch makes it."""
    before = snapshot(stage.database)
    stage.apply()
    stage.switch()
    stage.verify()
    wanted = snapshot(stage.database)
    stage.rollback()
    _is_as_before(stage, before)
    return stage, before, wanted


# --- halted -----------------------------------------------------------------------------------------


def test_apply_and_switch_halted_at_their_records(known: tuple[Stage, Snapshot, Snapshot]) -> None:
    stage, before, wanted = known

    def all_of_it(listener: Listener) -> None:
        stage.apply(listener)
        stage.switch(listener)

    records = _records(all_of_it)
    assert records > 15
    stage.rollback()
    for turn, number in enumerate(spread(range(1, records + 1), 4, offset=records)):
        with pytest.raises(Halted):
            all_of_it(Listener(at=number))
        if turn % 2 or FULL:
            go_on(stage)
            _is_switched(stage, wanted)
            stage.verify()
            stage.rollback()
            _is_as_before(stage, before)
        if turn % 2 == 0:
            if FULL:
                with pytest.raises(Halted):
                    all_of_it(Listener(at=number))
            go_back(stage)
            _is_as_before(stage, before)


@pytest.mark.parametrize("switched", [False, True], ids=["before", "after"])
def test_a_rollback_goes_on_from_each_record(stage: Stage, switched: bool) -> None:
    before = snapshot(stage.database)

    def there() -> None:
        stage.apply()
        if switched:
            stage.switch()

    there()
    records = _records(stage.rollback)
    for number in spread(range(1, records + 1), 3, offset=1):
        there()
        with pytest.raises(Halted):
            stage.rollback(Listener(at=number))
        stage.rollback()
        _is_as_before(stage, before)


def test_finish_goes_on_from_each_record(stage: Stage, tmp_path: Path) -> None:
    number = 0
    while True:
        number += 1
        stage.apply()
        stage.switch()
        try:
            stage.finish(tmp_path, Listener(at=number))
        except Halted:
            with contextlib.suppress(WrongState):
                stage.finish(tmp_path)
        else:
            break
        assert ask(stage.database, LEFT) == []
        load(stage.database, "DROP TABLE profiles, notes, quotas, logs, user_id_mapping; DELETE FROM auth.users")
        load(stage.database, ACCOUNTS)
        load(stage.database, LEGACY)
    assert number >= 2


# --- killed -------------------------------------------------------------------------------------------


def test_killed_in_the_middle_of_transactions(stage: Stage) -> None:
    before = snapshot(stage.database)
    _, statements = child.count(order(stage, "apply", "switch", "rollback"))
    _is_as_before(stage, before)
    assert statements > 150
    for number in spread(range(1, statements), 3, offset=2):
        assert child.run(order(stage, "apply", "switch", "rollback", statement=number)) in (-9, 0)
        go_back(stage)
        _is_as_before(stage, before)


def test_killed_where_accounts_join_and_where_they_leave_again(stage: Stage) -> None:
    """The last statements of a switch and of a rollback: nobody sees half of the accounts."""
    before = snapshot(stage.database)
    accounts = "SELECT count(*) FROM auth.users u JOIN auth.identities d ON d.user_id = u.id"
    for command in ("switch", "rollback"):
        stage.apply()
        if command == "rollback":
            stage.switch()
        _, statements = child.count(order(stage, command))
        if command == "switch":
            stage.rollback()
        _is_as_before(stage, before)
        for number in spread(range(statements // 2, statements), 1 + FULL):
            stage.apply()
            if command == "rollback":
                stage.switch()
            assert child.run(order(stage, command, statement=number)) in (-9, 0)
            assert ask(stage.database, accounts) in ([(1,)], [(5,)])
            go_back(stage)
            _is_as_before(stage, before)


# --- the server -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server(open_folder: Path, server: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """A server of its own, which may be stopped."""
    other = EmbeddedServer(open_folder / "people", server.bin_dir, {"max_wal_size": "1GB", "shared_buffers": "32MB"})
    other.start()
    yield other
    other.stop("immediate")


def test_the_server_crashes_at_records(own_server: EmbeddedServer, tmp_path: Path) -> None:
    stage = staged(Database("app", own_server.create_database("people")), tmp_path)
    before = snapshot(stage.database)
    heard = Listener()
    stage.apply(heard)
    stage.switch(heard)
    stage.rollback(heard)
    for number in spread(range(1, len(heard.heard) + 1), 1 + FULL, offset=5):
        _with_a_crash(stage, own_server, number)
        _is_as_before(stage, before)


def _with_a_crash(stage: Stage, server: EmbeddedServer, at: int) -> None:
    """There and back, with a crash after the `at`-th record, counted over all commands."""
    seen = itertools.count(1)

    def crash(_: str) -> None:
        if next(seen) == at:
            server.crash()
            server.start()

    listener = Listener(on_record=crash)
    for command in (stage.apply, stage.switch, stage.rollback):
        try:
            command(listener)
        except (ConnectionLost, psycopg.OperationalError):
            again = stage.resume if command == stage.apply else command
            again(listener)
