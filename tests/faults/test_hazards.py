"""Every hazard by name: refused before anything runs, or handled and told."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.engine import prepare
from ecluse.engine.context import Run
from ecluse.errors import MissingRights, NotInDatabase, PlanRefused
from ecluse.model.names import ident
from ecluse.postgres import catalog
from ecluse.postgres.connect import Database, open_session
from tests import harness
from tests.faults.conftest import sql, there_and_back
from tests.harness import Listener, Stage, load

# --- refused --------------------------------------------------------------------------------------

SERVER = "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER far FOREIGN DATA WRAPPER nothing;"
REFUSED = {
    "no-primary-key": "CREATE TABLE things (id text, body text)",
    "inheritance": "CREATE TABLE things (id text PRIMARY KEY) PARTITION BY HASH (id);"
    "CREATE TABLE things_0 PARTITION OF things FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    "inheritance (parent)": "CREATE TABLE things (id text PRIMARY KEY); CREATE TABLE more () INHERITS (things)",
    "inheritance (child)": "CREATE TABLE base (body text); CREATE TABLE things (id text PRIMARY KEY) INHERITS (base)",
    "foreign-table": SERVER + "CREATE FOREIGN TABLE things (id text) SERVER far",
    "rule": "CREATE TABLE things (id text PRIMARY KEY);CREATE RULE r AS ON DELETE TO things DO INSTEAD NOTHING",
    "typed-table": "CREATE TYPE thing AS (id text, body text); CREATE TABLE things OF thing (PRIMARY KEY (id))",
    "extension-owned": "CREATE TABLE things (id text PRIMARY KEY); ALTER EXTENSION plpgsql ADD TABLE things",
    "access-method": "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;"
    "CREATE TABLE things (id text PRIMARY KEY) USING other",
    "invalid-values": "CREATE TABLE things (id text PRIMARY KEY); INSERT INTO things VALUES ('no uuid')",
    "collision": "CREATE TABLE things (id text PRIMARY KEY); INSERT INTO things VALUES "
    "('a1111111-1111-1111-1111-111111111111'), ('A1111111111111111111111111111111')",
    "dependent-table": "CREATE TABLE things (id text PRIMARY KEY); CREATE TABLE holds (one things)",
    "trial-view": "CREATE TABLE things (id text PRIMARY KEY);"
    "CREATE VIEW v AS SELECT * FROM things WHERE id = 'x'::text",
}


@pytest.mark.parametrize("hazard", REFUSED)
def test_refused_by_name(database: Database, staged: Callable[..., Stage], hazard: str) -> None:
    stage = staged(database, REFUSED[hazard], "things")
    before = harness.snapshot(database)
    plan = stage.plan()
    name = hazard.split(" ")[0]
    found = [h for h in plan.refused if h.id == name]
    assert found, [f"{h.level} {h.id}: {h.message}" for h in plan.hazards]
    assert any(word in found[0].message for word in ("things", "holds", "policy", "public.v"))
    listener = Listener()
    with pytest.raises(PlanRefused) as refused:
        stage.engine(listener).apply(plan)
    assert found[0].message in refused.value.details
    assert refused.value.exit_status == 3
    assert refused.value.state == "nothing was changed"
    harness.same(harness.snapshot(database), before)
    assert listener.heard == []


def test_a_view_on_a_column_that_goes_away(database: Database, staged: Callable[..., Stage]) -> None:
    stage = staged(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, question text); INSERT INTO things VALUES (1, 'q');"
        "CREATE VIEW asked AS SELECT question FROM things; CREATE VIEW again AS SELECT * FROM asked",
    )
    shape = '[[operation]]\nkind = "reshape_table"\ntable = "public.things"\ndrop_columns = ["question"]\n'
    stage.file.write_text('name = "ids"\n' + shape)
    refused = {h.object: h for h in stage.plan().refused}
    assert set(refused) >= {"public.asked"}
    assert 'drop = ["public.asked"]' in refused["public.asked"].hint
    stage.file.write_text('name = "ids"\ndrop = ["public.asked", "public.again"]\n' + shape)
    before = harness.snapshot(database)
    stage.apply()
    stage.switch()
    assert sql(stage, "SELECT to_regclass('public.asked')::text, to_regclass('public.again')::text") == [(None, None)]
    stage.rollback()
    harness.same(harness.snapshot(database), before)


# --- handled: taken through a whole migration and back, and told ------------------------------------

THINGS = "INSERT INTO things SELECT md5('t' || n)::uuid::text, n FROM generate_series(1, 50) n"
HANDLED = {
    "unlogged": f"CREATE UNLOGGED TABLE things (id text PRIMARY KEY, n int); {THINGS}",
    "generated-column": "CREATE TABLE things (id text PRIMARY KEY, n int, d int GENERATED ALWAYS AS (n * 2) STORED);"
    + THINGS,
    "identity-column": "CREATE TABLE things (id text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY (INCREMENT 10));"
    "INSERT INTO things (id) SELECT md5('t' || n)::uuid::text FROM generate_series(1, 50) n",
    "deferrable": "CREATE TABLE things (id text PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n int UNIQUE DEFERRABLE);"
    + THINGS,
    "exclusion": "CREATE TABLE things (id text PRIMARY KEY, n int, span int4range, EXCLUDE USING gist (span WITH &&));"
    "INSERT INTO things SELECT md5('t' || n)::uuid::text, n, int4range(n, n + 1) FROM generate_series(1, 50) n",
    "user-trigger": "CREATE TABLE things (id text PRIMARY KEY, updated_at timestamptz DEFAULT '2020-01-01Z');"
    "INSERT INTO things SELECT md5('t' || n)::uuid::text FROM generate_series(1, 50) n;"
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.updated_at := now(); RETURN NEW; END$$;"
    "CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION touch()",
    "dependent-carried": f"CREATE TABLE things (id text PRIMARY KEY, n int); {THINGS};"
    "CREATE MATERIALIZED VIEW m AS SELECT count(*) AS c, min(n) FROM things; CREATE UNIQUE INDEX ON m (c);"
    "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(n) FROM things; END",
    "publication": f"CREATE TABLE things (id text PRIMARY KEY, n int, extra text); {THINGS};\n"
    "CREATE PUBLICATION p FOR TABLE things (id, n) WHERE (id IS NOT NULL) WITH (publish = 'insert') -- >= 15\n"
    "CREATE PUBLICATION p FOR TABLE things WITH (publish = 'insert') -- < 15",
}


@pytest.mark.parametrize("hazard", HANDLED)
def test_handled_and_told(database: Database, staged: Callable[..., Stage], hazard: str) -> None:
    stage = staged(database, HANDLED[hazard], "things")
    there_and_back(stage, hazard)


def test_an_index_that_could_not_be_built_is_refused_and_not_found_out_after_the_copy(
    database: Database, staged: Callable[..., Stage]
) -> None:
    stage = staged(database, f"CREATE TABLE things (id text PRIMARY KEY, n int); {THINGS}", "things")
    sql(stage, "INSERT INTO things SELECT md5('u')::uuid::text, 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        sql(stage, "CREATE UNIQUE INDEX CONCURRENTLY left_over ON things (n)")
    (refused,) = stage.plan().refused
    assert (refused.id, refused.object) == ("invalid-index", "public.things")
    assert "left_over" in refused.message and 'DROP INDEX CONCURRENTLY "public"."left_over"' in refused.hint
    with pytest.raises(PlanRefused):
        stage.apply()
    sql(stage, "DELETE FROM things WHERE id = md5('u')::uuid::text", 'REINDEX INDEX CONCURRENTLY "left_over"')
    assert stage.plan().refused == ()


@pytest.fixture
def client(database: Database) -> Iterator[psycopg.Connection]:
    """A session of an application that stays."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        yield conn


def test_a_temporary_table(chats: Stage, client: psycopg.Connection) -> None:
    client.execute("CREATE TEMPORARY TABLE passing (id text PRIMARY KEY)")
    (schema,) = client.execute("SELECT pg_my_temp_schema()::regnamespace::text").fetchone() or ("",)
    chats.file.write_text(chats.file.read_text().replace("public.chats", f"{schema}.passing"))
    with pytest.raises(NotInDatabase, match="temporary") as refused:
        chats.plan()
    assert "passing" in refused.value.message


def test_a_temporary_view(chats: Stage, client: psycopg.Connection) -> None:
    """It hangs on the old table and belongs to one session, where it cannot be made again."""
    client.execute("CREATE TEMPORARY VIEW passing AS SELECT id FROM chats")
    refused = [h for h in chats.plan().refused if h.id == "temporary-view"]
    assert refused and "passing" in refused[0].message and "public.chats" in refused[0].message
    assert f"pg_terminate_backend({client.info.backend_pid})" in refused[0].hint or "DROP VIEW" in refused[0].hint
    client.execute("DROP VIEW passing")
    assert chats.plan().refused == ()


def test_an_update_trigger_does_not_make_old_rows_young(database: Database, staged: Callable[..., Stage]) -> None:
    """Writes of both applications go through the trigger; the copy, the drain and the way back do not."""
    stage = staged(database, HANDLED["user-trigger"], "things")
    stage.apply()
    sql(stage, "UPDATE things SET id = upper(id) WHERE id = (SELECT min(id) FROM things)")
    stage.switch()
    young = "SELECT count(*) FROM things WHERE updated_at > '2020-01-01Z'"
    assert sql(stage, young) == [(1,)]
    untouched = sql(stage, "SELECT id::text, updated_at FROM things ORDER BY 1")
    sql(stage, "UPDATE things SET id = md5('new')::uuid WHERE id = (SELECT max(id::text)::uuid FROM things)")
    now = sql(stage, "SELECT updated_at FROM things WHERE id = md5('new')::uuid")
    stage.rollback()
    back = dict(sql(stage, "SELECT lower(id), updated_at FROM things"))  # type: ignore[arg-type]
    assert [(k, back[k]) for k, _ in untouched[:-1]] == untouched[:-1]
    assert back[str(sql(stage, "SELECT md5('new')::uuid::text")[0][0])] == now[0][0]


def test_a_trigger_that_is_left_behind_is_told_unless_it_is_defined_anew(database: Database, tmp_path: Path) -> None:
    load(
        database,
        "CREATE TABLE things (id int PRIMARY KEY);"
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER one BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION touch();"
        "CREATE TRIGGER two BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION touch()",
    )
    file = tmp_path / "left.toml"
    file.write_text("""
name = "left"
[[operation]]
kind = "reshape_table"
  [[operation.old]]
  table = "public.things"
  alias = "before"
  select = "select m.id from {{after}} m"
  [[operation.new]]
  table = "public.things"
  alias = "after"
  columns = { id = "integer not null" }
  constraints = { things_pkey = "primary key (id)" }
  select = "select m.id from {{before}} m"
[[operation]]
kind = "define"
title = "the other trigger"
objects = ["trigger two on public.things"]
up = "create trigger two after update on public.things for each row execute function public.touch()"
""")
    hazards = {(h.id, h.level): h for h in Stage(database, file).plan().hazards if h.id.startswith("trigger-")}
    assert hazards.keys() == {("trigger-left", "warn"), ("trigger-redefined", "note")}
    assert "trigger one" in hazards["trigger-left", "warn"].message
    assert "by 'the other trigger'" in hazards["trigger-redefined", "note"].message


def test_a_carried_function_whose_body_is_text_is_told(database: Database, staged: Callable[..., Stage]) -> None:
    shape = "CREATE TABLE things (id text PRIMARY KEY);"
    body = "CREATE FUNCTION f() RETURNS SETOF things LANGUAGE sql AS 'SELECT * FROM things'"
    stage = staged(database, shape + body, "things")
    hazards = {(h.id, h.level): h for h in stage.plan().hazards}
    assert "function public.f names public.things" in hazards["function-mentions", "warn"].message
    stage.apply()
    stage.switch()
    assert sql(stage, "SELECT count(*) FROM f()") == [(0,)]


def test_a_view_on_a_view_that_is_made_anew_is_refused_by_name(database: Database, tmp_path: Path) -> None:
    """It would go on reading the old one, and `finish` could not drop that."""
    load(
        database,
        "CREATE TABLE things (id int PRIMARY KEY); CREATE VIEW lower_one AS SELECT id FROM things;"
        "CREATE VIEW upper_one AS SELECT id FROM lower_one",
    )
    file = tmp_path / "anew.toml"
    file.write_text("""
name = "anew"
[[operation]]
kind = "define"
title = "the lower view"
objects = ["view public.lower_one"]
up = "create view public.lower_one as select id, id + 1 as next from public.things"
""")
    refused = Stage(database, file).plan().refused
    assert [(h.id, h.object) for h in refused] == [("dependent-view", "public.upper_one")]
    assert "stands on public.lower_one" in refused[0].message


# --- what the server is busy with -------------------------------------------------------------------


def test_a_prepared_transaction(chats: Stage) -> None:
    with psycopg.connect(chats.database.conninfo, autocommit=True) as conn:
        conn.execute("BEGIN; UPDATE chats SET body = 'later' WHERE person = 'p1'; PREPARE TRANSACTION 'forgotten'")
        found = [h for h in chats.plan().hazards if h.id == "prepared-transaction"]
        assert found and "forgotten" in found[0].message
        conn.execute("COMMIT PREPARED 'forgotten'")
    assert "prepared-transaction" not in {h.id for h in chats.plan().hazards}


def test_a_long_transaction(chats: Stage, client: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan warns of it; where it wrote to the tables, the capture waits for it and then tells who it is."""
    assert "long-transaction" not in {h.id for h in chats.plan().hazards}
    client.execute("BEGIN; SELECT 1")
    assert "long-transaction" not in {h.id for h in chats.plan().hazards}, "it is young"
    monkeypatch.setattr(catalog, "_LONG_TRANSACTION", "0")
    (found,) = [h for h in chats.plan().hazards if h.id == "long-transaction"]
    assert found.level == "warn"
    assert f"pid {client.info.backend_pid} of postgres (idle in transaction)" in found.message
    assert "pg_terminate_backend" in found.hint
    assert chats.apply() == "ready", "one that only reads is in nobody's way"
    client.execute("COMMIT")
    assert "long-transaction" not in {h.id for h in chats.plan().hazards}


def test_a_replication_slot_that_nobody_reads(chats: Stage, client: psycopg.Connection) -> None:
    client.execute("SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')")
    try:
        (found,) = [h for h in chats.plan().hazards if h.id == "stale-slot"]
        assert (found.level, "'forgotten' (logical)" in found.message) == ("warn", True)
        assert "pg_drop_replication_slot" in found.hint
        assert chats.apply() == "ready"
        chats.switch()
        chats.rollback()
    finally:
        client.execute("SELECT pg_drop_replication_slot('forgotten')")
    assert "stale-slot" not in {h.id for h in chats.plan().hazards}


def test_an_unfinished_run_of_another_migration(
    database: Database, staged: Callable[..., Stage], small_chunks: None
) -> None:
    first = staged(database)
    first.apply()
    second = staged(database, "CREATE TABLE things (id text PRIMARY KEY)", "things", "other")
    found = [h for h in second.plan().refused if h.id == "unfinished-run"]
    assert found and "'ids' is 'ready'" in found[0].message
    first.rollback()
    assert second.plan().refused == ()


def test_an_invalid_index_of_a_died_run_is_made_again(
    database: Database, staged: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a unit needs an index on the old table, one left INVALID by a killed run is replaced."""
    stage = staged(
        database,
        "CREATE TABLE things (id int PRIMARY KEY, s text); INSERT INTO things "
        "SELECT n, 's' || n % 7 FROM generate_series(1, 100) n",
    )
    stage.file.write_text(
        'name = "ids"\n[[operation]]\nkind = "merge_rows"\ntable = "public.things"\nby = "s"\norder_by = "id"\n'
    )
    plan = stage.plan()
    flow = plan.flows[0]
    assert flow.old.find == ""
    run = Run(0, plan, lambda _: open_session(database), lambda _: None)
    name = prepare.unit_index_name(flow, "old")
    tail = prepare.unit_index(flow, flow.old, run.building)
    with contextlib.suppress(psycopg.Error), psycopg.connect(database.conninfo) as blocker:
        blocker.execute("UPDATE things SET s = s")  # the build waits for this transaction, and gives up
        with psycopg.connect(database.conninfo, autocommit=True) as conn:
            conn.execute("SET lock_timeout = '200ms'")
            conn.execute(f"CREATE INDEX CONCURRENTLY {ident(name)} {tail}".encode())
    assert sql(stage, f"SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.{ident(name)}'::regclass") == [
        (False,)
    ]
    stage.engine().apply(plan)
    assert sql(stage, f"SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.{ident(name)}'::regclass") == [
        (True,)
    ]
    stage.switch()
    assert sql(stage, "SELECT count(*) FROM things") == [(7,)]


# --- rights ---------------------------------------------------------------------------------------


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"plain_{os.getpid()}"
    load(database, f"CREATE ROLE {name} LOGIN")
    yield name
    load(database, f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")


def as_role(stage: Stage, role: str) -> Stage:
    conninfo = make_conninfo(stage.database.conninfo, user=role)
    return Stage(replace(stage.database, conninfo=conninfo), stage.file)


def test_all_missing_rights_at_once(chats: Stage, role: str) -> None:
    before = harness.snapshot(chats.database)
    sql(chats, f"GRANT SELECT ON chats, tags TO {role}")
    with pytest.raises(MissingRights) as missing:
        as_role(chats, role).plan()
    told = missing.value.details
    assert "CREATE on database" in told
    assert "ownership of public.chats" in told and "ownership of public.tags" in told
    assert missing.value.state == "nothing was changed"
    sql(chats, f"REVOKE SELECT ON chats, tags FROM {role}")
    harness.same(harness.snapshot(chats.database), before)


def test_the_owner_needs_no_superuser(chats: Stage, role: str) -> None:
    name = sql(chats, "SELECT current_database()")[0][0]
    sql(
        chats,
        f"ALTER TABLE chats OWNER TO {role}",
        f"ALTER TABLE tags OWNER TO {role}",
        f"GRANT CREATE ON DATABASE {name} TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
    )
    before = harness.snapshot(chats.database)
    owner = as_role(chats, role)
    assert owner.apply() == "ready"
    owner.switch()
    sql(owner, "INSERT INTO chats VALUES (md5('x')::uuid, 'p')")
    sql(owner, "DELETE FROM chats WHERE person = 'p'")
    owner.rollback()
    harness.same(harness.snapshot(chats.database), before)


def test_forced_row_level_security_without_bypass(chats: Stage, role: str) -> None:
    name = sql(chats, "SELECT current_database()")[0][0]
    sql(
        chats,
        f"ALTER TABLE chats OWNER TO {role}",
        f"ALTER TABLE tags OWNER TO {role}",
        f"GRANT CREATE ON DATABASE {name} TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
        "ALTER TABLE chats ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE chats FORCE ROW LEVEL SECURITY",
    )
    refused = [h for h in as_role(chats, role).plan().refused if h.id == "force-rls"]
    assert refused and "BYPASSRLS" in refused[0].message
    sql(chats, f"ALTER ROLE {role} BYPASSRLS")
    owner = as_role(chats, role)
    assert owner.apply() == "ready"
    owner.switch()
    assert sql(chats, "SELECT count(*) FROM chats") == [(600,)]
