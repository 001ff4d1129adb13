"""The checks of a Supabase: nothing is wrong with one that was prepared, and each broken invariant is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.checkup.check import Patient
from ecluse.checkup.examine import examine, examine_database
from ecluse.checkup.registry import CHECKS
from ecluse.postgres.connect import Database, open_session
from ecluse.supabase.prepare import prepare
from tests.harness import load
from tests.supabase.conftest import drop_roles
from tests.supabase.people import account

ALL = frozenset(check.id for check in CHECKS)
ADA, BOB = "0b0e4c7e-93a5-4bb8-8d3f-1c6f5a2d9e10", "1b0e4c7e-93a5-4bb8-8d3f-1c6f5a2d9e10"
IDENTITY = (
    "INSERT INTO auth.identities (user_id, provider, provider_id, identity_data, created_at, updated_at) "
    "SELECT id, 'email', id, jsonb_build_object('sub', id, 'email', email), now(), now() FROM auth.users;"
)
APPLICATION = """
UPDATE auth.users SET raw_app_meta_data = '{"provider": "email", "providers": ["email"], "team": "red"}';
CREATE TABLE public.notes (id uuid PRIMARY KEY, owner uuid NOT NULL REFERENCES auth.users);
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.notes TO authenticated USING (owner = (SELECT auth.uid()));
CREATE POLICY team ON public.notes FOR SELECT TO authenticated
    USING ((auth.jwt() -> 'app_metadata' ->> 'team') = 'red');
CREATE POLICY service ON public.notes USING (auth.role() = 'service_role');
CREATE TABLE public.user_id_mapping (old_user_id int PRIMARY KEY, supabase_user_id uuid NOT NULL UNIQUE);
ALTER TABLE public.user_id_mapping ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.user_id_mapping FOR SELECT TO authenticated USING (supabase_user_id = auth.uid());
"""
MAP = f"INSERT INTO public.user_id_mapping VALUES (1, '{ADA}');"
FAULTS = {
    "accounts-broken": {
        "UPDATE auth.users SET confirmation_token = NULL": "2 accounts: NULL where the auth service reads a text",
        f"UPDATE auth.users SET instance_id = NULL WHERE id = '{ADA}'": "1 account: found by nobody",
        f"UPDATE auth.users SET email = 'Ada@example.com' WHERE id = '{ADA}'": "not in lower case",
        f"UPDATE auth.users SET phone = '' WHERE id = '{ADA}'": "an empty phone number",
        "UPDATE auth.users SET raw_app_meta_data = '{}'": "2 accounts: no provider",
    },
    "email-twice": {f"UPDATE auth.users SET email = 'BOB@example.com' WHERE id = '{ADA}'": "1 address is shared"},
    "accounts-without-identity": {"DELETE FROM auth.identities": "2 accounts without an identity"},
    "mapped-to-nobody": {
        f"INSERT INTO public.user_id_mapping VALUES (2, '{ADA[:-1]}1')": "1 line of public.user_id_mapping"
    },
    "policy-reads-missing-claim": {
        "UPDATE auth.users SET raw_app_meta_data = raw_app_meta_data - 'team'": "policy team of public.notes reads "
        "app_metadata.team, which no account has"
    },
    "auth-functions-wrong": {
        "CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql AS "
        f"$$SELECT '{ADA}'::uuid$$": "auth.uid() does not read request.jwt.claims"
    },
    "open-to-the-api": {"CREATE TABLE public.t (id int PRIMARY KEY); GRANT SELECT ON public.t TO anon": "anon may use"},
}


@pytest.fixture
def stack(any_server_database: Database) -> Iterator[Database]:
    """A prepared database with two accounts and an application."""
    drop_roles(any_server_database)
    prepare(any_server_database)
    load(any_server_database, account(ADA, "ada@example.com") + account(BOB, "bob@example.com") + IDENTITY)
    load(any_server_database, APPLICATION + MAP)
    yield any_server_database
    drop_roles(any_server_database)


def test_a_prepared_database_is_sound_and_each_fault_in_it_is_counted_and_put_right(stack: Database) -> None:
    sound = examine_database(stack, Path(), ALL)
    assert [f for f in sound if f.level in ("wrong", "warning") or not f.seen] == []
    missed = []
    for id_, cases in FAULTS.items():
        for change, words in cases.items():
            with open_session(stack) as conn, conn.transaction(force_rollback=True):
                conn.execute(change.encode())
                found = list(examine(Patient(conn, stack, Path()), {id_}))
            if not any(words in f.found and f.level in ("wrong", "warning") for f in found):
                missed.append((id_, change, found))
            assert "ada@" not in str(found).lower()
    assert missed == []
    _put_right(stack)


def _put_right(stack: Database) -> None:
    """The statements that are shown for broken accounts are run, and nothing is wrong any more."""
    load(
        stack,
        "UPDATE auth.users SET confirmation_token = NULL, updated_at = NULL, instance_id = NULL, aud = NULL, "
        f"email = upper(email), raw_app_meta_data = NULL; UPDATE auth.users SET phone = '' WHERE id = '{ADA}';"
        "DELETE FROM auth.identities",
    )
    ids = {"accounts-broken", "accounts-without-identity"}
    found = [f for f in examine_database(stack, Path(), ids) if f.level != "good"]
    assert len(found) == 6
    for each in found:
        load(stack, each.fix)
    assert {f.level for f in examine_database(stack, Path(), ids)} == {"good"}
