"""A copy holds what the source held at one snapshot; the source is read and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ecluse.engine.planner import make_plan
from ecluse.engine.rehearsal.real import planned_there
from ecluse.errors import CopyFailed, MissingRights, NoRoom, WrongState
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.copies.copying import copy_database, require_room
from ecluse.postgres.copies.place import Place, place_beside
from ecluse.postgres.copies.source import Source
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.postgres.project import read_migration
from ecluse.postgres.throwaway import PREFIX
from tests import harness
from tests.conftest import PROGRAMS
from tests.harness import Stage, load, same_rows, same_structure, snapshot

CASES = harness.SCENARIOS

ROLES = """
DO $$ BEGIN
    CREATE ROLE rehearsed_owner NOLOGIN;
    CREATE ROLE rehearsed_app LOGIN PASSWORD 'hush' CONNECTION LIMIT 3;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT rehearsed_owner TO rehearsed_app;
CREATE TABLE notes (id integer PRIMARY KEY, author text NOT NULL, body text);
INSERT INTO notes SELECT n, 'rehearsed_app', repeat('x', n) FROM generate_series(1, 30) n;
ALTER TABLE notes OWNER TO rehearsed_owner;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes TO rehearsed_app USING (author = current_user);
GRANT SELECT ON notes TO rehearsed_app;
CREATE PUBLICATION told FOR TABLE notes;
CREATE SUBSCRIPTION heard CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false);
CREATE MATERIALIZED VIEW long AS SELECT * FROM notes WHERE id > 20;
CREATE MATERIALIZED VIEW never AS SELECT * FROM notes WITH NO DATA;
"""


def drop_roles(database: Database) -> None:
    load(database, "ALTER SUBSCRIPTION heard SET (slot_name = NONE); DROP SUBSCRIPTION heard")
    load(database, "DROP OWNED BY rehearsed_owner, rehearsed_app CASCADE; DROP ROLE rehearsed_owner, rehearsed_app")


@pytest.mark.parametrize("case", ["convert_column/fk_family", "convert_column/labels", "publish_changes/filtered"])
def test_a_copy_is_what_the_source_is_and_has_its_plan(case: str, database: Database, place: Place) -> None:
    folder = CASES / case
    load(database, folder / "before.sql")
    migration = read_migration(folder / "migration.toml")
    real = make_plan(database, migration)
    before = snapshot(database)
    with Source(database) as source:
        assert planned_there(migration, {migration.database: source}).fingerprint == real.fingerprint
        with source.reader() as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("CREATE TEMPORARY TABLE t AS SELECT 1 AS n; DELETE FROM pg_class")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            source.conn.execute("CREATE TABLE t ()")
    load(database, "CREATE TABLE late AS SELECT 1 AS n")
    with Source(database) as source:
        load(database, "INSERT INTO late VALUES (2)")
        copied = copy_database(source, "app", place)
    copy = snapshot(place.databases["app"])
    assert copy.rows.pop("public.late") == ["(1)"]
    same_rows(copy, before)
    assert copy.sequences == before.sequences
    assert copied.rows == 1 + sum(len(before.rows[str(table)]) for table in before.catalog.tables)
    load(place.databases["app"], "DROP TABLE late")
    copied_plan = make_plan(place.databases["app"], migration)
    if case == "convert_column/labels":
        # PostgreSQL prints this CHECK in other words once it has read it back.
        assert copied_plan.fingerprint != real.fingerprint
    else:
        same_structure(snapshot(place.databases["app"]).catalog, before.catalog)
        assert copied_plan.fingerprint == real.fingerprint


def test_roles_come_without_passwords_and_subscriptions_not_at_all(database: Database, place: Place) -> None:
    load(database, ROLES)
    try:
        before = snapshot(database)
        with Source(database) as source:
            copy_database(source, "app", place)
        copy = place.databases["app"]
        found = snapshot(copy)
        same_structure(found.catalog, before.catalog)
        same_rows(found, before)
        with psycopg.connect(copy.conninfo, autocommit=True) as conn:
            assert conn.execute("SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL").fetchone() == (0,)
            assert conn.execute("SELECT count(*) FROM pg_subscription").fetchone() == (0,)
            member = "SELECT pg_has_role('rehearsed_app', 'rehearsed_owner', 'USAGE')"
            assert conn.execute(member).fetchone() == (True,)
        as_app = place.as_role("app", "rehearsed_app")
        assert as_app is not None
        with psycopg.connect(as_app.conninfo) as conn:
            assert conn.execute("SELECT count(*) FROM notes").fetchone() == (30,)
    finally:
        drop_roles(database)


def test_beside_a_named_database_nothing_is_left(
    database: Database, servers: Callable[[int], EmbeddedServer], open_folder: Path
) -> None:
    load(database, ROLES)
    other = EmbeddedServer(open_folder / "other", PROGRAMS[18], {"fsync": "off"})
    other.start()
    beside = Database("staging", other.conninfo())
    try:
        before = snapshot(database)
        with place_beside(beside) as there:
            with Source(database) as source:
                copy_database(source, "app", there)
            same_rows(snapshot(there.databases["app"]), before)
            with open_session(beside) as conn:
                made = conn.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname LIKE 'rehearsed%'").fetchall()
            assert made == [(False,), (False,)]
        with open_session(beside) as conn:
            left = "SELECT datname FROM pg_database WHERE datname LIKE %s UNION SELECT rolname FROM pg_roles WHERE "
            assert conn.execute(left + "rolname LIKE 'rehearsed%%'", [f"{PREFIX}%"]).fetchall() == []
            # Of a rehearsal that was killed.
            conn.execute("CREATE ROLE rehearsed_left NOLOGIN")
            conn.execute(f"COMMENT ON ROLE rehearsed_left IS 'made for the rehearsal in {PREFIX}gone'")
        with place_beside(beside), open_session(beside) as conn:
            assert conn.execute("SELECT FROM pg_roles WHERE rolname = 'rehearsed_left'").fetchone() is None
    finally:
        other.stop("immediate")
        drop_roles(database)


@pytest.mark.skipif(15 not in PROGRAMS, reason="no server that has extensions which the embedded one lacks")
def test_an_extension_that_the_copy_lacks_is_told_and_refused_where_it_is_needed(
    servers: Callable[[int], EmbeddedServer], place: Place
) -> None:
    there = servers(15)
    name = "with_extensions"
    lacking = Database("app", there.create_database(name))
    try:
        load(lacking, "CREATE EXTENSION hstore; CREATE TABLE t (n integer); INSERT INTO t VALUES (1)")
        with Source(lacking) as source:
            copied = copy_database(source, "app", place)
        assert "extensions of 'app' that the copy lacks: hstore" in copied.notes
        load(lacking, "CREATE TABLE needs (h hstore)")
        with Source(lacking) as source, pytest.raises(CopyFailed, match="the server lacks hstore") as refused:
            copy_database(source, "app", place)
        assert "hstore" in refused.value.details and "--on" in refused.value.hint
    finally:
        with psycopg.connect(there.conninfo(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_rows_that_are_hidden_from_the_role_are_not_left_out(database: Database, place: Place) -> None:
    load(database, "DROP ROLE IF EXISTS rehearsed_blind; CREATE ROLE rehearsed_blind LOGIN; CREATE TABLE t (n integer)")
    load(database, "ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT SELECT ON t TO rehearsed_blind")
    blind = Database("app", psycopg.conninfo.make_conninfo(database.conninfo, user="rehearsed_blind"))
    try:
        with Source(blind) as source, pytest.raises(MissingRights, match=r"rows of public\.t cannot all be read"):
            copy_database(source, "app", place)
    finally:
        load(database, "DROP OWNED BY rehearsed_blind; DROP ROLE rehearsed_blind")


def test_room_is_asked_for_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(NoRoom, match="a rehearsal needs about") as refused:
        require_room(tmp_path / "not there yet", 10**18, 50)
    assert "--sample" in refused.value.hint
    require_room(tmp_path, 1000, 100)


def test_what_has_begun_is_not_rehearsed(database: Database) -> None:
    folder = CASES / "convert_column/fk_family"
    load(database, folder / "before.sql")
    stage = Stage(database, folder / "migration.toml")
    stage.apply()
    migration = read_migration(stage.file)
    with Source(database) as source, pytest.raises(WrongState, match="has a run that is 'ready'"):
        planned_there(migration, {migration.database: source})
