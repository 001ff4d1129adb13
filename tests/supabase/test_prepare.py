"""A plain PostgreSQL that is prepared, on every server there is, and what is refused or left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.errors import MissingRights, PlanRefused
from ecluse.postgres.connect import Database
from ecluse.supabase.prepare import NEWEST, prepare
from ecluse.supabase.script import rights, steps
from tests.harness import load, same, snapshot
from tests.supabase.conftest import ROLES, ask, drop_roles

SUB = "0b0e4c7e-93a5-4bb8-8d3f-1c6f5a2d9e10"


@pytest.fixture(autouse=True)
def no_roles(request: pytest.FixtureRequest) -> Iterator[None]:
    """Roles belong to the server: none is there before or after a test."""
    name = "any_server_database" if "any_server_database" in request.fixturenames else "database"
    database: Database = request.getfixturevalue(name)
    drop_roles(database)
    yield
    drop_roles(database)


@contextmanager
def plain_role(database: Database, attributes: str = "") -> Iterator[Database]:
    """The database as seen by a role `visitor` that owns nothing."""
    load(database, f"CREATE ROLE visitor LOGIN {attributes}")
    yield replace(database, conninfo=make_conninfo(database.conninfo, user="visitor"))


def test_makes_all_of_it_once(any_server_database: Database) -> None:
    database = any_server_database
    found = prepare(database)
    assert {s.state for s in found.standings} <= {"made", "not offered"}
    assert {s.step.kind for s in found.standings if s.state == "not offered"} <= {"extension"}

    before = snapshot(database)
    again = prepare(database)
    assert again.of("made") == ()
    assert {s.state for s in again.standings} <= {"there", "not offered"}
    same(snapshot(database), before)


def test_a_dry_run_says_the_same_and_changes_nothing(database: Database) -> None:
    before = snapshot(database)
    would = prepare(database, dry_run=True)
    same(snapshot(database), before)
    assert ask(database, "SELECT count(*) FROM pg_roles WHERE rolname IN ('anon', 'authenticator')") == [(0,)]
    assert would.of("to do") == prepare(database).of("made")


def test_roles_have_the_attributes_and_memberships_that_applications_rely_on(any_server_database: Database) -> None:
    prepare(any_server_database)
    rows = ask(
        any_server_database,
        "SELECT rolname::text, rolcanlogin, rolinherit, rolbypassrls, rolsuper FROM pg_roles "
        f"WHERE rolname = ANY (ARRAY{list(ROLES)}) ORDER BY 1",
    )
    assert rows == [
        ("anon", False, True, False, False),
        ("authenticated", False, True, False, False),
        ("authenticator", True, False, False, False),
        ("service_role", False, True, True, False),
    ]
    for role in ROLES[:3]:
        become = ("SET SESSION AUTHORIZATION authenticator", f"SET ROLE {role}", "SELECT current_user::text")
        assert ask(any_server_database, *become) == [(role,)]
    assert ask(any_server_database, "SELECT rolpassword FROM pg_authid WHERE rolname = 'authenticator'") == [(None,)]


@pytest.mark.parametrize(
    "setting",
    [
        f"""request.jwt.claims = '{{"sub": "{SUB}", "role": "authenticated", "email": "a@b.c"}}'""",
        f"""request.jwt.claim.sub = '{SUB}'; SET LOCAL request.jwt.claim.role = 'authenticated';
            SET LOCAL request.jwt.claim.email = 'a@b.c'""",
    ],
    ids=["together", "one by one"],
)
def test_functions_read_the_claims_as_the_api_roles(database: Database, setting: str) -> None:
    prepare(database)
    who = "SELECT auth.uid()::text, auth.role(), auth.email()"
    for role in ("anon", "authenticated", "service_role"):
        assert ask(database, f"SET LOCAL ROLE {role}", f"SET LOCAL {setting}", who) == [(SUB, "authenticated", "a@b.c")]
        assert ask(database, f"SET LOCAL ROLE {role}", who) == [(None, None, None)]
    empty = "SET LOCAL request.jwt.claims = ''"  # what is left in a pooled session
    assert ask(database, empty, "SELECT auth.uid(), auth.jwt()") == [(None, None)]
    claims = """SET LOCAL request.jwt.claims = '{"app_metadata": {"role": "admin"}}'"""
    assert ask(database, claims, "SELECT auth.jwt() -> 'app_metadata' ->> 'role'") == [("admin",)]


def test_tables_take_what_the_auth_service_writes_and_nobody_reads_them_by_the_api(database: Database) -> None:
    prepare(database)
    rows = ask(
        database,
        "INSERT INTO auth.users (id, email, email_confirmed_at) VALUES ('" + SUB + "', 'A@b.c', '2026-01-01')",
        "INSERT INTO auth.identities (provider_id, user_id, identity_data, provider) "
        f"""VALUES ('{SUB}', '{SUB}', '{{"email": "A@B.C"}}', 'email')""",
        "INSERT INTO auth.sessions (id, user_id) VALUES (gen_random_uuid(), '" + SUB + "')",
        "INSERT INTO auth.refresh_tokens (token, user_id, session_id) SELECT 't', user_id, id FROM auth.sessions",
        "SELECT u.confirmed_at IS NOT NULL, u.phone_change, i.email, t.id FROM auth.users u "
        "JOIN auth.identities i ON i.user_id = u.id, auth.refresh_tokens t",
    )
    assert rows == [(True, "", "a@b.c", 1)]
    tables = ask(database, "SELECT relname FROM pg_class WHERE relnamespace = 'auth'::regnamespace AND relkind = 'r'")
    assert len(tables) == 23
    for role in ("anon", "authenticated", "service_role"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(database, f"SET LOCAL ROLE {role}", "SELECT count(*) FROM auth.users")
    assert ask(database, "SELECT max(version), count(*) FROM auth.schema_migrations") == [(NEWEST, 70)]


def test_new_tables_are_open_to_the_roles_and_old_ones_stay_closed(any_server_database: Database) -> None:
    load(any_server_database, "CREATE TABLE old (id int)")
    prepare(any_server_database)
    load(any_server_database, "CREATE TABLE new (id serial)")
    add = "INSERT INTO public.new DEFAULT VALUES RETURNING id"
    assert ask(any_server_database, "SET LOCAL ROLE anon", add) == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(any_server_database, "SET LOCAL ROLE service_role", "TABLE public.old")
    publication = "SELECT puballtables FROM pg_publication WHERE pubname = 'supabase_realtime'"
    assert ask(any_server_database, publication) == [(False,)]


def test_a_second_database_of_the_server_gets_only_what_it_lacks(database: Database, second_database: Database) -> None:
    prepare(database)
    found = prepare(second_database)
    assert {s.state for s in found.standings if s.step.area == "roles"} == {"there"}
    assert {s.state for s in found.standings if s.step.area == "realtime"} == {"made"}


def test_what_was_dropped_is_made_again_and_nothing_else(database: Database) -> None:
    prepare(database)
    load(database, "DROP FUNCTION auth.email(); DROP TABLE auth.one_time_tokens; DROP PUBLICATION supabase_realtime")
    made = [step.title for step in prepare(database).of("made")]
    assert made == ["table auth.one_time_tokens", "function auth.email()", "publication supabase_realtime"]


# --- refusals -----------------------------------------------------------------------------------------


def test_every_missing_right_is_named_at_once(any_server_database: Database) -> None:
    before = snapshot(any_server_database)
    with plain_role(any_server_database) as visitor, pytest.raises(MissingRights) as caught:
        prepare(visitor)
    details = caught.value.details
    for right in ("create roles", "exempt roles from row level security", "create in the database", "grant on public"):
        assert f"{right}: for " in details
    assert 'ALTER ROLE "visitor" CREATEROLE;' in caught.value.hint
    assert caught.value.state == "nothing was changed"
    same(snapshot(any_server_database), before)


def test_the_hints_are_enough(any_server_database: Database) -> None:
    """Whoever is given what the errors name can prepare the database without being a superuser."""
    with plain_role(any_server_database) as visitor:
        with pytest.raises(MissingRights) as caught:
            prepare(visitor)
        load(any_server_database, caught.value.hint)
        assert prepare(visitor).of("made")
        assert prepare(visitor).of("to do") == prepare(visitor).of("made") == ()


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid, email citext_like)", "auth.users has no column phone"),
        ("CREATE SCHEMA auth; CREATE TABLE auth.users (id text)", "column auth.users.id is text, not uuid"),
        (
            "CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql AS "
            "$$SELECT current_setting('app.user', true)::uuid$$",
            "auth.uid() does not read request.jwt.claims",
        ),
        (
            "CREATE SCHEMA auth; CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql AS $$SELECT 'anon'$$",
            "auth.role() does not read request.jwt.claims",
        ),
        ("CREATE ROLE anon BYPASSRLS", "role anon is exempt from row level security"),
        ("CREATE ROLE authenticator", "role authenticator cannot log in"),
    ],
)
def test_something_else_under_our_names_is_refused(database: Database, there: str, said: str) -> None:
    load(database, there.replace("citext_like", "text"))
    before = snapshot(database)
    with pytest.raises(PlanRefused) as caught:
        prepare(database)
    assert said in caught.value.details
    same(snapshot(database), before)


def test_a_failure_half_way_leaves_nothing(database: Database) -> None:
    """A relation of the name of an index of ours cannot be seen coming; it must not leave half of the parts."""
    load(database, "CREATE SCHEMA auth; CREATE VIEW auth.users_instance_id_idx AS SELECT 1")
    before = snapshot(database)
    with pytest.raises(Exception, match="already exists"):
        prepare(database)
    same(snapshot(database), before)
    assert ask(database, "SELECT count(*) FROM pg_roles WHERE rolname = 'anon'") == [(0,)]


# --- what others manage -------------------------------------------------------------------------------


def test_a_real_supabase_is_recognised_and_left_alone(database: Database) -> None:
    load(
        database,
        """CREATE ROLE supabase_admin; CREATE ROLE supabase_auth_admin; CREATE ROLE anon; CREATE ROLE service_role;
        CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin; CREATE TABLE auth.users (id uuid, new_column text);
        CREATE TABLE auth.schema_migrations (version text); INSERT INTO auth.schema_migrations VALUES ('2099');""",
    )
    before = snapshot(database)
    found = prepare(database)
    assert [step.title for step in found.of("made")] == ["publication supabase_realtime"]
    assert len(found.signs) == 2
    assert {step.area for step in found.of("left alone")} == {"roles", "schemas", "auth", "grants"}
    after = snapshot(database)
    assert after.rows == before.rows
    assert after.catalog.functions == before.catalog.functions


@pytest.mark.parametrize("newest", ["20240101000000", "20990101000000", None])
def test_tables_that_an_auth_service_keeps_are_its_own(database: Database, newest: str | None) -> None:
    load(database, "CREATE SCHEMA auth; CREATE TABLE auth.schema_migrations (version varchar(255) PRIMARY KEY)")
    if newest:
        load(database, f"INSERT INTO auth.schema_migrations VALUES ('{newest}')")
    found = prepare(database)
    assert {step.area for step in found.of("left alone")} == {"auth"}
    assert found.signs == (f"an auth service keeps schema auth: its migrations are at {newest or 'none'}",)
    assert "role authenticator" in [step.title for step in found.of("made")]


def test_titles_are_unique_and_every_need_is_a_known_right() -> None:
    for major in (14, 18):
        titles = [step.title for step in steps(major)]
        assert len(titles) == len(set(titles))
        known = {right.title for right in rights(major)}
        assert {step.needs for step in steps(major)} <= known | {""}
