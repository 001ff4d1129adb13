"""`import_users` on a prepared database: who becomes whom, what follows them, and an exact way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from ecluse.postgres.connect import Database
from tests.harness import Stage, load, same, same_rows, same_structure, snapshot
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.people import BCRYPT, GRACE, SECURED, staged
from tests.supabase.test_secure_rows import as_user

NEW = BCRYPT.replace("$04$", "$10$")


@pytest.fixture
def stage(any_server_database: Database, tmp_path: Path) -> Iterator[Stage]:
    """People of every kind beside an account that is there already, and the migration that imports them."""
    yield staged(any_server_database, tmp_path)
    drop_roles(any_server_database)


def test_everybody_becomes_who_they_are(stage: Stage) -> None:
    plan = stage.plan()
    assert not plan.refused, [h.message for h in plan.refused]
    assert stage.apply_as_foreseen() == "ready"
    stage.switch()
    stage.verify()
    people = "SELECT old_user_id, email, matched, supabase_user_id::text FROM user_id_mapping ORDER BY 1"
    found = ask(stage.database, people)
    assert [row[:3] for row in found] == [
        (1, "ada@example.com", False),
        (2, "bob@example.com", False),
        (3, "cleo@example.com", False),
        (8, "grace@example.com", True),
        (9, "dan@example.com", False),
    ]
    assert found[3][3] == GRACE
    kept = "SELECT id::text, encrypted_password FROM auth.users WHERE email = 'grace@example.com'"
    assert ask(stage.database, kept) == [(GRACE, "kept as it is")]
    accounts = (
        "SELECT u.email, u.encrypted_password, u.raw_user_meta_data->>'full_name', u.raw_app_meta_data->>'role', "
        "u.banned_until > now() + interval '99 years', u.created_at::text, d.provider_id = u.id::text "
        "FROM auth.users u JOIN auth.identities d ON d.user_id = u.id JOIN user_id_mapping m "
        "ON m.supabase_user_id = u.id WHERE NOT m.matched ORDER BY m.old_user_id"
    )
    assert ask(stage.database, "SET LOCAL timezone = 'UTC'", accounts) == [
        ("ada@example.com", BCRYPT, "Ada", "admin", None, "2025-01-01 10:00:00.123456+00", True),
        ("bob@example.com", None, None, "user", None, "2025-01-02 00:00:00+00", True),
        ("cleo@example.com", BCRYPT, "Cléo", "user", True, "2025-01-03 00:00:00+00", True),
        ("dan@example.com", None, "Dan", None, None, "2025-01-09 00:00:00+00", True),
    ]
    profiles = "SELECT p.full_name, p.theme FROM profiles p JOIN auth.users u USING (id) ORDER BY u.email"
    assert ask(stage.database, profiles) == [("Ada", "dark"), (None, "light"), ("Cléo", "light"), ("Dan", "light")]


def test_rows_go_where_their_owners_go(stage: Stage) -> None:
    stage.apply()
    stage.switch()
    for table, rows in (("notes", 15), ("quotas", 5), ("logs", 5)):
        owned = f"SELECT count(*) FROM {table} t JOIN user_id_mapping m ON m.supabase_user_id = t.user_id"
        assert ask(stage.database, owned) == [(rows,)], table
    assert ask(stage.database, "SELECT count(*) FROM logs WHERE user_id IS NULL") == [(1,)]
    swapped = (
        "SELECT count(*) FROM ecluse_kept_people.notes o JOIN notes n USING (id) JOIN user_id_mapping m "
        "ON m.supabase_user_id = n.user_id WHERE m.old_user_id <> o.user_id"
    )
    assert ask(stage.database, swapped) == [(0,)]
    held = "SELECT source, reason, count(*) FROM ecluse.quarantine GROUP BY 1, 2 ORDER BY 1, 2"
    assert ask(stage.database, held) == [
        ("public.logs", "'user_id' is a user in quarantine", 4),
        ("public.notes", "'user_id' is a user in quarantine", 12),
        ("public.notes", "'user_id' is the id of no user", 3),
        ("public.quotas", "'user_id' is a user in quarantine", 4),
        ("public.users", "another user has this e-mail address", 2),
        ("public.users", "has no e-mail address", 1),
        ("public.users", "the e-mail address is not valid", 1),
    ]
    keys = (
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid), convalidated FROM pg_constraint "
        "WHERE contype = 'f' AND confrelid = 'auth.users'::regclass AND connamespace = 'public'::regnamespace "
        "ORDER BY 1"
    )
    cascade, null = "ON DELETE CASCADE", "ON DELETE SET NULL"
    assert ask(stage.database, keys) == [
        ("logs", f"FOREIGN KEY (user_id) REFERENCES auth.users(id) {null}", True),
        ("notes", f"FOREIGN KEY (user_id) REFERENCES auth.users(id) {cascade}", True),
        ("profiles", f"FOREIGN KEY (id) REFERENCES auth.users(id) {cascade}", True),
        ("quotas", f"FOREIGN KEY (user_id) REFERENCES auth.users(id) {cascade}", True),
        ("user_id_mapping", f"FOREIGN KEY (supabase_user_id) REFERENCES auth.users(id) {cascade}", True),
    ]


def test_a_rollback_gives_back_everything(stage: Stage) -> None:
    before = snapshot(stage.database)
    stage.apply()
    stage.rollback()
    same(snapshot(stage.database), before)
    stage.apply()
    stage.switch()
    stage.rollback()
    same(snapshot(stage.database), before)
    assert ask(stage.database, "SELECT count(*) FROM ecluse.parked") == [(0,)]


def test_what_the_new_application_writes_goes_home(stage: Stage) -> None:
    stage.apply()
    stage.switch()
    mine = "(SELECT supabase_user_id FROM user_id_mapping WHERE old_user_id = {})"
    load(
        stage.database,
        f"""
        UPDATE auth.users SET encrypted_password = '{NEW}', last_sign_in_at = '2026-02-02 12:00+00'
            WHERE id = {mine.format(2)};
        UPDATE auth.users SET email = 'ada@example.org' WHERE id = {mine.format(1)};
        UPDATE auth.identities SET identity_data = identity_data || '{{"email": "ada@example.org"}}'
            WHERE user_id = {mine.format(1)};
        UPDATE auth.users SET banned_until = NULL WHERE id = {mine.format(3)};
        UPDATE profiles SET theme = 'blue' WHERE id = {mine.format(1)};
        UPDATE notes SET body = 'edited' WHERE id = 1;
        INSERT INTO notes (user_id, body) VALUES ({mine.format(3)}, 'new');
        DELETE FROM auth.users WHERE id = {mine.format(9)};
        INSERT INTO auth.users (instance_id, id, aud, role, email, created_at, updated_at) VALUES
            ('00000000-0000-0000-0000-000000000000', '11111111-1111-4111-8111-111111111111', 'authenticated',
            'authenticated', 'new@example.com', now(), now());
        INSERT INTO notes (user_id, body) VALUES ('11111111-1111-4111-8111-111111111111', 'of somebody new');
        INSERT INTO quotas (user_id, bytes) VALUES ('11111111-1111-4111-8111-111111111111', 7);
        """,
    )
    stage.verify()
    stage.rollback()
    people = "SELECT id, email, password_hash, is_active, theme, last_login::text FROM users WHERE id IN (1, 2, 3, 9)"
    assert ask(stage.database, people + " ORDER BY 1") == [
        (1, "ada@example.org", BCRYPT, True, "blue", "2026-01-01 00:00:00"),
        (2, "bob@example.com", NEW, True, "light", "2026-02-02 12:00:00"),
        (3, "cleo@example.com", BCRYPT, True, "light", None),
    ]
    assert ask(stage.database, "SELECT user_id, body FROM notes WHERE id IN (1, 31)") == [(1, "edited"), (3, "new")]
    assert ask(stage.database, "SELECT count(*) FROM notes WHERE user_id = 9") == [(0,)]
    parked = "SELECT source, row->>'body' FROM ecluse.parked ORDER BY 1, 2"
    assert ask(stage.database, parked) == [("public.notes", "of somebody new"), ("public.quotas", None)]
    stays = "SELECT email FROM auth.users ORDER BY 1"
    assert ask(stage.database, stays) == [("grace@example.com",), ("new@example.com",)]


def test_new_tables_are_secured_and_published_in_the_same_switch(stage: Stage) -> None:
    stage.file.write_text(SECURED)
    before = snapshot(stage.database)
    stage.apply()
    stage.switch()
    stage.verify()
    [(ada,)] = ask(stage.database, "SELECT supabase_user_id::text FROM user_id_mapping WHERE old_user_id = 1")
    for table, rows in (("notes", 3), ("profiles", 1), ("user_id_mapping", 1)):
        assert ask(stage.database, as_user(ada), f"SELECT count(*) FROM {table}") == [(rows,)], table
    admin = as_user(GRACE, '{"app_metadata": {"role": "admin"}}')
    assert ask(stage.database, admin, "SELECT count(*) FROM notes") == [(15,)]
    published = "SELECT tablename::text FROM pg_publication_tables WHERE pubname = 'supabase_realtime'"
    assert ask(stage.database, published) == [("notes",)]
    stage.rollback()
    after = snapshot(stage.database)
    same_structure(after.catalog, before.catalog)
    same_rows(after, before)  # the probes' inserts have taken numbers of sequences, which nothing gives back


def test_a_role_that_does_not_own_the_accounts_can_import(stage: Stage) -> None:
    """As `postgres` of a Supabase: rights on the tables of auth, which belong to the auth service."""
    if ask(stage.database, "SELECT current_setting('server_version_num')::int < 150000") == [(True,)]:
        pytest.skip("in PostgreSQL 14 only a superuser may keep triggers from firing")
    load(
        stage.database,
        """
        CREATE ROLE mover LOGIN PASSWORD 'mover' BYPASSRLS IN ROLE anon, authenticated, service_role;
        GRANT USAGE, CREATE ON SCHEMA public TO mover; GRANT USAGE ON SCHEMA auth TO mover;
        GRANT ALL ON ALL TABLES IN SCHEMA auth TO mover;
        GRANT SET ON PARAMETER session_replication_role TO mover;
        ALTER TABLE users OWNER TO mover; ALTER TABLE notes OWNER TO mover; ALTER TABLE quotas OWNER TO mover;
        ALTER TABLE logs OWNER TO mover; ALTER TABLE tokens OWNER TO mover;
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO mover', current_database()); END $$;
        """,
    )
    try:
        before = snapshot(stage.database)
        mover = replace(stage, database=as_role(stage.database, "mover"))
        mover.apply()
        mover.switch()
        mover.verify()
        assert ask(stage.database, "SELECT count(*) FROM auth.users") == [(5,)]
        load(stage.database, f"UPDATE auth.users SET encrypted_password = '{NEW}' WHERE email = 'bob@example.com'")
        mover.rollback()
        assert ask(stage.database, "SELECT password_hash FROM users WHERE id = 2") == [(NEW,)]
        load(stage.database, "UPDATE users SET password_hash = 'pbkdf2_sha256$600000$salt$hash' WHERE id = 2")
        same_structure(snapshot(stage.database).catalog, before.catalog)
    finally:
        load(stage.database, "DROP OWNED BY mover CASCADE; DROP ROLE mover")


def as_role(database: Database, name: str) -> Database:
    """The same database for a role whose password is its name."""
    return replace(database, conninfo=make_conninfo(database.conninfo, user=name, password=name))
