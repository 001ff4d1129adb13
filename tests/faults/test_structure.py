"""The proof of structure finds every fault planted in the catalogue, by name, and invents none."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.engine import journal, structure
from ecluse.engine.context import Connection, Run
from ecluse.model.plan import Plan
from ecluse.postgres.connect import Database, open_session
from tests.harness import OPTIONS, SCENARIOS, Listener, Stage, load
from tests.recipes.test_conversations import stage as recipe_stage

FAMILY = SCENARIOS / "convert_column" / "fk_family"
MORE = """
CREATE FUNCTION count_asked() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(question) FROM conversations; END;
CREATE TABLE readers (name text PRIMARY KEY, tag_id int REFERENCES tags (tag_id));
CREATE STATISTICS tags_both (dependencies) ON tag, person_id FROM tags;
COMMENT ON CONSTRAINT question_short ON conversations IS 'not a novel';
ALTER TABLE conversations ALTER question SET STATISTICS 500, ALTER question SET STORAGE EXTERNAL;
GRANT USAGE ON SEQUENCE conversations_number_seq TO pg_monitor;
"""
# What somebody does -> what the proof says, each part of one line.
FAULTS = {
    "DROP INDEX conversations_person": ("conversations, index conversations_person", "is missing"),
    "DROP INDEX conversations_parent; CREATE INDEX conversations_parent ON conversations (parent_id)": (
        "index conversations_parent: tail",
        "should be USING btree (parent_id) WHERE",
    ),
    "CREATE INDEX more ON tags (tag)": ("public.tags, index more", "is not in the plan"),
    "ALTER TABLE conversations DROP CONSTRAINT question_short": ("constraint question_short", "is missing"),
    "ALTER TABLE conversations DROP CONSTRAINT question_short; ALTER TABLE conversations "
    "ADD CONSTRAINT question_short CHECK (length(question) < 1000) NOT VALID;"
    "COMMENT ON CONSTRAINT question_short ON conversations IS 'not a novel'": (
        "constraint question_short: valid",
        "should be yes, is no",
    ),
    "ALTER TABLE tags DROP CONSTRAINT tags_conversation_fkey": ("constraint tags_conversation_fkey", "is missing"),
    "ALTER TABLE tags DROP CONSTRAINT tags_conversation_fkey; ALTER TABLE tags ADD CONSTRAINT tags_conversation_fkey "
    "FOREIGN KEY (conversation_id, person_id) REFERENCES conversations (id, person_id) ON DELETE CASCADE": (
        "constraint tags_conversation_fkey: definition",
        "ON UPDATE CASCADE",
    ),
    "ALTER TABLE readers DROP CONSTRAINT readers_tag_id_fkey": ("public.readers, constraint readers_tag", "is missing"),
    "ALTER TABLE people ALTER id DROP DEFAULT": ("column id: default", "should be gen_random_uuid(), is none"),
    "ALTER TABLE people ALTER email DROP NOT NULL": ("column email: not null", "should be yes, is no"),
    "ALTER TABLE tags ALTER tag TYPE varchar(99)": ("column tag: type", "should be text, is character varying(99)"),
    "ALTER TABLE people ADD extra text": ("public.people, column extra", "is not in the plan"),
    "REVOKE SELECT ON conversations FROM pg_monitor": ("grants to pg_monitor", "is missing"),
    "REVOKE INSERT (question) ON conversations FROM pg_monitor": ("on column question", "is missing"),
    "REVOKE USAGE ON SEQUENCE conversations_number_seq FROM pg_monitor": ("sequence public.conv", "is missing"),
    "REVOKE SELECT ON asked FROM pg_monitor": ("view public.asked, grants to pg_monitor", "is missing"),
    "DROP POLICY own ON conversations": ("policy own", "is missing"),
    "ALTER POLICY own ON conversations USING (true)": ("policy own: using", "is true"),
    "ALTER TABLE conversations DISABLE ROW LEVEL SECURITY": ("conversations, rls", "should be yes, is no"),
    "ALTER TABLE conversations FORCE ROW LEVEL SECURITY": ("conversations, force rls", "should be no, is yes"),
    "ALTER TABLE people DISABLE TRIGGER people_touch": ("trigger people_touch: enabled", "should be O, is D"),
    "DROP TRIGGER people_touch ON people": ("trigger people_touch", "is missing"),
    "ALTER TABLE tags DISABLE TRIGGER zz_ecluse_capture": ("trigger zz_ecluse_capture: enabled", "should be A, is D"),
    "DROP TRIGGER zz_ecluse_capture_t ON tags": ("trigger zz_ecluse_capture_t", "is missing"),
    "COMMENT ON TABLE people IS NULL": ("public.people, comment", "is none"),
    "COMMENT ON COLUMN people.id IS 'other'": ("column id: comment", "is other"),
    "COMMENT ON CONSTRAINT question_short ON conversations IS NULL": ("question_short: comment", "is none"),
    "ALTER TABLE people OWNER TO pg_monitor": ("public.people, owner", "is pg_monitor"),
    "ALTER PUBLICATION feed DROP TABLE tags": ("public.tags, publication feed", "is missing"),
    "ALTER PUBLICATION feed SET TABLE conversations, tags": ("publication feed: columns", "should be (id, question)"),
    "ALTER TABLE tags REPLICA IDENTITY DEFAULT": ("public.tags, replica identity", "should be f, is d"),
    "ALTER TABLE tags SET (fillfactor = 70)": ("public.tags, options", "is (fillfactor=70)"),
    "ALTER TABLE conversations ALTER question SET STATISTICS 10": ("column question: statistics", "should be 500"),
    "ALTER TABLE conversations ALTER question SET STORAGE MAIN": ("column question: storage", "is MAIN"),
    "DROP STATISTICS tags_both": ("public.tags, statistics public.tags_both", "is missing"),
    "ALTER SEQUENCE conversations_number_seq INCREMENT BY 7": ("conversations_number_seq, increment", "is 7"),
    "ALTER SEQUENCE tags_tag_id_seq OWNED BY NONE": ("sequence public.tags_tag_id_seq, owned by", "is none"),
    "CREATE OR REPLACE VIEW asked AS SELECT p.email, c.id, 'x'::text AS question "
    "FROM conversations c JOIN people p ON p.id = c.person_id": ("view public.asked, definition", "'x'::text"),
    "DROP VIEW asked": ("view public.asked", "is missing"),
    "DROP INDEX counted_person": ("view public.counted, index counted_person", "is missing"),
    "REFRESH MATERIALIZED VIEW counted WITH NO DATA": ("view public.counted, populated", "should be yes, is no"),
    "DROP FUNCTION count_asked()": ("function public.count_asked()", "is missing"),
    "ALTER FUNCTION count_asked() SECURITY DEFINER": ("function public.count_asked(), security definer", "is yes"),
    "DROP TABLE ecluse_next_fk_family.people__residue": ("table ecluse_next_fk_family.people__residue", "is missing"),
    "DROP TABLE ecluse_kept_fk_family.tags": ("table ecluse_kept_fk_family.tags", "is missing"),
}
HARMLESS = (
    "CREATE TABLE others (id uuid REFERENCES people (id))",
    "CREATE VIEW late AS SELECT * FROM conversations",
    "CREATE FUNCTION late() RETURNS SETOF tags LANGUAGE sql AS 'SELECT * FROM tags'",
    "ALTER TABLE readers ADD born date, ENABLE ROW LEVEL SECURITY; CREATE INDEX ON readers (born)",
    "DROP FUNCTION touch() CASCADE;"
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER people_touch BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION touch()",
    "ANALYZE; REINDEX TABLE tags",
    "CREATE SCHEMA elsewhere; CREATE SEQUENCE elsewhere.s; CREATE PUBLICATION later FOR TABLE readers",
)


def said(conn: Connection, run: Run, change: str = "", *, switched: bool = True) -> list[str]:
    """What the proof says while a change is made; the change is taken back."""
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL search_path TO public")
        conn.execute(change.encode())
        conn.execute("SET LOCAL search_path TO ''")
        probes = structure.probes(run, conn, switched=switched)
        return [f"{probe.title}: {probe.details}" for probe in probes if not probe.passed]


@contextlib.contextmanager
def opened(stage: Stage) -> Iterator[tuple[Connection, Run]]:
    with open_session(stage.database, role="proof") as conn:
        record = journal.unfinished(conn, stage.name)
        assert record is not None
        plan: Plan = journal.stored_plan(conn, record.id)
        yield conn, Run(record.id, plan, lambda _: open_session(stage.database), lambda _: None, OPTIONS)


@pytest.fixture
def family(database: Database) -> Stage:
    """Tables with all that can hang on a table."""
    load(database, FAMILY / "before.sql")
    load(database, MORE)
    return Stage(database, FAMILY / "migration.toml")


def test_each_fault_after_the_switch_is_named(family: Stage) -> None:
    family.apply()
    family.switch()
    wrong = []
    with opened(family) as (conn, run):
        assert said(conn, run) == []
        for change, parts in FAULTS.items():
            found = said(conn, run, change)
            if not any(all(part in line for part in parts) for line in found) or len(found) > 2:
                wrong.append((change, found))
    assert not wrong, "\n".join(f"{change}\n    {found}" for change, found in wrong)


def test_what_others_do_after_the_switch_is_no_fault(family: Stage) -> None:
    family.apply()
    family.switch()
    with opened(family) as (conn, run):
        assert {change: found for change in HARMLESS if (found := said(conn, run, change))} == {}


def test_each_fault_before_the_switch_is_named(family: Stage) -> None:
    family.apply()
    next_ = "ecluse_next_fk_family"
    faults = {
        f"DROP INDEX {next_}.conversations_person": ("public.conversations, index conversations_person", "is missing"),
        f"ALTER TABLE {next_}.tags ALTER tag DROP NOT NULL": ("public.tags, column tag: not null", "is no"),
        f"REVOKE SELECT ON {next_}.conversations FROM pg_monitor": ("grants to pg_monitor", "is missing"),
        f"ALTER TABLE {next_}.conversations DISABLE ROW LEVEL SECURITY": ("conversations, rls", "is no"),
        f"DROP INDEX {next_}.counted_person": ("view public.counted, index counted_person", "is missing"),
        f"COMMENT ON TABLE {next_}.people IS NULL": ("public.people, comment", "is none"),
        f"ALTER SEQUENCE {next_}.conversations_number_seq CYCLE": ("conversations_number_seq, cycle", "is yes"),
        f"DROP TABLE {next_}.people CASCADE": ("table public.people", "is missing"),
    }
    with opened(family) as (conn, run):
        assert said(conn, run, switched=False) == []
        for change, parts in faults.items():
            found = said(conn, run, change, switched=False)
            assert any(all(part in line for part in parts) for line in found), (change, found)


def test_a_fault_fails_verify_and_the_gate(family: Stage) -> None:
    family.apply()
    family.switch()
    load(family.database, "ALTER TABLE people ALTER id DROP DEFAULT")
    result = family.engine().verify(family.name)
    assert not result.passed
    assert [(p.title, p.details) for p in result.probes if not p.passed] == [
        ("structure: table public.people, column id: default", "should be gen_random_uuid(), is none")
    ]


def test_nothing_is_invented_on_any_version(any_server_database: Database) -> None:
    load(any_server_database, FAMILY / "before.sql")
    load(any_server_database, MORE)
    stage = Stage(any_server_database, FAMILY / "migration.toml")
    assert stage.apply() == "ready"
    stage.switch()
    with opened(stage) as (conn, run):
        assert said(conn, run) == []
        assert said(conn, run, "DROP INDEX conversations_person") != []


def test_what_a_recipe_defines_is_proved(database: Database, tmp_path: Path) -> None:
    """With default rights in the schema, as a provider sets them: what is tried in another schema has others."""
    load(database, "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO pg_monitor")
    load(database, "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO pg_monitor")
    stage = recipe_stage(database, tmp_path, "L2", rows=60)
    stage.apply()
    stage.switch()
    faults = {
        "DROP TRIGGER update_conversation_on_message_insert ON messages": ("trigger update_conv", "is missing"),
        "DROP FUNCTION get_conversation_messages(uuid)": ("get_conversation_messages", "is missing"),
        "CREATE OR REPLACE FUNCTION update_conversation_metadata() RETURNS trigger LANGUAGE plpgsql "
        "SET search_path = '' AS 'BEGIN RETURN NULL; END'": ("update_conversation_metadata(), definition", "is CREATE"),
        "REVOKE EXECUTE ON FUNCTION get_conversation_messages(uuid) FROM PUBLIC": ("grants", "get_conversation"),
        "DROP VIEW conversation_stats": ("view public.conversation_stats", "is missing"),
        "CREATE TABLE questions_cache (id int)": ("table public.questions_cache", "is not in the plan"),
    }
    with opened(stage) as (conn, run):
        assert said(conn, run) == []
        for change, parts in faults.items():
            found = said(conn, run, change)
            assert any(all(part in line for part in parts) for line in found), (change, found)


def test_what_scripts_made_is_told_and_kept_apart_from_later_faults(database: Database, tmp_path: Path) -> None:
    """What an `sql` operation does cannot be tried; what is changed after it is a fault as any other."""
    load(database, "CREATE TABLE t (id text PRIMARY KEY, n int)")
    file = tmp_path / "late.toml"
    file.write_text(
        'name = "late"\n[[operation]]\nkind = "convert_column"\ntable = "public.t"\ncolumn = "id"\n'
        '[[operation]]\nkind = "sql"\ntitle = "an index"\nup = "CREATE INDEX late ON public.t (n)"\n'
        'down = "DROP INDEX public.late"\n'
    )
    stage, heard = Stage(database, file), Listener()
    stage.apply()
    stage.switch(heard)
    told = [event.message for event in heard.events if "made by the migration's scripts" in event.message]
    assert len(told) == 1 and "index late: is new" in told[0]
    stage.verify()
    with opened(stage) as (conn, run):
        assert said(conn, run, "CREATE INDEX later ON t (n)") == [
            "structure: table public.t, index later: is not in the plan"
        ]


def test_the_proof_of_structure_costs_well_under_a_second(family: Stage) -> None:
    family.apply()
    family.switch()
    load(family.database, ";".join(f"CREATE TABLE w{n} (id int PRIMARY KEY, b text DEFAULT 'x')" for n in range(200)))
    with opened(family) as (conn, run):
        began = time.monotonic()
        assert said(conn, run) == []
        assert time.monotonic() - began < 1
