"""What an import of users refuses by name, and probes that fail where something is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from ecluse.errors import MigrationFileError, ValueRefused
from ecluse.postgres.connect import Database
from tests.harness import Stage, load, snapshot
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.people import account, staged
from tests.supabase.test_import_users_random import KNOWN, LEGACY, MIGRATION


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Iterator[Stage]:
    yield staged(database, tmp_path, LEGACY, MIGRATION)
    drop_roles(database)


def _refused(stage: Stage) -> str:
    return "\n".join(h.message for h in stage.plan().refused)


def _failures(stage: Stage) -> str:
    found = stage.engine().verify("people")
    return "\n".join(f"{p.title}: {p.details}" for p in found.probes if not p.passed)


# --- the plan -------------------------------------------------------------------------------------------


VISITOR = """
CREATE ROLE visitor LOGIN;
GRANT CREATE ON DATABASE {} TO visitor;
GRANT USAGE, CREATE ON SCHEMA public, auth TO visitor;
ALTER TABLE users OWNER TO visitor;
ALTER TABLE notes OWNER TO visitor;
ALTER TABLE quotas OWNER TO visitor;
ALTER TABLE parts OWNER TO visitor;
GRANT SELECT, INSERT ON auth.users, auth.identities TO visitor;
"""


def test_a_role_that_may_not(stage: Stage) -> None:
    ((name,),) = ask(stage.database, "SELECT current_database()")
    load(stage.database, VISITOR.format(name))
    mine = Stage(replace(stage.database, conninfo=make_conninfo(stage.database.conninfo, user="visitor")), stage.file)
    assert "role 'visitor' sees no account" in _refused(mine)
    load(stage.database, "ALTER ROLE visitor BYPASSRLS")
    refused = _refused(mine)
    assert "this role may not DELETE there" in refused
    assert "this role may not TRIGGER there" in refused
    assert "session_replication_role" in refused


def test_another_table_that_refers_to_users(stage: Stage) -> None:
    load(stage.database, "CREATE TABLE orders (id int PRIMARY KEY, who int REFERENCES users)")
    assert "public.orders" in _refused(stage)


def test_a_view_over_users_and_a_second_apply(stage: Stage) -> None:
    load(stage.database, "CREATE VIEW people AS SELECT id, email FROM users")
    assert "public.people" in _refused(stage)
    load(stage.database, "DROP VIEW people; DELETE FROM users")
    assert stage.apply() == "ready"
    stage.switch()
    stage.verify()
    assert stage.resume() == "switched"
    assert ask(stage.database, "SELECT count(*) FROM user_id_mapping") == [(0,)]


def test_an_id_that_is_none(database: Database, tmp_path: Path) -> None:
    only_users = MIGRATION.partition("[operation.profile]")[0].rpartition("[[operation]]")[0]
    stage = staged(database, tmp_path, "CREATE TABLE users (id numeric PRIMARY KEY, email text)", only_users)
    assert "an id is an integer, a text or a uuid" in _refused(stage)
    drop_roles(database)


# --- proofs that can fail -------------------------------------------------------------------------------

A = "WHERE email = 'a@x.io'"
BROKEN = {
    "found by nobody": f"UPDATE auth.users SET instance_id = NULL {A}",
    "where the auth service reads a text": f"UPDATE auth.users SET recovery_token = NULL {A}",
    "not in lower case": f"UPDATE auth.users SET email = 'A@x.io' {A}",
    "no provider": f"UPDATE auth.users SET raw_app_meta_data = '{{}}' {A}",
    "no identity": "DELETE FROM auth.identities WHERE email = 'a@x.io'",
    "an account that is not there": f"SET session_replication_role = replica; DELETE FROM auth.users {A}",
}


def test_each_broken_invariant_is_seen(stage: Stage) -> None:
    stage.apply()
    stage.switch()
    stage.verify()
    load(
        stage.database,
        "CREATE TABLE safe AS SELECT * FROM auth.users; CREATE TABLE safe_too AS SELECT * FROM auth.identities",
    )
    columns = (
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute "
        "WHERE attrelid = 'auth.{}'::regclass AND attnum > 0 AND attgenerated = ''"
    )
    users, identities = (ask(stage.database, columns.format(t))[0][0] for t in ("users", "identities"))
    for words, change in BROKEN.items():
        load(stage.database, change)
        assert words in _failures(stage), words
        load(
            stage.database,
            "SET session_replication_role = replica; DELETE FROM auth.users; DELETE FROM auth.identities; "
            f"INSERT INTO auth.users ({users}) SELECT {users} FROM safe; "
            f"INSERT INTO auth.identities ({identities}) SELECT {identities} FROM safe_too",
        )
    assert _failures(stage) == ""


def test_what_the_auth_service_does_is_not_broken(stage: Stage) -> None:
    """A user deleted softly, and one who signs in with another provider only."""
    stage.apply()
    stage.switch()
    load(
        stage.database,
        f"""
        UPDATE auth.users SET deleted_at = now(), email = 'f0f0' {A};
        UPDATE auth.identities SET identity_data = '{{}}', provider_id = 'f0' {A};
        UPDATE auth.identities SET provider = 'google', provider_id = 'g', identity_data = '{{"sub": "g"}}'
            WHERE email = 'b@x.io';
        """,
    )
    assert _failures(stage) == ""


def test_a_roster_that_says_something_else(stage: Stage) -> None:
    stage.apply()
    stage.verify()
    load(stage.database, "UPDATE ecluse.input_people_users_roster SET email = 'z@x.io' WHERE old_user_id = 1")
    assert "what becomes of the rows of public.users" in _failures(stage)


def test_rows_that_join_and_refer_to_nothing(database: Database, tmp_path: Path) -> None:
    """No trigger fires for them, and so no foreign key is asked either, but by us."""
    profiles = (
        "CREATE TABLE teams (id int PRIMARY KEY); CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users "
        "ON DELETE CASCADE, team int REFERENCES teams, nick text);"
    )
    wanted = (
        '"public.users"\n[operation.profile]\ntable = "public.profiles"\nvalues = { team = "5", nick = "full_name" }'
    )
    stage = staged(database, tmp_path, LEGACY + profiles, MIGRATION.replace('"public.users"', wanted, 1))
    before = snapshot(database)
    stage.apply()
    with pytest.raises(ValueRefused, match=r"refer to no row of public\.teams"):
        stage.switch()
    assert ask(database, "SELECT count(*) FROM auth.users, profiles") == [(0,)]
    load(database, "INSERT INTO teams VALUES (5)")
    stage.switch()
    stage.verify()
    assert ask(database, "SELECT nick FROM profiles ORDER BY 1") == [("N1",), ("N2",), ("N3",), ("N4",)]
    stage.rollback()
    load(database, "DELETE FROM teams")
    assert snapshot(database).rows == before.rows
    drop_roles(database)


# --- ids that are texts ---------------------------------------------------------------------------------


def test_ids_that_are_texts(database: Database, tmp_path: Path) -> None:
    """A UUID is kept; two texts of one are nobody; a longer text is not the id that it begins with."""
    one, two, three = f"aaaaaaaa-0000-4000-8000-00000000000{1}", "aaaaaaaa-0000-4000-8000-000000000002", KNOWN[2]
    legacy = f"""
    CREATE TABLE users (id varchar(40) PRIMARY KEY, email varchar(60), password_hash text);
    INSERT INTO users VALUES ('{one}', 'a@x.io'), ('{two}', 'b@x.io'), ('{{{two}}}', 'c@x.io'), ('{three}', 'd@x.io'),
        ('short', 'e@x.io'), ('{"x" * 40}', 'f@x.io');
    CREATE TABLE notes (id int PRIMARY KEY, user_id text);
    INSERT INTO notes VALUES (1, '{one}'), (2, '{"x" * 40}more'), (3, 'short'), (4, '{two}');
    CREATE TABLE parts (id int PRIMARY KEY, user_id uuid);
    INSERT INTO parts VALUES (1, '{one}'), (2, '{two}');
    """
    migration = MIGRATION.replace("quotas", "parts")
    stage = staged(database, tmp_path, legacy, migration)
    load(database, account(three, "someone@x.io"))
    before = snapshot(database)
    stage.apply()
    load(database, "UPDATE users SET email = 'e2@x.io' WHERE id = 'short'")
    stage.resume()
    stage.verify()
    load(database, f"DELETE FROM users WHERE id = '{{{two}}}'; UPDATE users SET email = 'e@x.io' WHERE id = 'short'")
    stage.switch()
    stage.verify()
    who = dict(ask(database, "SELECT old_user_id, supabase_user_id::text FROM user_id_mapping"))
    assert (who[one], who[two]) == (one, two)
    assert who.keys() == {one, two, "short", "x" * 40}
    assert ask(database, "SELECT id FROM notes ORDER BY 1") == [(1,), (3,), (4,)]
    assert ask(database, "SELECT id FROM parts ORDER BY 1") == [(1,), (2,)]
    load(database, "UPDATE notes SET id = 9 WHERE id = 3")
    stage.rollback()
    load(database, f"INSERT INTO users VALUES ('{{{two}}}', 'c@x.io'); UPDATE notes SET id = 3 WHERE id = 9")
    assert snapshot(database).rows == before.rows
    drop_roles(database)


def test_large_numbers_written_as_texts(database: Database, tmp_path: Path) -> None:
    big = 1234567890123456789
    legacy = f"""
    CREATE TABLE users (id bigint PRIMARY KEY, email text, password_hash text);
    INSERT INTO users VALUES ({big}, 'a@x.io'), (7, 'b@x.io');
    CREATE TABLE notes (id int PRIMARY KEY, user_id text); INSERT INTO notes VALUES (1, '{big}'), (2, '99{big}');
    CREATE TABLE quotas (user_id int PRIMARY KEY); INSERT INTO quotas VALUES (7);
    """
    stage = staged(database, tmp_path, legacy, MIGRATION)
    stage.apply()
    load(
        database,
        f"UPDATE users SET email = 'c@x.io' WHERE id = {big}; DELETE FROM users WHERE id = {big}; "
        f"INSERT INTO users VALUES ({big}, NULL)",
    )
    stage.resume()
    load(database, f"UPDATE users SET email = 'a@x.io' WHERE id = {big}")
    stage.switch()
    stage.verify()
    assert ask(database, "SELECT id FROM notes") == [(1,)]
    drop_roles(database)


def test_columns_of_new_profiles_that_nobody_gives_a_value(database: Database, tmp_path: Path) -> None:
    users = MIGRATION.rpartition("[[operation]]")[0]
    profile = '[operation.profile]\ntable = "public.profiles"\ncolumns = { id = "uuid not null", '
    free = profile + 'plan = "text not null default \'free\'", bio = "text" }\n'
    legacy = "CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users VALUES (1, 'a@x.io')"
    stage = staged(database, tmp_path, legacy, users + free)
    stage.apply()
    stage.switch()
    stage.verify()
    assert ask(database, "SELECT DISTINCT plan, bio FROM profiles") == [("free", None)]
    stage.rollback()
    stage.file.write_text(users + profile + 'since = "timestamptz not null default now()" }\n')
    with pytest.raises(MigrationFileError, match="'since' of"):
        stage.plan()
    drop_roles(database)
