"""Profiles that had ids of their own: each gets the id of its account, and what is not proved is held."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.engine.status import unfinished_plan
from ecluse.errors import EcluseError
from ecluse.model.plan import Plan
from ecluse.operations.inputs import read_again
from ecluse.postgres.connect import Database
from ecluse.postgres.project import read_migration
from tests.harness import Listener, Writer, same, snapshot, without_traces
from tests.recipes.two import NINTH, Two, account, as_user, switched, two


@pytest.fixture
def live(database: Database, people: Database, tmp_path: Path) -> Two:
    """Profiles that have ids of their own, with every mistake that was seen."""
    made = two(database, people, tmp_path, "L3-profiles")
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("ALTER TABLE public.invitations RENAME TO letters")
    made.write()
    return made


HELD = "SELECT row ->> 'email', reason FROM ecluse.quarantine WHERE state = 'held' ORDER BY 1"
UNDECIDED = [
    ("person12@example.com", "its e-mail is that of another account"),
    ("person1@example.com", "the profile names no account"),
    ("person2@example.com", "more than one profile claims the account"),
    ("person6@example.com", "there is no account of that id"),
    ("second@example.com", "more than one profile claims the account"),
]


def test_profiles_get_the_ids_of_their_accounts_and_nobody_gets_anothers(live: Two) -> None:
    before = dict(live.ask("SELECT id, to_jsonb(u) - 'id' - 'auth_user_id' - 'updated_at' FROM users u"))
    accounts = dict(live.ask("SELECT id, auth_user_id FROM users"))
    switched(live).profiles.verify()
    assert sorted(live.ask(HELD)) == sorted(UNDECIDED)
    carried = live.ask("SELECT id, profile_id, auth_user_id, to_jsonb(u) FROM users u")
    assert len(carried) == len(before) - len(UNDECIDED)
    by_email = [row["email"] for id_, former, _, row in carried if accounts[former] is None]
    assert by_email == ["PERSON5@example.com"]  # there is just one account with it, and no other profile
    for id_, former, account_id, row in carried:
        assert id_ == account_id
        assert accounts[former] in (account_id, None)
        assert {name: row[name] for name in before[former]} == before[former]
    # Nobody who is undecided got a second profile, and nobody else's was taken for theirs.
    left = live.ask("SELECT email FROM accounts_without_profile WHERE reason = 'none was made yet'")
    assert sorted(left) == sorted((f"person{n}@example.com",) for n in (1, 2, 2, 6, 11, 12))
    # Queries that ask by auth_user_id, and policies that never let anybody in, work now.
    [(one,)] = live.ask(NINTH)
    assert live.ask(as_user(one), "SELECT email FROM users WHERE auth_user_id = auth.uid()") == [
        ("person9@example.com",)
    ]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        live.ask(as_user(one), "UPDATE users SET is_admin = true")
    assert live.ask(account("new@example.com"), "SELECT id = auth_user_id FROM users WHERE email = 'new@example.com'")


def test_what_was_undecided_is_carried_once_people_have_decided(live: Two) -> None:
    switched(live)
    second = "SELECT id, auth_user_id FROM ecluse_kept_two_databases_people.users WHERE email = 'second@example.com'"
    [(other, second_account)] = live.ask(second)
    [(first,)] = live.ask("SELECT row ->> 'id' FROM ecluse.quarantine WHERE row ->> 'email' = 'person2@example.com'")
    [(company,)] = live.ask("SELECT id FROM auth.users WHERE is_sso_user")
    file = live.folder / "two_databases_people" / "accounts.csv"
    file.write_text(f"{file.read_text()}{other},{company}\n{first},{second_account}\n")
    migration = read_migration(live.profiles.file)
    inputs = read_again(migration, stored(live).inputs)
    live.profiles.engine().retry(migration.name, None, inputs)
    decided = "SELECT email, id::text FROM users WHERE email ~ 'person2@|second' ORDER BY email COLLATE \"C\""
    assert live.ask(decided) == [
        ("person2@example.com", str(second_account)),
        ("second@example.com", str(company)),
    ]
    live.profiles.verify()


def test_a_rollback_gives_back_the_very_profiles_and_what_was_written_since(live: Two) -> None:
    before = snapshot(live.people)
    switched(live).profiles.rollback()
    after = snapshot(live.people)
    same(replace(after, catalog=without_traces(after.catalog)), before)

    switched(live)
    [(one,)] = live.ask(NINTH)
    live.tell(f"UPDATE users SET first_name = 'Written since', timezone = 'Europe/Paris' WHERE id = '{one}'")
    live.tell(account("new@example.com", said='{"first_name": "New"}'))
    live.tell("DELETE FROM auth.users WHERE email = 'person3@example.com'")
    assert live.ask("SELECT email FROM users WHERE email = 'person3@example.com'") == []
    live.profiles.verify()
    live.profiles.rollback()
    home = "SELECT first_name, auth_user_id::text FROM users WHERE email = '{}'"
    assert live.ask(home.format("person9@example.com")) == [("Written since", one)]
    [(first_name, id_)] = live.ask(home.format("new@example.com"))
    assert first_name == "New" and live.ask(f"SELECT 1 FROM auth.users WHERE id = '{id_}'") == [(1,)]
    assert live.ask(home.format("person3@example.com")) == []
    parked = live.ask("SELECT row ->> 'email', row ->> 'timezone' FROM ecluse.parked")
    assert ("person9@example.com", "Europe/Paris") in parked
    # The trigger of before makes profiles of the old shape again.
    made = "SELECT id = auth_user_id FROM users WHERE email = 'again@example.com'"
    assert live.ask(account("again@example.com"), made) == [(True,)]


def stored(found: Two) -> Plan:
    """The plan of the run."""
    run = unfinished_plan(found.people, found.profiles.name)
    assert run is not None
    return run[1]


def test_people_go_on_signing_up_and_writing(live: Two) -> None:
    old = [
        account("new{n}@example.com", said='{"first_name": "New"}'),
        "UPDATE users SET first_name = 'old {n}' WHERE email = 'person9@example.com'",
        "UPDATE users SET country = 'n{n}' WHERE email = 'second@example.com'",  # in quarantine
    ]
    new = [
        account("late{n}@example.com", said='{"first_name": "Late"}'),
        "UPDATE users SET first_name = 'new {n}' WHERE email = 'person9@example.com'",
        "DELETE FROM auth.users WHERE email = 'late{n}@example.com' AND {n} % 5 = 0",
    ]
    before, since = Writer(live.people, old), Writer(live.people, new)
    with before.running():
        assert live.profiles.apply() == "ready"
    before.rounds(3)
    live.profiles.switch()
    with since.running():
        live.profiles.verify()
        time.sleep(0.5)
    live.profiles.verify()
    live.profiles.rollback()
    assert not (before.failures or since.failures)
    came = {n for line, n in before.committed if line == 0}
    late = {n for line, n in since.committed if line == 0}
    gone = {n for line, n in since.committed if line == 2 and n % 5 == 0}
    assert live.ask("SELECT count(*) FROM users WHERE first_name = 'New' AND auth_user_id = id") == [(len(came),)]
    assert live.ask("SELECT count(*) FROM users WHERE first_name = 'Late'") == [(len(late - gone),)]
    last = max(n for line, n in since.committed if line == 1)
    assert live.ask("SELECT first_name FROM users WHERE email = 'person9@example.com'") == [(f"new {last}",)]
    last = max(n for line, n in before.committed if line == 2)
    assert live.ask("SELECT country FROM users WHERE email = 'second@example.com'") == [(f"n{last}",)]


def test_a_profile_whose_account_goes_while_it_is_built_stops_the_run_before_the_switch(live: Two) -> None:
    def leave(record: str) -> None:
        if record == "copied":
            live.tell("DELETE FROM auth.users WHERE email = 'person9@example.com'")

    with pytest.raises(EcluseError) as caught:
        live.profiles.apply(Listener(on_record=leave))
        live.profiles.switch()
    assert "users_id_fkey" in caught.value.details + caught.value.message
    live.tell("DELETE FROM users WHERE email = 'person9@example.com'")
    assert live.profiles.resume() == "ready"
    live.profiles.switch()
    live.profiles.verify()
