"""`kill -9` at every record of the journal and in the middle of transactions; the next process goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecluse.errors import AnotherRun
from ecluse.postgres.connect import Database, open_session
from tests import harness
from tests.faults import child
from tests.faults.child import Order
from tests.harness import SCENARIOS, Snapshot, Stage, load, same, same_rows, same_structure

CASE = SCENARIOS / "convert_column" / "fk_family"
FILE = CASE / "migration.toml"
KILLED = -9


@pytest.fixture
def scene(database: Database, fresh_database: Callable[[], Database]) -> tuple[Stage, Snapshot, Snapshot]:
    """The scenario, as it is and as it must become."""
    load(database, CASE / "before.sql")
    wanted = fresh_database()
    harness.load_wanted(wanted, CASE)
    return Stage(database, FILE), harness.snapshot(database), harness.snapshot(wanted)


def patiently(work: Callable[[], object]) -> None:
    """Do it as soon as the server has seen that the killed process is gone."""
    for _ in range(100):
        try:
            work()
            return
        except AnotherRun:
            time.sleep(0.05)
    work()


def status(stage: Stage) -> str:
    with open_session(stage.database, role="look") as conn:
        if conn.execute("SELECT to_regclass('ecluse.run')").fetchone() == (None,):
            return ""
        row = conn.execute("SELECT status FROM ecluse.run ORDER BY id DESC LIMIT 1").fetchone()
        return row[0] if row else ""


def go_on(stage: Stage) -> None:
    """From wherever a kill left it, to the new shape."""
    if status(stage) in ("", "rolled_back"):
        patiently(stage.apply)
    elif status(stage) in ("building", "ready"):
        patiently(stage.resume)
    patiently(stage.switch)


def go_back(stage: Stage) -> None:
    """From wherever a kill left it, to the old shape."""
    if status(stage) != "":
        patiently(stage.rollback)


def is_switched(stage: Stage, wanted: Snapshot) -> None:
    have = harness.snapshot(stage.database)
    same_structure(harness.without_traces(have.catalog), wanted.catalog)
    same_rows(have, wanted)


def order(stage: Stage, *commands: str, **when: int) -> Order:
    return Order(stage.database.conninfo, stage.file, commands, **when)


def test_at_each_record_of_apply_and_switch(scene: tuple[Stage, Snapshot, Snapshot]) -> None:
    stage, before, wanted = scene
    records, _ = child.count(order(stage, "apply", "switch"))
    assert records > 15
    is_switched(stage, wanted)
    patiently(stage.rollback)
    for number in harness.spread(range(1, records + 1), 6):
        assert child.run(order(stage, "apply", "switch", record=number)) == KILLED
        go_on(stage)
        is_switched(stage, wanted)
        stage.verify()
        patiently(stage.rollback)
        same(harness.snapshot(stage.database), before)


def test_then_rolled_back(scene: tuple[Stage, Snapshot, Snapshot]) -> None:
    stage, before, _ = scene
    _, statements = child.count(order(stage, "apply", "switch", "rollback"))
    same(harness.snapshot(stage.database), before)
    for number in harness.spread(range(1, statements), 14):
        assert child.run(order(stage, "apply", "switch", statement=number)) in (KILLED, 0)
        go_back(stage)
        same(harness.snapshot(stage.database), before)


def test_in_the_middle_of_transactions(scene: tuple[Stage, Snapshot, Snapshot]) -> None:
    stage, before, wanted = scene
    _, statements = child.count(order(stage, "apply", "switch"))
    assert statements > 150
    patiently(stage.rollback)
    for number in harness.spread(range(1, statements + 1), 10, offset=3):
        assert child.run(order(stage, "apply", "switch", statement=number)) in (KILLED, 0)
        go_on(stage)
        is_switched(stage, wanted)
        patiently(stage.rollback)
        same(harness.snapshot(stage.database), before)


@pytest.mark.parametrize("when", ["record", "statement"])
def test_in_a_rollback(scene: tuple[Stage, Snapshot, Snapshot], when: str) -> None:
    stage, before, _ = scene
    stage.apply()
    stage.switch()
    counted = dict(zip(("record", "statement"), child.count(order(stage, "rollback")), strict=True))
    same(harness.snapshot(stage.database), before)
    for number in harness.spread(range(1, counted[when] + 1), 5):
        patiently(stage.apply)
        stage.switch()
        assert child.run(order(stage, "rollback", **{when: number})) in (KILLED, 0)
        patiently(stage.rollback)
        same(harness.snapshot(stage.database), before)


def test_in_finish(
    fresh_database: Callable[[], Database], scene: tuple[Stage, Snapshot, Snapshot], tmp_path: Path
) -> None:
    stage, _, wanted = scene
    stage.apply()
    stage.switch()
    _, statements = child.count(Order(stage.database.conninfo, FILE, ("finish",), folder=tmp_path))
    same(harness.snapshot(stage.database), wanted)
    for number in harness.spread(range(1, statements + 1), 4):
        again = Stage(fresh_database(), FILE)
        load(again.database, CASE / "before.sql")
        again.apply()
        again.switch()
        killed = Order(again.database.conninfo, FILE, ("finish",), statement=number, folder=tmp_path / str(number))
        assert child.run(killed) in (KILLED, 0)
        if status(again) == "switched":
            patiently(lambda stage=again: stage.finish(tmp_path))
        same(harness.snapshot(again.database), wanted)
