"""What others do to a run: rewrite its tables, touch its triggers, end its sessions, stop the server, fill the disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.engine.planner import check_fingerprint, make_plan
from ecluse.errors import (
    AnotherRun,
    CannotConnect,
    CaptureBroken,
    ConnectionLost,
    DatabaseChanged,
    DiskFull,
    LockNotTaken,
    ValueRefused,
    WrongState,
)
from ecluse.postgres.binaries import DEFAULT_VERSION, bin_dir
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.postgres.project import read_migration
from tests import harness
from tests.conftest import FAST
from tests.faults.conftest import sql
from tests.harness import Listener, Stage, same_rows

END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name LIKE 'ecluse %' AND pid <> pg_backend_pid()"
)


class AtRecord(Listener):
    """Does something once, when the journal gets a record whose name begins so."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        super().__init__()
        self.name, self.work, self.done = name, work, threading.Event()
        self.on_record = self._meet

    def _meet(self, name: str) -> None:
        if name.startswith(self.name) and not self.done.is_set():
            self.done.set()
            self.work()


def is_converted(stage: Stage) -> None:
    """The old tables, as they wait in the kept schema, have become the new ones; told by SQL of the test's own."""
    for table, key in (("chats", "id"), ("tags", "chat_id")):
        old, new = (
            sql(stage, f"SELECT to_jsonb(t)::text FROM {schema}.{table} t ORDER BY 1")
            for schema in (f"ecluse_kept_{stage.name}", "public")
        )
        assert old == new
        kind = f"SELECT pg_typeof((NULL::public.{table}).{key})::text"
        assert sql(stage, kind) == [("uuid",)]


# --- the copy is no longer to be trusted ----------------------------------------------------------

REFILL = "INSERT INTO chats SELECT md5('r' || n)::uuid::text, 'p', 'after the truncate' FROM generate_series(1, 50) n"
DISTURBANCES = {
    "truncate": ("TRUNCATE chats CASCADE", REFILL),
    "truncate-of-the-child": ("TRUNCATE tags",),
    "vacuum-full": ("VACUUM FULL chats",),
    "cluster": ("CLUSTER chats USING chats_pkey", "ALTER TABLE chats SET WITHOUT CLUSTER"),
    "rewrite": (
        "ALTER TABLE chats ALTER body TYPE varchar(400)",
        "ALTER TABLE chats ALTER body TYPE text",
        "VACUUM FULL tags",
    ),
    "trigger-off-and-on": (
        "ALTER TABLE chats DISABLE TRIGGER zz_ecluse_capture",
        "UPDATE chats SET body = 'unseen' WHERE person = 'p1'",
        "DELETE FROM chats WHERE person = 'p2'",
        "ALTER TABLE chats ENABLE ALWAYS TRIGGER zz_ecluse_capture",
    ),
    "trigger-dropped": (
        "DROP TRIGGER zz_ecluse_capture ON chats",
        "UPDATE chats SET body = 'unseen' WHERE person = 'p1'",
    ),
    "all-triggers-off": (
        "ALTER TABLE tags DISABLE TRIGGER ALL",
        "UPDATE tags SET tag = 'unseen'",
        "ALTER TABLE tags ENABLE TRIGGER ALL",
    ),
}


@pytest.mark.parametrize("moment", ["captured", "chunk", "indexed", "drained"])
@pytest.mark.parametrize("kind", DISTURBANCES)
def test_the_copy_starts_again(chats: Stage, kind: str, moment: str) -> None:
    turn = list(DISTURBANCES).index(kind) + ["captured", "chunk", "indexed", "drained"].index(moment)
    if turn % 4 and not harness.FULL:
        pytest.skip("in a full run")
    listener = AtRecord(moment, lambda: sql(chats, *DISTURBANCES[kind]))
    assert chats.apply(listener) == "ready"
    assert listener.done.is_set()
    chats.switch()
    is_converted(chats)
    chats.verify()


@pytest.mark.parametrize("kind", ["truncate", "trigger-off-and-on", "vacuum-full"])
def test_disturbed_between_apply_and_switch(chats: Stage, kind: str) -> None:
    assert chats.apply() == "ready"
    sql(chats, *DISTURBANCES[kind])
    with pytest.raises(CaptureBroken) as broken:
        chats.switch()
    assert "chats was" in broken.value.message or "public.chats" in broken.value.message
    assert "the old shape is in place" in broken.value.state
    assert chats.resume() == "ready"
    chats.switch()
    is_converted(chats)


def test_gives_up_restarting(chats: Stage) -> None:
    before = harness.snapshot(chats.database)
    listener = Listener(on_record=lambda name: sql(chats, "VACUUM FULL chats") if name == "captured" else None)
    with pytest.raises(CaptureBroken, match="rewritten"):
        chats.apply(listener)
    chats.rollback()
    harness.same(harness.snapshot(chats.database), before)


def test_truncate_after_the_switch_goes_home(chats: Stage) -> None:
    chats.apply()
    chats.switch()
    sql(chats, "TRUNCATE chats CASCADE", "INSERT INTO chats VALUES (md5('x')::uuid, 'p', 'new')")
    chats.rollback()
    assert sql(chats, "SELECT id, person, body FROM chats") == [("9dd4e461-268c-8034-f5c8-564e155c67a6", "p", "new")]
    assert sql(chats, "SELECT count(*) FROM tags") == [(0,)]


def test_rows_copied_twice_and_under_two_texts(chats: Stage) -> None:
    """Rows move, while the copy runs, from pages that were copied to pages that were not; some change their key."""
    chats.options = replace(chats.options, workers=1)
    sql(chats, "DELETE FROM tags WHERE id <= 40")
    sql(chats, "DELETE FROM chats WHERE ctid > '(12,0)' AND person IN ('p1', 'p2', 'p3', 'p4')", "VACUUM chats")
    twice: list[object] = []

    def disturb(name: str) -> None:
        if name.startswith("chunk") and not twice:
            twice.append(0)
            untagged = "NOT EXISTS (SELECT FROM tags WHERE chat_id = chats.id)"
            sql(
                chats,
                f"UPDATE chats SET id = upper(id), body = repeat('k', 400) WHERE ctid < '(4,0)' AND {untagged}",
                "UPDATE chats SET body = repeat('m', 400) WHERE ctid < '(4,0)'",
            )
        if name == "copied":
            twice[0] = sql(chats, "SELECT count(*) - count(DISTINCT id) FROM ecluse_next_ids.chats")[0][0]

    assert chats.apply(Listener(on_record=disturb)) == "ready"
    assert int(str(twice[0])) > 0, "nothing was copied twice, so nothing was tested"
    chats.switch()
    kept, new = (
        sql(chats, f"SELECT lower(id::text), person, body FROM {schema}.chats ORDER BY 1")
        for schema in ("ecluse_kept_ids", "public")
    )
    assert kept == new


# --- sessions and servers that go away ------------------------------------------------------------


@pytest.mark.parametrize("moment", ["captured", "chunk", "copied", "repaired", "indexed", "drained"])
def test_backends_ended(chats: Stage, moment: str) -> None:
    before = harness.snapshot(chats.database)
    listener = AtRecord(moment, lambda: sql(chats, END_OTHERS))
    with pytest.raises(ConnectionLost) as lost:
        chats.apply(listener)
    assert "resume with `ecluse apply ids`" in lost.value.state
    assert lost.value.exit_status == 4
    assert chats.resume() == "ready"
    chats.switch()
    is_converted(chats)
    chats.rollback()
    harness.same(harness.snapshot(chats.database), before)


def test_backends_ended_in_the_switch(chats: Stage) -> None:
    """A trigger on the event of the switch's own DDL ends the session that carries it out."""
    chats.apply()
    sql(
        chats,
        "CREATE FUNCTION hang_up() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END$$",
        "CREATE EVENT TRIGGER hang_up ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION hang_up()",
    )
    with pytest.raises(ConnectionLost) as lost:
        chats.switch()
    assert "the new shape is built and proved; the old one is in use" in lost.value.state
    sql(chats, "DROP EVENT TRIGGER hang_up", "DROP FUNCTION hang_up()")
    chats.switch()
    is_converted(chats)


@pytest.fixture
def own_server(open_folder: Path) -> Iterator[EmbeddedServer]:
    """A server that a test may stop."""
    server = EmbeddedServer(open_folder / "stopped", bin_dir(DEFAULT_VERSION), {**FAST, "fsync": "on"})
    server.start()
    yield server
    server.stop("immediate")


@pytest.mark.parametrize("moment", ["chunk", "indexed"])
def test_server_stopped_at_once_and_started_again(
    own_server: EmbeddedServer, staged: Callable[..., Stage], small_chunks: None, moment: str
) -> None:
    name = f"stopped_{moment}"
    stage = staged(Database("app", own_server.create_database(name)))

    def crash() -> None:
        own_server.crash()

    with pytest.raises(ConnectionLost) as stopped:
        stage.apply(AtRecord(moment, crash))
    assert stopped.value.state == "the server cannot be asked; `ecluse status` will tell when it is back"
    own_server.start()
    assert stage.resume() == "ready"
    stage.switch()
    is_converted(stage)


def test_wrong_password(database: Database, staged: Callable[..., Stage]) -> None:
    stage = staged(database)
    stage.database = replace(database, conninfo=database.conninfo + " user=nobody_at_all password=hunter2")
    with pytest.raises(CannotConnect) as refused:
        stage.plan()
    assert "check the user and the password" in refused.value.hint
    assert "hunter2" not in str(refused.value.as_dict())


# --- locks ----------------------------------------------------------------------------------------


def test_a_second_run_is_told_who_holds_the_first(chats: Stage) -> None:
    told: list[AnotherRun] = []

    def second() -> None:
        with pytest.raises(AnotherRun) as other:
            chats.rollback()
        told.append(other.value)

    assert chats.apply(AtRecord("chunk", second)) == "ready"
    assert "ecluse apply ids" in told[0].details
    assert f"pid {os.getpid()}" not in told[0].details  # the server's pid is what helps
    assert "since" in told[0].details


@pytest.mark.parametrize("command", ["apply", "switch"])
def test_a_lock_that_never_comes(chats: Stage, command: str) -> None:
    chats.options = replace(chats.options, lock_budget=0.6)
    if command == "switch":
        chats.apply()
    before = harness.snapshot(chats.database)
    with psycopg.connect(chats.database.conninfo, application_name="forgotten console") as conn:
        conn.execute(
            "UPDATE chats SET body = body WHERE false" if command == "switch" else "UPDATE chats SET body = 'x'"
        )
        with pytest.raises(LockNotTaken) as late:
            getattr(chats, command)()
        conn.rollback()
    assert "'forgotten console'" in late.value.details
    assert "since 20" in late.value.details
    assert "pg_terminate_backend" in late.value.hint
    assert late.value.exit_status == 4
    same_rows(harness.snapshot(chats.database), before)
    chats.resume()
    chats.switch()
    is_converted(chats)


def test_the_vacuum_of_a_new_table_is_waited_for(chats: Stage) -> None:
    """It gives way a second after it was asked to, which is longer than the first tries for the application's locks."""
    chats.apply()
    listener = Listener()
    vacuums = psycopg.connect(chats.database.conninfo)
    vacuums.execute("LOCK TABLE ecluse_next_ids.chats IN SHARE UPDATE EXCLUSIVE MODE")
    gives_way = threading.Timer(1.1, vacuums.close)
    gives_way.start()
    chats.switch(listener)
    gives_way.join()
    assert not [event for event in listener.events if event.kind == "warn"]
    is_converted(chats)


# --- disk, values, changes ------------------------------------------------------------------------


def test_disk_full(chats: Stage) -> None:
    """The server raises its own 53100 while it writes: simulated where the copy inserts, by a trigger."""
    before = harness.snapshot(chats.database)

    def fill() -> None:
        sql(
            chats,
            "CREATE FUNCTION ecluse.full() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION "
            "'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = 'disk_full'; END$$",
            "CREATE TRIGGER full_disk BEFORE INSERT ON ecluse_next_ids.chats EXECUTE FUNCTION ecluse.full()",
        )

    with pytest.raises(DiskFull) as full:
        chats.apply(AtRecord("captured", fill))
    assert "at 'copy'" in full.value.state
    assert "No space left" in full.value.details
    sql(chats, "DROP TRIGGER full_disk ON ecluse_next_ids.chats", "DROP FUNCTION ecluse.full()")
    assert chats.resume() == "ready"
    chats.rollback()
    harness.same(harness.snapshot(chats.database), before)


BAD = "INSERT INTO chats VALUES ('secret-value', 'p1', 'not a uuid')"


@pytest.mark.parametrize("moment", ["captured", "copied", "indexed"])
def test_a_value_that_does_not_fit_comes_during_the_run(chats: Stage, moment: str) -> None:
    before = harness.snapshot(chats.database)
    with pytest.raises(ValueRefused) as refused:
        chats.apply(AtRecord(moment, lambda: sql(chats, BAD)))
    assert refused.value.exit_status == 4
    assert "secret" not in str(refused.value.as_dict())
    assert "resume with" in refused.value.state
    assert sql(chats, "SELECT count(*) FROM chats") == [(601,)]
    with pytest.raises(ValueRefused):
        chats.resume()
    sql(chats, "DELETE FROM chats WHERE id = 'secret-value'")
    assert chats.resume() == "ready"
    chats.rollback()
    harness.same(harness.snapshot(chats.database), before)


def test_a_value_that_does_not_fit_comes_before_the_switch(chats: Stage) -> None:
    assert chats.apply() == "ready"
    sql(chats, BAD)
    with pytest.raises(ValueRefused) as refused:
        chats.switch()
    assert "the old one is in use" in refused.value.state
    chats.rollback()
    assert sql(chats, "SELECT count(*) FROM chats") == [(601,)]


CHANGES = {
    "column": ("ALTER TABLE chats ADD note text", "column note"),
    "type": ("ALTER TABLE chats ALTER person TYPE varchar", "column person: type"),
    "index": ("CREATE INDEX chats_body ON chats (body)", "index chats_body"),
    "constraint": ("ALTER TABLE chats ADD CHECK (length(body) < 1000)", "constraint chats_body_check"),
    "not-null": ("ALTER TABLE chats ALTER body SET NOT NULL", "column body: not null"),
    "default": ("ALTER TABLE chats ALTER body SET DEFAULT 'x'", "column body: default"),
    "policy": ("CREATE POLICY own ON chats USING (true)", "policy own"),
    "rls": ("ALTER TABLE tags ENABLE ROW LEVEL SECURITY", "rls"),
    "trigger": (
        "CREATE TRIGGER user_trigger BEFORE UPDATE ON chats FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "trigger user_trigger",
    ),
    "grant": ("GRANT SELECT ON chats TO pg_monitor", "grants to pg_monitor"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_altered_between_plan_and_apply(chats: Stage, change: str) -> None:
    plan = chats.plan()
    statement, told = CHANGES[change]
    sql(chats, statement)
    with pytest.raises(DatabaseChanged) as changed:
        check_fingerprint(plan, make_plan(chats.database, read_migration(chats.file)))
    assert told in changed.value.details
    assert changed.value.state == "nothing was changed"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("moment", ["captured", "ready"])
def test_altered_in_the_middle(chats: Stage, change: str, moment: str) -> None:
    """What is made on the old table after the plan would be missing in the new shape, without a word."""
    if moment == "captured" and change not in ("column", "policy") and not harness.FULL:
        pytest.skip("in a full run")
    statement, told = CHANGES[change]
    with pytest.raises(DatabaseChanged) as changed:
        if moment == "ready":
            chats.apply()
            sql(chats, statement)
        else:
            chats.apply(AtRecord(moment, lambda: sql(chats, statement)))
        chats.switch()
    assert told in changed.value.details
    assert "old" in changed.value.state
    chats.rollback()
    assert chats.apply() == "ready"
    chats.switch()
    is_converted(chats)


LATER = {
    "column": ("ALTER TABLE chats ADD note text DEFAULT 'precious'", "ALTER TABLE chats DROP note"),
    "view": ("CREATE VIEW late AS SELECT id FROM chats", "DROP VIEW late"),
    "key": ("CREATE TABLE late (id uuid REFERENCES chats (id))", "DROP TABLE late"),
    "function": (
        "CREATE FUNCTION late() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(body) FROM chats; END",
        "DROP FUNCTION late()",
    ),
}


@pytest.mark.parametrize("thing", LATER)
def test_what_was_made_after_the_switch_is_not_dropped_by_a_rollback(chats: Stage, thing: str) -> None:
    before = harness.snapshot(chats.database)
    make, drop = LATER[thing]
    chats.apply()
    chats.switch()
    sql(chats, make)
    switched = harness.snapshot(chats.database)
    with pytest.raises(WrongState) as refused:
        chats.rollback()
    assert "note" in refused.value.details or "late" in refused.value.details
    harness.same(harness.snapshot(chats.database), switched)
    sql(chats, drop)
    chats.rollback()
    harness.same(harness.snapshot(chats.database), before)
