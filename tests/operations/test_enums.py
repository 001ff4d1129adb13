"""Enums: types and labels that are there, rows that use a label, and what stands on a type that is made anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecluse.engine.explain import steps
from ecluse.engine.status import look
from ecluse.errors import EcluseError, MigrationFileError, NotInDatabase, WrongState
from ecluse.model.plan import Plan
from ecluse.postgres.connect import Database
from tests import harness
from tests.faults import child
from tests.faults.child import Order
from tests.faults.test_killed import KILLED, patiently
from tests.harness import SCENARIOS, Halted, Listener, Stage, load, same
from tests.supabase.conftest import ask

BEFORE = (SCENARIOS / "extend_enum" / "arrays" / "before.sql").read_text()
CREATE = 'kind = "create_enum"\nname = "public.provider_type"\nlabels = ["strava", "garmin", "fitbit"]'
EXTEND = 'kind = "extend_enum"\nname = "public.provider_type"\nlabels = ["suunto"]'
LABELS = "SELECT enum_range(NULL::public.provider_type)::text"


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Callable[..., Stage]:
    """A database with these tables, and a migration of these operations."""

    def made(before: str, *operations: str) -> Stage:
        load(database, before)
        file = tmp_path / "migration.toml"
        file.write_text('name = "enums"\n' + "".join(f"\n[[operation]]\n{each}\n" for each in operations))
        return Stage(database, file)

    return made


def ids(plan: Plan, level: str) -> set[str]:
    return {hazard.id for hazard in plan.hazards if hazard.level == level}


def warned(listener: Listener) -> str:
    return "\n".join(event.message for event in listener.events if event.kind == "warn")


# --- what is there already ----------------------------------------------------------------------------


def test_a_type_that_is_there_is_used_and_never_dropped(make: Callable[..., Stage]) -> None:
    stage = make(BEFORE, CREATE)
    assert ids(stage.plan(), "note") == {"enum-exists"}
    before = harness.snapshot(stage.database)
    stage.apply()
    stage.switch()
    stage.verify()
    stage.rollback()
    same(harness.snapshot(stage.database), before)


def test_other_labels_are_refused_with_what_to_paste(make: Callable[..., Stage]) -> None:
    stage = make(BEFORE, CREATE.replace('"strava", ', '"strava", "suunto", '))
    (found,) = stage.plan().refused
    assert found.id == "enum-differs"
    assert found.hint == '[[operation]]\nkind = "extend_enum"\nname = "public.provider_type"\nlabels = ["suunto"]'


@pytest.mark.parametrize(
    "taken",
    ["TABLE public.provider_type ()", "DOMAIN public.provider_type AS text", "TYPE public.provider_type AS (x text)"],
)
def test_a_name_that_is_taken_is_refused(make: Callable[..., Stage], taken: str) -> None:
    assert ids(make(f"CREATE {taken}", CREATE).plan(), "refuse") == {"name-taken"}


def test_labels_that_are_there_are_told(make: Callable[..., Stage]) -> None:
    stage = make(BEFORE, EXTEND.replace("suunto", "fitbit"))
    assert ids(stage.plan(), "note") == {"label-exists"}
    before = harness.snapshot(stage.database)
    stage.apply()
    stage.switch()
    stage.rollback()
    same(harness.snapshot(stage.database), before)


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        ([EXTEND.replace("public.provider_type", "public.nothing")], NotInDatabase),
        ([EXTEND + '\nafter = "nothing"'], NotInDatabase),
        ([EXTEND + '\nafter = "strava"\nbefore = "garmin"'], MigrationFileError),
        ([EXTEND.replace("public.", "")], MigrationFileError),
        ([EXTEND.replace("suunto", "x" * 64)], MigrationFileError),
        ([EXTEND.replace('"suunto"', '"a", "a"')], MigrationFileError),
        ([EXTEND.replace("suunto", "")], MigrationFileError),
    ],
)
def test_what_cannot_be_meant_is_refused(
    make: Callable[..., Stage], operations: list[str], error: type[EcluseError]
) -> None:
    with pytest.raises(error):
        make(BEFORE, *operations).plan()


def test_one_enum_has_one_operation(make: Callable[..., Stage]) -> None:
    assert ids(make(BEFORE, EXTEND, EXTEND.replace("suunto", "polar")).plan(), "refuse") == {"changed-twice"}


def test_a_plan_says_what_is_done_and_what_it_costs_to_undo_it(make: Callable[..., Stage]) -> None:
    stage = make(BEFORE, CREATE.replace("provider_type", "other"), EXTEND)
    plan = stage.plan()
    (cost,) = (hazard for hazard in plan.hazards if hazard.id == "label-way-back")
    assert cost.level == "warn"
    assert "public.connections (0.0 MB)" in cost.message or "public.connections (0.1 MB)" in cost.message
    create, extend = (step for step in steps(plan) if " enum " in step.title)
    assert extend.sql == ("ALTER TYPE \"public\".\"provider_type\" ADD VALUE IF NOT EXISTS 'suunto' AFTER 'fitbit'",)
    assert create.undo == 'DROP TYPE "public"."other" RESTRICT'
    assert extend.undo is not None
    load(stage.database, extend.sql[0])
    load(stage.database, "ALTER TABLE connections DROP CONSTRAINT connections_check; DROP INDEX connections_provider")
    load(stage.database, extend.undo)
    assert ask(stage.database, LABELS) == [("{strava,garmin,fitbit}",)]


def test_a_constant_of_a_new_label_needs_a_migration_of_its_own(make: Callable[..., Stage]) -> None:
    add = 'kind = "add_columns"\ntable = "public.notes"\ncolumns = { p = "public.provider_type default \'suunto\'" }'
    (found,) = make(BEFORE, EXTEND, add).plan().refused
    assert found.id == "trial-column"
    assert "make two migrations" in found.hint


# --- the way back -------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["provider", "others"])
@pytest.mark.parametrize("switched", [False, True])
def test_rows_that_use_a_label_hold_it(make: Callable[..., Stage], column: str, *, switched: bool) -> None:
    stage = make(BEFORE, EXTEND)
    before = harness.snapshot(stage.database)
    stage.apply()
    if switched:
        stage.switch()
    value = "'suunto'" if column == "provider" else "'{garmin,suunto}'"
    load(stage.database, f"INSERT INTO connections (id, {column}) VALUES (1000, {value})")
    used = harness.snapshot(stage.database)
    with pytest.raises(WrongState) as refused:
        stage.rollback()
    assert refused.value.details == f"1 rows of public.connections have 'suunto' in {column}"
    question = refused.value.hint.partition(": ")[2]
    assert len(ask(stage.database, question)) == 1
    same(harness.snapshot(stage.database), used)
    assert look(stage.database).runs[0].status == ("switched" if switched else "ready")
    load(stage.database, "DELETE FROM connections WHERE id = 1000")
    stage.rollback()
    same(harness.snapshot(stage.database), before)


def test_rows_that_would_come_home_with_a_label_hold_it(make: Callable[..., Stage]) -> None:
    case = SCENARIOS / "extend_enum" / "between"
    stage = make((case / "before.sql").read_text())
    stage.file.write_text((case / "migration.toml").read_text())
    before = harness.snapshot(stage.database)
    stage.apply()
    stage.switch()
    load(stage.database, "INSERT INTO users VALUES (md5('new')::uuid, 'middle')")
    with pytest.raises(WrongState) as refused:
        stage.rollback()
    assert refused.value.details == "1 rows of ecluse_kept_between.users have 'middle' in level"
    assert "change them in the new tables" in refused.value.hint
    stage.verify()
    load(stage.database, "DELETE FROM users WHERE level = 'middle'")
    stage.rollback()
    same(harness.snapshot(stage.database), before)


STANDING = """
CREATE VIEW seen AS SELECT id, provider, provider = 'garmin' AS mine FROM connections;
CREATE VIEW seen_again AS SELECT id FROM seen WHERE provider <> 'strava';
COMMENT ON VIEW seen IS 'what is seen';
CREATE MATERIALIZED VIEW counted AS SELECT provider, count(*) FROM connections GROUP BY 1;
CREATE UNIQUE INDEX ON counted (provider) WHERE provider <> 'fitbit';
ALTER TABLE connections ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON connections USING (provider = 'garmin') WITH CHECK (provider <> 'fitbit');
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER look BEFORE UPDATE OF provider ON connections FOR EACH ROW
    WHEN (NEW.provider = 'strava') EXECUTE FUNCTION look();
CREATE TABLE words (p provider_type PRIMARY KEY, q text DEFAULT 'strava'::provider_type::text);
INSERT INTO words SELECT unnest(enum_range(NULL::provider_type));
ALTER TABLE connections ADD CONSTRAINT word FOREIGN KEY (provider) REFERENCES words;
CREATE TABLE parts (id integer, p provider_type DEFAULT 'strava') PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
ALTER TABLE parts_1 ALTER COLUMN p SET DEFAULT 'garmin';
CREATE TABLE elder (p provider_type);
CREATE TABLE heir (q provider_type[]) INHERITS (elder);
INSERT INTO parts VALUES (1); INSERT INTO heir VALUES ('strava', '{garmin}');
COMMENT ON TYPE provider_type IS 'who measures';
REVOKE ALL ON TYPE provider_type FROM PUBLIC;
COMMENT ON INDEX connections_provider IS 'of some';
"""


def test_what_stands_on_the_type_is_as_it_was(make: Callable[..., Stage], any_server_database: Database) -> None:
    stage = make("SELECT 1", EXTEND)
    stage.database = any_server_database
    load(stage.database, BEFORE + STANDING)
    before, rights = harness.snapshot(stage.database), "SELECT typacl::text, obj_description(oid) FROM pg_type"
    owned = ask(stage.database, f"{rights} WHERE typname = 'provider_type'")
    stage.apply()
    stage.switch()
    stage.verify()
    stage.rollback()
    same(harness.snapshot(stage.database), before)
    assert ask(stage.database, f"{rights} WHERE typname = 'provider_type'") == owned
    assert ask(stage.database, "SELECT count(*) FROM pg_type WHERE typname LIKE '%ecluse_old%'") == [(0,)]


@pytest.mark.parametrize(
    ("obstacle", "named"),
    [
        ("CREATE FUNCTION f(provider_type) RETURNS integer LANGUAGE sql AS 'SELECT 1'", "f(public.provider_type)"),
        ("CREATE DOMAIN d AS provider_type", "type public.d"),
        ("CREATE TYPE pair AS (p provider_type)", "public.pair (a composite type)"),
        ("ALTER TABLE connections ADD g boolean GENERATED ALWAYS AS (provider = 'strava') STORED", "column g"),
        ("CREATE TABLE whole (c connections)", "whose row type column c of table public.whole has"),
        ("CREATE TABLE l (p provider_type) PARTITION BY LIST (p)", "part of the partition key"),
        (
            "CREATE VIEW v AS TABLE connections; CREATE FUNCTION f(v) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "f(public.v)",
        ),
    ],
)
def test_what_cannot_be_carried_over_is_named_before_anything_is_done(
    make: Callable[..., Stage], obstacle: str, named: str
) -> None:
    stage = make(f"{BEFORE};{obstacle}", EXTEND)
    assert {named in h.message for h in stage.plan().hazards if h.id == "label-held"} == {True}
    stage.apply()
    stage.switch()
    before = harness.snapshot(stage.database)
    with pytest.raises(WrongState) as refused:
        stage.rollback()
    assert named in refused.value.details
    same(harness.snapshot(stage.database), before)


@pytest.mark.parametrize("switched", [False, True])
def test_rows_that_come_in_between_hold_the_label_until_the_next_rollback(
    make: Callable[..., Stage], *, switched: bool
) -> None:
    stage = make(BEFORE, EXTEND)
    before = harness.snapshot(stage.database)
    stage.apply()
    if switched:
        stage.switch()

    def write(record: str) -> None:
        if record == "rolled back":
            load(stage.database, "INSERT INTO connections (id, provider) VALUES (1000, 'suunto')")

    listener = Listener(on_record=write)
    stage.rollback(listener)
    assert "1 rows of public.connections have 'suunto' in provider" in warned(listener)
    assert ask(stage.database, LABELS) == [("{strava,garmin,fitbit,suunto}",)]
    (run,) = look(stage.database).runs
    assert (run.status, run.next) == ("rolled_back", ("ecluse rollback enums",))
    load(stage.database, "DELETE FROM connections WHERE id = 1000")
    stage.rollback()
    same(harness.snapshot(stage.database), before)
    assert look(stage.database).runs[0].next == ()


def test_labels_of_others_stay(make: Callable[..., Stage]) -> None:
    stage = make(BEFORE, EXTEND)
    stage.apply()
    load(stage.database, "ALTER TYPE provider_type ADD VALUE 'oura' BEFORE 'garmin'")
    stage.rollback()
    assert ask(stage.database, LABELS) == [("{strava,oura,garmin,fitbit}",)]


def test_verify_sees_another_label(make: Callable[..., Stage]) -> None:
    stage = make(BEFORE, EXTEND)
    stage.apply()
    load(stage.database, "ALTER TYPE provider_type ADD VALUE 'oura'")
    result = stage.engine().verify(stage.name)
    assert [probe.title for probe in result.probes if not probe.passed] == ["structure: type public.provider_type"]


@pytest.mark.parametrize("switched", [False, True])
def test_a_type_that_others_use_stays_and_they_are_named(make: Callable[..., Stage], *, switched: bool) -> None:
    stage = make("CREATE TABLE t (id integer PRIMARY KEY)", CREATE)
    stage.apply()
    if switched:
        stage.switch()
    load(stage.database, "CREATE TABLE theirs (p provider_type)")
    listener = Listener()
    stage.rollback(listener)
    assert "enum public.provider_type stays, because of column p of table public.theirs" in warned(listener)
    (run,) = look(stage.database).runs
    assert (run.status, run.next) == ("rolled_back", ())
    assert ids(stage.plan(), "note") == {"enum-exists"}


# --- kills --------------------------------------------------------------------------------------------


def test_killed_anywhere_and_gone_back(make: Callable[..., Stage]) -> None:
    stage = make(BEFORE + STANDING, EXTEND, CREATE.replace("provider_type", "other"))
    before = harness.snapshot(stage.database)

    def order(*commands: str, **when: int) -> Order:
        return Order(stage.database.conninfo, stage.file, commands, **when)

    records, statements = child.count(order("apply", "switch", "rollback"))
    same(harness.snapshot(stage.database), before)
    points = [{"record": n} for n in harness.spread(range(1, records), 6)]
    points += [{"statement": n} for n in harness.spread(range(statements * 2 // 5, statements), 12)]
    for point in points:
        assert child.run(order("apply", "switch", "rollback", **point)) in (KILLED, 0)
        if ask(stage.database, "SELECT to_regclass('ecluse.run') IS NOT NULL") == [(True,)]:
            patiently(stage.rollback)
        same(harness.snapshot(stage.database), before)


def test_a_copy_that_starts_again_finds_them_there(make: Callable[..., Stage]) -> None:
    case = SCENARIOS / "extend_enum" / "between"
    stage = make((case / "before.sql").read_text())
    stage.file.write_text((case / "migration.toml").read_text())
    before = harness.snapshot(stage.database)
    listener = Listener(at=3)
    with pytest.raises(Halted):
        stage.apply(listener)
    load(stage.database, "ALTER TABLE users DISABLE TRIGGER zz_ecluse_capture; ALTER TABLE users ENABLE TRIGGER USER")
    again = Listener()
    stage.resume(again)
    assert "restarted" in again.heard
    stage.switch()
    stage.verify()
    stage.rollback()
    same(harness.snapshot(stage.database), before)


def test_a_type_that_somebody_made_meanwhile_is_not_ours(make: Callable[..., Stage]) -> None:
    stage = make("CREATE TABLE t (id integer PRIMARY KEY)", CREATE)
    before = harness.snapshot(stage.database)
    plan = stage.plan()
    same(harness.snapshot(stage.database), before)  # what a plan tries is gone again
    load(stage.database, "CREATE TYPE provider_type AS ENUM ('strava', 'garmin', 'fitbit')")
    stage.engine().apply(plan)
    stage.rollback()
    assert ask(stage.database, LABELS) == [("{strava,garmin,fitbit}",)]
    load(stage.database, "ALTER TYPE provider_type ADD VALUE 'oura'")
    with pytest.raises(EcluseError, match="another than the plan found"):
        stage.engine().apply(plan)
