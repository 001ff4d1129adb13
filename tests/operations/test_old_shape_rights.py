"""With whose rights the old shape is used after the switch: policies, single columns, and nobody else's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from ecluse.errors import PlanRefused
from ecluse.postgres.connect import Database
from tests.conftest import MAJOR
from tests.harness import OPTIONS, Stage, load

ROLE = "ecluse_test_clerk"
MIGRATION = """
name = "rights"
old_shape_for = ["ecluse_test_clerk"]

[[operation]]
kind = "convert_column"
table = "public.notes"
column = "id"
"""
BEFORE = f"""
DO $$ BEGIN CREATE ROLE {ROLE} LOGIN PASSWORD 'clerk';
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
CREATE TABLE notes (id text PRIMARY KEY, owner text NOT NULL DEFAULT current_user, body text, secret text);
INSERT INTO notes SELECT md5('note ' || n)::uuid::text, CASE WHEN n % 2 = 0 THEN '{ROLE}' ELSE 'other' END,
  'body ' || n, 'secret ' || n FROM generate_series(1, 20) n;
INSERT INTO notes VALUES (upper(md5('odd')::uuid::text), '{ROLE}', 'odd', 's'),
  (upper(md5('odder')::uuid::text), 'other', 'o', 's');
"""
SECURED = f"""
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes TO {ROLE} USING (owner = current_user) WITH CHECK (owner = current_user);
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO {ROLE};
"""
COLUMNS = f"GRANT SELECT (id, owner, body), INSERT (id, body), UPDATE (body) ON notes TO {ROLE};"


@contextmanager
def clerk(database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    told = conninfo.make_conninfo(database.conninfo, user=ROLE, password="clerk")
    with psycopg.connect(told, autocommit=True) as conn:
        yield conn


def switched(database: Database, folder: Path, before: str) -> Stage:
    load(database, before)
    file = folder / "rights.toml"
    file.write_text(MIGRATION)
    stage = Stage(database, file, replace(OPTIONS))
    assert stage.apply() == "ready"
    stage.switch()
    return stage


def test_policies_hold(any_server_database: Database, tmp_path: Path) -> None:
    """Reads and writes of the old shape reach the rows that the policies of the table let the role reach."""
    database = any_server_database
    with psycopg.connect(database.conninfo) as conn:
        old_server = conn.info.server_version < 150000
    if old_server:
        with pytest.raises(PlanRefused) as refused:
            switched(database, tmp_path, BEFORE + SECURED)
        assert "PostgreSQL 14 has no views that heed that" in refused.value.details
        return
    stage = switched(database, tmp_path, BEFORE + SECURED)
    other = "(SELECT md5('note 1')::uuid::text)"
    with clerk(database) as conn:
        assert conn.execute("SELECT count(*), count(DISTINCT owner) FROM notes").fetchone() == (11, 1)
        assert conn.execute(f"UPDATE notes SET body = 'x' WHERE id = {other}").rowcount == 0
        assert conn.execute(f"DELETE FROM notes WHERE id = {other}").rowcount == 0
        assert conn.execute("UPDATE notes SET body = 'mine' WHERE id = md5('note 2')::uuid::text").rowcount == 1
        odd = "upper(md5('odd')::uuid::text)"
        assert conn.execute(f"UPDATE notes SET secret = 'mine' WHERE id = {odd} RETURNING body").fetchone() == ("odd",)
        assert conn.execute("DELETE FROM notes WHERE id = md5('note 4')::uuid::text").rowcount == 1
        conn.execute("INSERT INTO notes (id, body) VALUES (upper(md5('new')::uuid::text), 'new')")
        assert conn.execute("SELECT id FROM notes WHERE body = 'new'").fetchall()[0][0].isupper()  # type: ignore[attr-defined]
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            conn.execute("INSERT INTO notes (id, owner) VALUES (gen_random_uuid()::text, 'other')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            conn.execute("UPDATE notes SET owner = 'other' WHERE id = md5('note 2')::uuid::text")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT * FROM ecluse_next_rights.notes__residue")
    stage.verify()
    stage.rollback()
    with psycopg.connect(database.conninfo) as conn:
        found = conn.execute("SELECT count(*), count(*) FILTER (WHERE body = 'mine' OR secret = 'mine') FROM notes")
        assert found.fetchone() == (22, 2)


READ_ALL = f"""
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON notes FOR SELECT USING (true);
CREATE POLICY made ON notes FOR INSERT WITH CHECK (owner = current_user);
CREATE POLICY changed ON notes FOR UPDATE USING (owner = current_user);
CREATE POLICY gone ON notes FOR DELETE USING (owner = current_user);
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO {ROLE};
CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN NEW.secret := current_user; RETURN NEW; END$$;
CREATE TRIGGER mark BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION mark();
"""


@pytest.mark.skipif(MAJOR < 15, reason="there the old shape of secured rows is refused")
def test_rows_that_may_only_be_seen(database: Database, tmp_path: Path) -> None:
    """What is not theirs to change is not counted, and neither is what stands aside of it: how its key was written."""
    stage = switched(database, tmp_path, BEFORE + READ_ALL)
    with clerk(database) as conn:
        keys = conn.execute("SELECT id FROM notes WHERE owner = 'other' ORDER BY id").fetchall()
        assert conn.execute("UPDATE notes SET id = lower(id) WHERE owner = 'other'").rowcount == 0
        assert conn.execute("DELETE FROM notes WHERE owner = 'other'").rowcount == 0
        assert conn.execute("UPDATE notes SET body = 'x'").rowcount == 11
        assert conn.execute("SELECT id FROM notes WHERE owner = 'other' ORDER BY id").fetchall() == keys
        made = "INSERT INTO notes (id, body) VALUES (gen_random_uuid()::text, 'new') RETURNING secret"
        assert conn.execute(made).fetchone() == (ROLE,)
        changed = "UPDATE notes SET id = lower(id) WHERE body = 'x' AND id <> lower(id) RETURNING secret"
        assert conn.execute(changed).fetchone() == (ROLE,)
    stage.verify()


OWNED = f"""
CREATE TABLE secrets (id integer PRIMARY KEY, body text); INSERT INTO secrets VALUES (1, 'a'), (2, 'b');
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; CREATE POLICY first ON secrets TO {ROLE} USING (id = 1);
GRANT SELECT, UPDATE ON secrets, notes TO {ROLE};
CREATE VIEW told AS SELECT DISTINCT s.body FROM secrets s, notes n WHERE n.body <> '';
ALTER VIEW told OWNER TO {ROLE};
"""


def test_a_view_is_read_with_the_rights_of_its_owner(database: Database, tmp_path: Path) -> None:
    """Of a table beside, whose policies hold for him, it shows what it has shown."""
    stage = switched(database, tmp_path, BEFORE + OWNED)
    with clerk(database) as conn:
        assert conn.execute("SELECT to_regclass('told')::text, count(*), min(body) FROM told").fetchone() == (
            "told",
            1,
            "a",
        )
        assert conn.execute(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'told'::regclass"
        ).fetchone() == ("ecluse_before_rights",)
    stage.rollback()


def test_columns_hold(database: Database, tmp_path: Path) -> None:
    """Who had rights on some columns has them on these, and on no others."""
    switched(database, tmp_path, BEFORE + COLUMNS)
    with clerk(database) as conn:
        assert conn.execute("SELECT count(id), count(body) FROM notes").fetchone() == (22, 22)
        conn.execute("UPDATE notes SET body = 'x' WHERE id = md5('note 1')::uuid::text")
        conn.execute("INSERT INTO notes (id, body) VALUES (gen_random_uuid()::text, 'new')")
        for refused in (
            "SELECT secret FROM notes",
            "UPDATE notes SET secret = 'x'",
            "INSERT INTO notes (id, secret) VALUES ('a', 'b')",
            "DELETE FROM notes",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(refused.encode())


def test_without_rights(database: Database, tmp_path: Path) -> None:
    """A role that had no right has none."""
    switched(database, tmp_path, BEFORE)
    with clerk(database) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT id FROM notes")
