"""A rehearsal lives a migration's whole life on a copy, tells what fails with which rows, and leaves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ecluse.engine.context import Stop
from ecluse.engine.planner import make_plan
from ecluse.engine.rehearsal.load import Load
from ecluse.engine.rehearsal.rehearse import Asked, Rehearsed, rehearse
from ecluse.errors import Interrupted
from ecluse.model.migration import Migration
from ecluse.model.report import Event
from ecluse.operations.file import parse_migration
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.project import read_migration
from tests import harness
from tests.harness import OPTIONS, load, same, snapshot
from tests.moving.places import INVITATIONS, OTHERWISE
from tests.rehearsal.conftest import FAST

SCORES = """
CREATE TABLE scores (id integer PRIMARY KEY, score text NOT NULL, CONSTRAINT fit CHECK (score <> ''));
INSERT INTO scores SELECT n, n::text FROM generate_series(1, 200) n;
INSERT INTO scores VALUES (777, '-3'), (1888, '-4');
"""
STRICT = """
name = "scores"
[[operation]]
kind = "convert_column"
table = "public.scores"
column = "score"
to = "integer"
using = "score::integer"
back = "score::text"
[[operation.redeclare]]
constraints = { fit = "check (score >= 0)" }
"""
IDS = """
name = "ids"
[[operation]]
kind = "convert_column"
table = "public.people"
column = "id"
"""


def rehearsed(
    migration: Migration,
    databases: Mapping[str, Database],
    folder: Path,
    tell: Callable[[Event], None],
    **given: object,
) -> Rehearsed:
    """Rehearse in short, and prove that nothing was changed and nothing is left."""
    before = {name: snapshot(database) for name, database in databases.items()}
    wanted = Asked(migration, databases.__getitem__, folder, seconds=0.5, options=OPTIONS, settings=FAST)
    try:
        return rehearse(replace(wanted, **given), tell, Stop())  # type: ignore[arg-type]
    finally:
        for name, database in databases.items():
            same(snapshot(database), before[name])
        assert not list((folder / ".ecluse" / "throwaway").iterdir())


def silent(event: Event) -> None:
    """Nobody listens."""


@pytest.fixture
def folder(open_folder: Path, tmp_path: Path) -> Path:
    """A project that a server's user can enter."""
    made = open_folder / tmp_path.name
    made.mkdir()
    return made


def test_the_whole_life(database: Database, folder: Path) -> None:
    case = harness.SCENARIOS / "convert_column/fk_family"
    load(database, case / "before.sql")
    migration = read_migration(case / "migration.toml")
    heard: list[Event] = []
    found = rehearsed(migration, {migration.database: database}, folder, heard.append)
    record = found.record
    assert record.passed, found.failures
    assert record.fingerprint == make_plan(database, migration).fingerprint
    steps = {step.step: step for step in record.steps}
    assert [name for name in steps if not name.startswith("verify")] == [
        *("copy the databases", "plan", "apply", "switch", "writes of the new shape", "rollback"),
        *("the old shape is back", "apply again", "switch again", "finish"),
    ]
    assert {event.step for event in heard if event.kind == "done"} >= set(steps)
    assert steps["apply"].rows and (steps["apply"].wal_bytes or 0) > 10_000
    assert all((step.disk_bytes or 0) > 1_000_000 for name, step in steps.items() if name != "copy the databases")
    assert all(step.worst_stall for name, step in steps.items() if name in ("apply", "switch", "rollback"))
    assert (steps["switch"].longest_lock or 0) > 0
    for step in (steps["apply"], steps["switch"], steps["finish"]):
        assert step.low is not None and step.high is not None and step.low < step.seconds < step.high
    assert {one.shape for one in record.written} == {"old", "new"}
    assert all(one.committed > 10 and not one.failed for one in record.written)
    assert all(account.balanced for account in found.accounts)


def test_what_wrote_nothing_is_not_counted_as_written(database: Database) -> None:
    load(
        database,
        """
        CREATE TABLE public.pairs (a int REFERENCES public.pairs, b int REFERENCES public.pairs, PRIMARY KEY (a));
        CREATE TABLE public.closed (id int PRIMARY KEY, word text);
        INSERT INTO public.closed VALUES (1, 'a'), (2, 'b');
        INSERT INTO public.pairs VALUES (1, 1);
        CREATE FUNCTION public.silent() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER silent BEFORE INSERT OR UPDATE ON public.closed FOR EACH ROW EXECUTE FUNCTION public.silent();
        """,
    )
    with open_session(database) as conn:
        tables = list(read_catalog(conn).tables.values())
    writer = Load(database, tables, 1, "new")
    assert writer.left_out == ["public.pairs"]  # nothing of it can be changed, and nothing added
    writer.start()
    for _ in range(3):
        while writer.felt()[0] is None:
            time.sleep(0.01)
    writer.stop()
    assert (writer.written().committed, writer.failed) == (0, [])


def test_rows_that_a_check_does_not_take_are_named(database: Database, folder: Path) -> None:
    load(database, SCORES)
    migration = parse_migration(STRICT, "scores.toml", lambda name: "")
    found = rehearsed(migration, {"app": database}, folder, silent, load=0)
    assert not found.record.passed
    (failure,) = found.failures
    assert (failure.step, failure.code) == ("apply", "23514")
    assert failure.rows == ("public.scores, fit: 2 rows, as id = 999; id = 9999",)
    assert found.record.failures == (f"apply: {failure.message}",)
    assert found.record.steps[-1].failed
    shown = rehearsed(migration, {"app": database}, folder, silent, load=0, options=replace(OPTIONS, show_values=True))
    assert shown.failures[0].rows == ("public.scores, fit: 2 rows, as id = 777; id = 1888",)


def test_a_plan_that_is_refused_is_a_failure_with_samples(database: Database, folder: Path) -> None:
    load(database, "CREATE TABLE people (id text PRIMARY KEY); INSERT INTO people VALUES ('Anna-1'), ('Bert-22')")
    found = rehearsed(parse_migration(IDS, "ids.toml", lambda name: ""), {"app": database}, folder, silent)
    (failure,) = found.failures
    assert failure.step == "plan"
    assert "2 of 2 values of public.people.id do not fit" in failure.details
    assert "xxxx-9" in failure.details and "Anna" not in failure.details


def test_a_move_is_rehearsed_with_a_copy_of_its_origin(
    database: Database, second_database: Database, folder: Path
) -> None:
    load(second_database, INVITATIONS)
    migration = parse_migration(OTHERWISE, "bring.toml", lambda name: "")
    databases = {migration.database: database, "origin": second_database}
    found = rehearsed(migration, databases, folder, silent)
    assert found.record.passed, found.failures
    assert {one.name: one.rows for one in found.copied} == {migration.database: 0, "origin": 2000}
    assert {one.shape: one.committed > 10 for one in found.record.written} == {"old": True, "new": True}


def test_the_old_application_goes_on_with_the_old_shape(database: Database, folder: Path) -> None:
    load(database, "DO $$ BEGIN CREATE ROLE rehearsed_old LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    load(database, "CREATE TABLE people (id text PRIMARY KEY DEFAULT gen_random_uuid()::text, name text, age integer)")
    load(database, "INSERT INTO people (name, age) SELECT 'n' || n, n FROM generate_series(1, 300) n")
    load(database, "GRANT SELECT, INSERT, UPDATE, DELETE ON people TO rehearsed_old; ANALYZE")
    try:
        migration = parse_migration(f'old_shape_for = ["rehearsed_old"]\n{IDS}', "ids.toml", lambda name: "")
        found = rehearsed(migration, {"app": database}, folder, silent)
        assert found.record.passed, found.failures
        assert not found.record.notes
        assert {one.shape: one.committed > 10 for one in found.record.written} == {
            "old": True,
            "new": True,
            "old, kept": True,
        }
        assert "retire" in {step.step for step in found.record.steps}
    finally:
        load(database, "DROP OWNED BY rehearsed_old; DROP ROLE rehearsed_old")


def test_a_stop_leaves_nothing(database: Database, folder: Path) -> None:
    load(database, SCORES)
    stop = Stop()
    wanted = Asked(
        parse_migration(STRICT, "scores.toml", lambda name: ""), lambda _: database, folder, settings=FAST, load=1
    )

    def listen(event: Event) -> None:
        if event.kind == "step" and event.step == "copy":
            stop.ask()

    with pytest.raises(Interrupted, match="rehearsal was stopped") as stopped:
        rehearse(wanted, listen, stop)
    assert "only read" in stopped.value.state
    assert not list((folder / ".ecluse" / "throwaway").iterdir())
