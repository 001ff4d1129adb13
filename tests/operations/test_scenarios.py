"""Every scenario folder through the one harness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import Halted, Listener, Stage, Writer, case_id, lines_of, load, same, same_rows, same_structure

CASES = harness.cases()

pytestmark = pytest.mark.parametrize("case", CASES, ids=case_id)


def test_becomes_what_was_done_by_hand_and_comes_back(
    case: Path, database: Database, second_database: Database, tmp_path: Path
) -> None:
    load(database, case / "before.sql")
    harness.load_wanted(second_database, case)
    before, wanted = harness.snapshot(database), harness.snapshot(second_database)
    stage = Stage(database, case / "migration.toml")

    assert stage.apply_as_foreseen() == "ready"
    again = Listener()
    assert stage.apply(again) == "ready"
    assert again.heard == []  # nothing to do
    stage.switch()
    switched = harness.snapshot(database)
    same_structure(harness.without_traces(switched.catalog), wanted.catalog)
    same_rows(switched, wanted)
    stage.verify()
    stage.rollback()
    same(harness.snapshot(database), before)

    assert stage.apply() == "ready"
    stage.switch()
    stage.finish(tmp_path)
    same(harness.snapshot(database), wanted)


def test_rolls_back_from_every_stage(case: Path, database: Database) -> None:
    load(database, case / "before.sql")
    before = harness.snapshot(database)
    stage = Stage(database, case / "migration.toml")
    whole = Listener()
    stage.apply(whole)
    stage.switch(whole)
    stage.rollback()
    points = range(1, len(whole.heard) + 1)
    for point in harness.spread(points, 5, CASES.index(case)):
        listener = Listener(at=point)
        with pytest.raises(Halted):
            stage.apply(listener)
            stage.switch(listener)
        stage.rollback()
        same(harness.snapshot(database), before)


def test_resumes_from_every_stage(case: Path, database: Database, second_database: Database) -> None:
    load(database, case / "before.sql")
    harness.load_wanted(second_database, case)
    wanted = harness.snapshot(second_database)
    stage = Stage(database, case / "migration.toml")
    listener = Listener(at=1)
    while True:  # halted after each record in turn, in one and the same run
        try:
            stage.resume(listener) if listener.heard else stage.apply(listener)
            stage.switch(listener)
            break
        except Halted:
            listener.at = len(listener.heard) + 1
    assert {"prepared", "captured", "copied", "indexed", "verified", "switched"} <= set(listener.heard)
    done_once = [name for name in listener.heard if name != "drained"]  # a drain has as many batches as it takes
    assert len(set(done_once)) == len(done_once), "something recorded was done again"
    switched = harness.snapshot(database)
    same_structure(harness.without_traces(switched.catalog), wanted.catalog)
    same_rows(switched, wanted)


def test_keeps_what_writers_commit(case: Path, database: Database, fresh_database: Callable[[], Database]) -> None:
    """Writers of the old shape up to the switch, and of the new one after it; then everything is taken back."""
    old_lines, new_lines = lines_of(case / "writers_old.sql"), lines_of(case / "writers_new.sql")
    if not old_lines:
        pytest.skip("the scenario has no writers")
    by_hand, replayed = fresh_database(), fresh_database()
    for each in (database, by_hand, replayed):
        load(each, case / "before.sql")
    before = harness.snapshot(database)
    stage = Stage(database, case / "migration.toml")
    old, new = Writer(database, old_lines), Writer(database, new_lines)
    with old.running():
        assert stage.apply() == "ready"
    assert {line for line, _ in old.committed} == set(range(len(old_lines))), old.failures
    old.rounds(3)  # what was proved already changes again, before the switch
    harness.copy_rows(database, by_hand)
    stage.switch()
    if (case / "by_hand.sql").exists():
        load(by_hand, case / "by_hand.sql")
        same_rows(harness.snapshot(database), harness.snapshot(by_hand))

    new.rounds(12)
    assert {line for line, _ in new.committed} == set(range(len(new_lines))), new.failures
    stage.verify()
    stage.rollback()
    back = harness.snapshot(database)
    same_structure(back.catalog, before.catalog)
    old.replay(replayed)
    new.replay(replayed, lines_of(case / "writers_back.sql"))
    same_rows(back, harness.snapshot(replayed))
