"""`secure_rows` on a prepared database: rights, probes that find what was weakened, and an exact way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.engine import shape
from ecluse.engine.context import Connection, Run
from ecluse.engine.planner import check_fingerprint
from ecluse.errors import DatabaseChanged, ProofFailed
from ecluse.postgres.connect import Database
from ecluse.supabase.prepare import prepare
from tests.harness import Stage, load, same, snapshot
from tests.supabase.conftest import ask, drop_roles

ADA, BOB = "0b0e4c7e-93a5-4bb8-8d3f-1c6f5a2d9e10", "d5c6e1a2-7f0b-4e3d-9a8c-b1f2e3d4c5a6"
PROFILES = f"""
INSERT INTO auth.users (id, email) VALUES ('{ADA}', 'ada@example.com'), ('{BOB}', 'bob@example.com');
CREATE TABLE public.users (
    id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE, email text UNIQUE NOT NULL,
    first_name text, last_name text,
    full_name text GENERATED ALWAYS AS (coalesce(first_name || ' ' || last_name, first_name, last_name, email)) STORED,
    user_type text DEFAULT 'user', plan text DEFAULT 'free', language text DEFAULT 'fr',
    is_active boolean DEFAULT true, created_at timestamptz DEFAULT '2026-01-01');
INSERT INTO public.users (id, email, first_name) VALUES ('{ADA}', 'ada@example.com', 'Ada'),
    ('{BOB}', 'bob@example.com', 'Bob');
CREATE TABLE public.notes (id int PRIMARY KEY, author uuid REFERENCES public.users (id));
INSERT INTO public.notes VALUES (1, '{ADA}');
-- As found: a policy that reads its own table, and one that lets people promote themselves.
ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Users can update own profile" ON public.users FOR UPDATE USING (auth.uid() = id);
CREATE POLICY "Admins can view all profiles" ON public.users FOR SELECT
    USING (EXISTS (SELECT 1 FROM public.users u WHERE u.id = auth.uid() AND u.user_type = 'admin'));
COMMENT ON POLICY "Admins can view all profiles" ON public.users IS 'recurses';
"""
MIGRATION = """
name = "rows"
database = "app"

[[operation]]
kind = "secure_rows"
table = "public.users"
owner = "id"
owner_may = ["select", "update"]
admin = { claim = "app_metadata.role", values = ["admin", "super_admin"], may = ["select"] }
guarded = ["user_type", "plan"]
"""


@pytest.fixture
def stage(any_server_database: Database, tmp_path: Path) -> Iterator[Stage]:
    """The profiles of a real system on a prepared database, and a migration that secures them."""
    prepare(any_server_database)
    load(any_server_database, PROFILES)
    file = tmp_path / "rows.toml"
    file.write_text(MIGRATION)
    yield Stage(any_server_database, file)
    drop_roles(any_server_database)


def as_user(sub: str, claims: str = "{}") -> str:
    """Become somebody who is signed in."""
    return (
        "SET LOCAL ROLE authenticated; SELECT set_config('request.jwt.claims', "
        f"(jsonb_build_object('sub', '{sub}', 'role', 'authenticated') || '{claims}')::text, true)"
    )


def secured(stage: Stage) -> Stage:
    """After the switch."""
    assert stage.apply() == "ready"
    stage.switch()
    return stage


def test_everybody_reaches_their_own_rows_only(stage: Stage) -> None:
    with pytest.raises(psycopg.errors.InvalidObjectDefinition, match="infinite recursion"):
        ask(stage.database, as_user(ADA), "SELECT count(*) FROM users")
    secured(stage).verify()
    assert ask(stage.database, as_user(ADA), "SELECT email FROM users") == [("ada@example.com",)]
    admin = as_user(BOB, '{"app_metadata": {"role": "admin"}}')
    assert ask(stage.database, admin, "SELECT count(*) FROM users") == [(2,)]
    claimed = as_user(BOB, '{"user_metadata": {"role": "admin"}}')
    assert ask(stage.database, claimed, "SELECT count(*) FROM users") == [(1,)]
    assert ask(stage.database, "SET LOCAL ROLE service_role", "SELECT count(*) FROM users") == [(2,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(stage.database, "SET LOCAL ROLE anon", "SELECT count(*) FROM users")
    renamed = "UPDATE users SET first_name = 'X' RETURNING email"
    assert ask(stage.database, as_user(ADA), renamed) == [("ada@example.com",)]


@pytest.mark.parametrize("column", ["user_type", "plan"])
def test_nobody_promotes_themselves(stage: Stage, column: str) -> None:
    secured(stage)
    promote = f"UPDATE users SET {column} = 'x' WHERE id = '{ADA}' RETURNING 1"
    for who in (as_user(ADA), as_user(ADA, '{"app_metadata": {"role": "admin"}}')):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(stage.database, who, promote)
    assert ask(stage.database, "SET LOCAL ROLE service_role", promote) == [(1,)]


def test_the_plan_shows_what_each_role_sees_before_and_after(stage: Stage) -> None:
    def counts() -> list[str]:
        found = [h.message for h in stage.plan().hazards if h.id == "rows-reached"]
        return [message.removeprefix("rows of public.users that ") for message in found]

    before = snapshot(stage.database)
    assert counts() == [
        "anon sees: error 42P17 before, 0 after",  # the recursion
        "a user sees: error 42P17 before, 1 after",
        "another user sees: error 42P17 before, 1 after",
        "a user without rows sees: error 42P17 before, 0 after",
        "an admin sees: error 42P17 before, 2 after",
        "service_role sees: 2 before, 2 after",
    ]
    same(snapshot(stage.database), before)
    load(stage.database, "ALTER TABLE users DISABLE ROW LEVEL SECURITY; REVOKE ALL ON users FROM anon")
    assert counts()[:2] == ["anon sees: 0 before, 0 after", "a user sees: 2 before, 1 after"]


def test_rollback_gives_back_policies_rights_and_flag(stage: Stage) -> None:
    load(stage.database, "GRANT SELECT (email), UPDATE (email) ON users TO anon WITH GRANT OPTION")
    load(stage.database, "REVOKE DELETE ON users FROM authenticated; GRANT SELECT ON users TO PUBLIC")
    before = snapshot(stage.database)
    secured(stage).rollback()
    same(snapshot(stage.database), before)

    load(stage.database, "ALTER TABLE users DISABLE ROW LEVEL SECURITY")
    before = snapshot(stage.database)
    once = snapshot(secured(stage).database).catalog
    stage.rollback()
    same(snapshot(stage.database), before)
    assert any(table.rls and table.name.name == "users" for table in once.tables.values())


CHANGES = {
    "CREATE POLICY late ON users FOR DELETE USING (auth.uid() = id)": "policy late",
    'DROP POLICY "Users can update own profile" ON users': "policy Users can update own profile",
    "GRANT SELECT ON users TO PUBLIC": "SELECT",
    "ALTER TABLE users DISABLE ROW LEVEL SECURITY": "rls: was yes",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_since_the_plan_stops_the_switch(stage: Stage, change: str) -> None:
    """A rollback would put back what stood there when the plan was made."""
    planned = stage.plan()
    assert stage.apply() == "ready"
    load(stage.database, change)
    before = snapshot(stage.database)
    with pytest.raises(DatabaseChanged, match="definitions that 'rows' was planned for have changed") as caught:
        stage.switch()
    assert "public.users" in caught.value.details and CHANGES[change] in caught.value.details
    with pytest.raises(DatabaseChanged):
        check_fingerprint(planned, stage.plan())
    stage.rollback()
    same(snapshot(stage.database), before)
    secured(stage).rollback()
    same(snapshot(stage.database), before)


def test_what_changes_at_the_last_moment_stops_the_switch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the definitions and the locks."""
    assert stage.apply() == "ready"
    real, late = shape.check, iter(["CREATE POLICY late ON users FOR DELETE USING (true)"])

    def check(run: Run, conn: Connection) -> str:
        seen = real(run, conn)
        for statement in late:
            load(stage.database, statement)
        return seen

    monkeypatch.setattr(shape, "check", check)
    with pytest.raises(DatabaseChanged, match="have changed"):
        stage.switch()
    assert ask(stage.database, "SELECT count(*) FROM pg_policies WHERE tablename = 'users'") == [(3,)]


def test_securing_again_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    secured(stage)
    stage.finish(tmp_path / "archive")
    before = snapshot(stage.database)
    again = Stage(stage.database, tmp_path / "again.toml")
    again.file.write_text(MIGRATION.replace('"rows"', '"again"'))
    secured(again).finish(tmp_path / "archive")
    same(snapshot(stage.database), before)


@pytest.mark.parametrize(
    ("weakening", "said"),
    [
        ("CREATE POLICY wide ON users FOR SELECT USING (true)", "a user selects on public.users: 2 reached, not 1"),
        ("ALTER TABLE users DISABLE ROW LEVEL SECURITY", "a user selects on public.users: 2 reached, not 1"),
        (
            "CREATE POLICY wide ON users FOR SELECT TO anon USING (true); GRANT SELECT ON users TO anon",
            "anon selects on public.users: 2 reached, not 0",
        ),
        ("GRANT UPDATE ON users TO authenticated", "a user sets the guarded column user_type"),
        ("GRANT UPDATE (plan) ON users TO authenticated", "a user sets the guarded column plan"),
        (
            "GRANT INSERT ON users TO authenticated; CREATE POLICY wide ON users FOR INSERT WITH CHECK (true)",
            "a user inserts in the name of one user on public.users: 1 reached, not 0",
        ),
        (
            "GRANT DELETE ON users TO authenticated; CREATE POLICY wide ON users FOR DELETE USING (true)",
            "a user deletes on public.users",
        ),
        (
            """CREATE POLICY loose ON users FOR SELECT TO authenticated
               USING (auth.jwt() -> 'user_metadata' ->> 'role' = 'admin' OR auth.uid() IS NOT NULL)""",
            "a user selects on public.users: 2 reached, not 1",
        ),
        ('DROP POLICY "users: owner select" ON users', "a user selects on public.users: 0 reached, not 1"),
        ('DROP POLICY "users: admin select" ON users', "an admin selects on public.users: 0 reached, not 2"),
        ("REVOKE ALL ON users FROM service_role", "service_role selects on public.users: 0 reached, not 2"),
    ],
)
def test_probes_find_what_was_weakened_by_hand(stage: Stage, weakening: str, said: str) -> None:
    secured(stage).verify()
    load(stage.database, weakening)
    result = stage.engine().verify("rows")
    assert not result.passed
    failed = [probe.details for probe in result.probes if not probe.passed]
    assert any(said in details for details in failed), failed


def test_a_migration_that_ends_up_weaker_than_it_says_fails(stage: Stage) -> None:
    weaker = 'kind = "sql"\ntitle = "wide"\nup = "CREATE POLICY w ON public.users USING (true)"\n'
    stage.file.write_text(f'{MIGRATION}\n[[operation]]\n{weaker}down = "DROP POLICY w ON public.users"\n')
    stage.apply()
    with pytest.raises(ProofFailed) as caught:
        stage.engine().switch("rows")
    assert "a user selects on public.users: 2 reached, not 1" in caught.value.details
    stage.rollback()


def test_a_probe_that_writers_met_each_time_did_not_run(stage: Stage) -> None:
    """As when applications never stop to write what it counts."""
    met = """DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = 'serialization_failure'; END $$"""
    object_ = (
        'kind = "define"\ntitle = "f"\nup = "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS \'SELECT 1\'"\n'
    )
    stage.file.write_text(f'{MIGRATION}\n[[operation]]\n{object_}verify = """{met}"""\n')
    stage.apply()
    with pytest.raises(ProofFailed) as caught:
        stage.engine().switch("rows")
    assert "writers were in its way" in caught.value.details
    assert caught.value.hint == "ecluse verify rows"
    (probe,) = [p for p in stage.engine().verify("rows").probes if not p.passed]
    assert not probe.ran
    stage.rollback()


def test_the_probes_leave_no_trace(stage: Stage) -> None:
    before = snapshot(secured(stage).database)
    stage.verify()
    same(snapshot(stage.database), before)


def test_an_owner_may_be_a_text(stage: Stage) -> None:
    load(
        stage.database,
        f"""CREATE TABLE docs (id serial PRIMARY KEY, user_id text, body text);
        INSERT INTO docs (user_id) VALUES ('{ADA}'), ('{ADA}'), ('{BOB}'), ('whatsapp_+15551234567'), (NULL)""",
    )
    stage.file.write_text(
        'name = "rows"\n[[operation]]\nkind = "secure_rows"\ntable = "docs"\nowner = "user_id"\n'
        'owner_may = ["select", "insert", "update", "delete"]\nanon_may = []\n'
    )
    secured(stage).verify()
    assert ask(stage.database, as_user(ADA), "DELETE FROM docs RETURNING id") == [(1,), (2,)]
    theirs = f"INSERT INTO docs (id, user_id) VALUES (9, '{BOB}') RETURNING id"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(stage.database, as_user(ADA), theirs)
    assert ask(stage.database, as_user(BOB), theirs) == [(9,)]


def test_without_a_prepared_database_it_is_refused(database: Database, tmp_path: Path) -> None:
    load(database, "CREATE TABLE users (id uuid PRIMARY KEY)")
    stage = Stage(database, tmp_path / "rows.toml")
    stage.file.write_text('name = "rows"\n[[operation]]\nkind = "secure_rows"\ntable = "users"\nowner = "id"\n')
    refused = stage.plan().refused
    assert [h.id for h in refused] == ["no-supabase"]
    assert refused[0].hint == "ecluse supabase prepare app"
    assert "auth.uid()" in refused[0].message
