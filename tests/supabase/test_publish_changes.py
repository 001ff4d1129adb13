"""`publish_changes`: what a subscriber hears, what stops a migration, and an exact way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ecluse.engine.planner import check_fingerprint
from ecluse.errors import DatabaseChanged, EcluseError, MissingRights
from ecluse.postgres.connect import Database
from ecluse.supabase.prepare import prepare
from tests.harness import Stage, load, same, snapshot
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.pgoutput import Change, listening

ADA, BOB = "0b0e4c7e-93a5-4bb8-8d3f-1c6f5a2d9e10", "d5c6e1a2-7f0b-4e3d-9a8c-b1f2e3d4c5a6"
TABLE = """
CREATE TABLE public.conversations (id int PRIMARY KEY, user_id uuid NOT NULL, title text, body text);
CREATE UNIQUE INDEX owned ON public.conversations (user_id, id);
-- Values that are stored apart: an UPDATE that leaves them sends no new value.
ALTER TABLE public.conversations ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE public.private (id int PRIMARY KEY);
"""
WRITES = f"""
INSERT INTO conversations VALUES (1, '{ADA}', 'a', repeat('x', 9000)), (2, '{BOB}', 'b', NULL);
INSERT INTO private VALUES (1);
UPDATE conversations SET title = 'aa' WHERE id = 1;
UPDATE conversations SET user_id = '{ADA}' WHERE id = 2;
DELETE FROM conversations WHERE id = 1;
"""
MIGRATION = 'name = "live"\n[[operation]]\nkind = "publish_changes"\ntable = "public.conversations"\n'
IDENTITIES = {"key": "", "by_index": 'by_index = "owned"\n', "full": "full = true\n"}
PUBLISHED = "SELECT tablename FROM pg_publication_tables WHERE pubname = 'supabase_realtime' ORDER BY 1"


@pytest.fixture
def live(any_server_database: Database, tmp_path: Path) -> Callable[..., Stage]:
    """Gives a database, after `setup`, with a migration that publishes its conversations."""

    def make(settings: str = "", setup: str = TABLE) -> Stage:
        load(any_server_database, setup)
        file = tmp_path / "live.toml"
        file.write_text(MIGRATION + settings)
        return Stage(any_server_database, file)

    return make


def switched(stage: Stage) -> Stage:
    assert stage.apply() == "ready"
    stage.switch()
    return stage


# --- what is heard ----------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", IDENTITIES)
def test_a_subscriber_hears_every_change(live: Callable[..., Stage], identity: str) -> None:
    stage = switched(live(IDENTITIES[identity]))
    with listening(stage.database, "supabase_realtime") as subscriber:
        load(stage.database, WRITES)
        heard = subscriber.heard()
    body = "x" * 9000
    ada = {"id": "1", "user_id": ADA, "title": "a", "body": body}
    bob = {"id": "2", "user_id": BOB, "title": "b", "body": None}
    later = {"id": "1", "user_id": ADA, "title": "aa"}
    sent: dict[str, tuple[str, ...]] = {"key": ("id",), "by_index": ("id", "user_id"), "full": tuple(ada)}
    # Old values come with an UPDATE of the identity's columns, and with every one where it is the whole row.
    olds = {"key": ({}, {}), "by_index": ({}, {"id": "2", "user_id": BOB}), "full": (ada, bob)}[identity]
    table = "public.conversations"
    assert heard == [
        Change("insert", table, ada, {}),
        Change("insert", table, bob, {}),
        Change("update", table, later, olds[0]),
        Change("update", table, bob | {"user_id": ADA}, olds[1]),
        Change("delete", table, {}, {k: v for k, v in (later | {"body": body}).items() if k in sent[identity]}),
    ]
    # Filtered by another column than the key: without it in the replica identity, no DELETE passes.
    events = [change.event for change in heard if change.passes("user_id", ADA)]
    assert events == ["insert", "update", "update", *(["delete"] if identity != "key" else [])]


def test_after_a_rollback_nothing_is_sent(live: Callable[..., Stage]) -> None:
    stage = live("full = true\n", TABLE + "CREATE PUBLICATION supabase_realtime FOR TABLE private")
    before = snapshot(stage.database)
    switched(stage).rollback()
    same(snapshot(stage.database), before)
    with listening(stage.database, "supabase_realtime") as subscriber:
        load(stage.database, WRITES)
        assert [change.table for change in subscriber.heard()] == ["public.private"]


def test_publishing_again_changes_nothing(live: Callable[..., Stage], tmp_path: Path) -> None:
    stage = switched(live('by_index = "owned"\n'))
    stage.finish(tmp_path / "archive")
    before = snapshot(stage.database)
    stage.file.write_text(stage.file.read_text().replace('"live"', '"again"'))
    assert {h.id for h in stage.plan().hazards} >= {"published-already"}
    switched(stage).verify()
    same(snapshot(stage.database), before)
    stage.rollback()
    same(snapshot(stage.database), before)


def test_a_publication_of_all_tables_needs_no_membership(live: Callable[..., Stage]) -> None:
    stage = live("full = true\n", TABLE + "CREATE PUBLICATION supabase_realtime FOR ALL TABLES")
    before = snapshot(stage.database)
    switched(stage).verify()
    stage.rollback()
    same(snapshot(stage.database), before)


def test_rows_are_secured_and_published_in_one_migration(live: Callable[..., Stage]) -> None:
    stage = live()
    warned = {h.id for h in stage.plan().hazards if h.level == "warn"}
    assert "no-row-security" in warned
    prepare(stage.database)
    before = snapshot(stage.database)
    secure = '[[operation]]\nkind = "secure_rows"\ntable = "conversations"\nowner = "user_id"\n'
    stage.file.write_text(MIGRATION + secure)
    warned = {h.id for h in stage.plan().hazards if h.level == "warn"}
    assert "no-row-security" not in warned
    switched(stage).verify()
    stage.rollback()
    same(snapshot(stage.database), before)
    drop_roles(stage.database)


def test_a_table_is_rebuilt_and_published_in_one_migration(live: Callable[..., Stage]) -> None:
    stage = live("", "CREATE TABLE conversations (id text PRIMARY KEY, title text)")
    load(
        stage.database,
        f"INSERT INTO conversations VALUES ('{ADA}', 'x'); ALTER TABLE conversations OWNER TO current_user",
    )
    before = snapshot(stage.database)
    convert = '[[operation]]\nkind = "convert_column"\ntable = "conversations"\ncolumn = "id"\nto = "uuid"\n'
    stage.file.write_text(MIGRATION + "full = true\n" + convert)
    switched(stage).verify()
    with listening(stage.database, "supabase_realtime") as subscriber:
        load(stage.database, "DELETE FROM conversations")
        assert [c.old for c in subscriber.heard()] == [{"id": ADA, "title": "x"}]
    load(stage.database, f"INSERT INTO conversations VALUES ('{ADA}', 'x')")
    stage.rollback()
    same(snapshot(stage.database), before)


# --- what the probes find ---------------------------------------------------------------------------

_OUT = "ALTER PUBLICATION supabase_realtime DROP TABLE conversations"
_IN = f"{_OUT}; ALTER PUBLICATION supabase_realtime ADD TABLE conversations"


@pytest.mark.parametrize(
    ("weakening", "said"),
    [
        (_OUT, "public.conversations: not in publication supabase_realtime"),
        ("DROP PUBLICATION supabase_realtime", "not in publication supabase_realtime"),
        ("ALTER PUBLICATION supabase_realtime SET (publish = 'insert')", "supabase_realtime sends no UPDATE"),
        ("ALTER PUBLICATION supabase_realtime SET (publish = 'insert, update')", "supabase_realtime sends no DELETE"),
        ("ALTER TABLE conversations REPLICA IDENTITY DEFAULT", "replica identity is not by an index"),
        ("DROP INDEX owned", "replica identity is not index owned"),
        (
            "CREATE UNIQUE INDEX other ON conversations (id); "
            "ALTER TABLE conversations REPLICA IDENTITY USING INDEX other",
            "replica identity is not index owned",
        ),
        (f"{_IN} (id, user_id, title) -- >= 15", "only some columns or rows are in publication"),
        (f"{_IN} WHERE (id > 1) -- >= 15", "only some columns or rows are in publication"),
        ("CREATE PUBLICATION narrow FOR TABLE conversations (id) -- >= 15", 'cannot update table "conversations"'),
    ],
)
def test_probes_find_what_is_not_heard_any_more(live: Callable[..., Stage], weakening: str, said: str) -> None:
    stage = switched(live('by_index = "owned"\n'))
    stage.verify()
    version = ask(stage.database, "SELECT current_setting('server_version_num')::int / 10000")[0][0]
    if ">= 15" in weakening and version < 15:
        pytest.skip("publications have no column lists and row filters there")
    load(stage.database, weakening)
    result = stage.engine().verify("live")
    assert not result.passed
    failed = [probe.details for probe in result.probes if not probe.passed]
    assert any(said in details for details in failed), failed


def test_the_probes_fire_no_trigger_and_leave_no_trace(live: Callable[..., Stage]) -> None:
    stage = live()
    load(stage.database, "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''fired''; END'")
    each = "CREATE TRIGGER t BEFORE UPDATE OR DELETE ON conversations FOR EACH STATEMENT EXECUTE FUNCTION stop()"
    load(stage.database, each)
    before = snapshot(switched(stage).database)
    stage.verify()
    same(snapshot(stage.database), before)


# --- the way back, and what changed meanwhile -------------------------------------------------------


def test_a_rollback_leaves_what_others_did(live: Callable[..., Stage]) -> None:
    stage = switched(live())
    load(stage.database, _OUT)
    load(stage.database, "ALTER PUBLICATION supabase_realtime ADD TABLE private")
    stage.rollback()
    assert ask(stage.database, PUBLISHED) == [("private",)]
    assert ask(stage.database, "SELECT relreplident FROM pg_class WHERE relname = 'conversations'") == [("d",)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE conversations REPLICA IDENTITY FULL", "replica identity: was d, is f"),
        ("ALTER PUBLICATION supabase_realtime ADD TABLE conversations", "publication supabase_realtime: is new"),
    ],
)
def test_what_changed_since_the_plan_stops_the_switch(live: Callable[..., Stage], change: str, said: str) -> None:
    stage = live("", TABLE + "CREATE PUBLICATION supabase_realtime")
    planned = stage.plan()
    assert stage.apply() == "ready"
    load(stage.database, change)
    before = snapshot(stage.database)
    with pytest.raises(DatabaseChanged, match="definitions that 'live' was planned for have changed") as caught:
        stage.switch()
    assert "public.conversations" in caught.value.details and said in caught.value.details
    with pytest.raises(DatabaseChanged):
        check_fingerprint(planned, stage.plan())
    stage.rollback()
    same(snapshot(stage.database), before)


def test_a_publication_that_was_made_meanwhile_stops_the_switch(live: Callable[..., Stage]) -> None:
    """Or a rollback would drop what somebody else made."""
    stage = live()
    assert stage.apply() == "ready"
    load(stage.database, "CREATE PUBLICATION supabase_realtime FOR TABLE private")
    before = snapshot(stage.database)
    with pytest.raises(EcluseError, match='publication "supabase_realtime" already exists'):
        stage.engine().switch("live")
    stage.rollback()
    same(snapshot(stage.database), before)


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setup", "settings", "refused", "said"),
    [
        ("CREATE UNLOGGED TABLE conversations (id int PRIMARY KEY)", "", "not-publishable", "is unlogged"),
        (
            "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
            "CREATE FOREIGN TABLE conversations (id int) SERVER s",
            "full = true\n",
            "not-publishable",
            "is a foreign table",
        ),
        (
            "CREATE TABLE conversations (id int PRIMARY KEY) PARTITION BY RANGE (id)",
            "",
            "not-publishable",
            "is partitioned",
        ),
        ("CREATE TABLE conversations (id int)", "", "no-replica-identity", "every UPDATE and DELETE on it fails"),
        (
            "CREATE TABLE conversations (id int PRIMARY KEY DEFERRABLE)",
            "",
            "no-replica-identity",
            "a primary key that is not deferrable",
        ),
        (
            "CREATE TABLE conversations (id int PRIMARY KEY, x int NOT NULL UNIQUE, y int);"
            "CREATE PUBLICATION p FOR TABLE conversations (id, y) -- >= 15",
            'by_index = "conversations_x_key"\n',
            "publication-breaks",
            "publication 'p' has a column list",
        ),
        (
            "CREATE TABLE conversations (id int PRIMARY KEY, x int NOT NULL UNIQUE, y int);"
            "CREATE PUBLICATION p FOR TABLE conversations WHERE (id > 7) -- >= 15",
            'by_index = "conversations_x_key"\n',
            "publication-breaks",
            "publication 'p' has a row filter",
        ),
        (
            TABLE.strip() + "CREATE PUBLICATION supabase_realtime FOR TABLE conversations (id, title) -- >= 15",
            "",
            "published-in-part",
            "only some columns or rows of 'public.conversations'",
        ),
    ],
)
def test_what_cannot_be_published_is_refused_by_name(
    live: Callable[..., Stage], any_server_database: Database, setup: str, settings: str, refused: str, said: str
) -> None:
    version = ask(any_server_database, "SELECT current_setting('server_version_num')::int / 10000")[0][0]
    if ">= 15" in setup and version < 15:
        pytest.skip("publications have no column lists and row filters there")
    stage = live(settings, setup)
    found = [h for h in stage.plan().refused if h.id == refused]
    assert found and said in found[0].message and "conversations" in found[0].message


def test_what_the_role_does_not_own_is_told_before(live: Callable[..., Stage]) -> None:
    stage = live("", TABLE + "CREATE PUBLICATION supabase_realtime; CREATE ROLE visitor LOGIN")
    load(
        stage.database,
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO visitor', current_database()); END $$",
    )
    visiting = replace(stage.database, conninfo=f"{stage.database.conninfo} user=visitor")
    try:
        with pytest.raises(MissingRights) as caught:
            Stage(visiting, stage.file).plan()
        assert "ownership of public.conversations" in caught.value.details + caught.value.message
    finally:
        drop_roles(stage.database)
