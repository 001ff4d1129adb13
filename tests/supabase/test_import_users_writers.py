"""What others write while users are imported: the auth service before the switch, the new application after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.engine.status import look
from ecluse.errors import LockNotTaken, ProofFailed, ValueRefused, WrongState
from ecluse.model.report import Event
from ecluse.postgres.connect import Database
from tests.harness import Halted, Listener, Stage, load, same, same_rows, same_structure, snapshot
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.people import account, staged
from tests.supabase.test_import_users_random import KNOWN, LEGACY, MIGRATION, BeforeJoining

FIRST, SECOND, _ = KNOWN
OWNER = "SELECT m.old_user_id FROM user_id_mapping m JOIN {} t ON t.user_id = m.supabase_user_id WHERE {}"
WHO = "SELECT old_user_id, matched FROM user_id_mapping WHERE supabase_user_id = '{}'"


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Iterator[Stage]:
    """Four users a@x.io to d@x.io, numbered from one, and no account of theirs."""
    yield staged(database, tmp_path, LEGACY, MIGRATION)
    drop_roles(database)


class WhenJoined(Listener):
    """Does something once, before rows join, or when those of `auth.users` have joined."""

    def __init__(self, kind: str, work: Callable[[], object]) -> None:
        super().__init__()
        self.kind, self.work, self.done = kind, work, False

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if (event.step, event.kind) == ("join", self.kind) and not self.done:
            self.done = True
            self.work()


def _look_again(stage: Stage) -> None:
    with pytest.raises(Halted):
        stage.switch(BeforeJoining())


# --- the auth service, before the switch --------------------------------------------------------------


def test_who_signs_up_meanwhile_is_matched(stage: Stage) -> None:
    stage.apply()
    load(stage.database, account(FIRST, "a@x.io"))
    stage.switch()
    stage.verify()
    assert ask(stage.database, WHO.format(FIRST)) == [(1, True)]
    assert ask(stage.database, "SELECT encrypted_password FROM auth.users WHERE email = 'a@x.io'") == [("their own",)]
    assert ask(stage.database, f"SELECT body FROM notes WHERE user_id = '{FIRST}'") == [("of 1",)]
    stage.rollback()
    assert ask(stage.database, "SELECT email FROM auth.users ORDER BY 1") == [("a@x.io",), ("grace@example.com",)]


@pytest.mark.parametrize("change", ["DELETE FROM auth.users", "UPDATE auth.users SET email = 'other@x.io'"])
def test_a_matched_account_goes_before_the_switch_or_during_it(stage: Stage, change: str) -> None:
    load(stage.database, account(FIRST, "a@x.io"))
    load(stage.database, account(SECOND, "b@x.io"))
    stage.apply()
    load(stage.database, f"{change} WHERE id = '{FIRST}'")
    change = change.replace("other", "another")
    with pytest.raises(ValueRefused, match="not there any more"):
        stage.switch(WhenJoined("done", lambda: load(stage.database, f"{change} WHERE id = '{SECOND}'")))
    assert ask(stage.database, "SELECT count(*) FROM auth.users WHERE email IN ('c@x.io', 'd@x.io')") == [(0,)]
    stage.switch()
    stage.verify()
    assert ask(stage.database, "SELECT count(*) FROM user_id_mapping WHERE NOT matched") == [(4,)]
    assert ask(stage.database, OWNER.format("notes", "t.id = 1")) == [(1,)]


def test_accounts_that_swap_their_addresses(stage: Stage) -> None:
    load(stage.database, account(FIRST, "a@x.io"))
    load(stage.database, account(SECOND, "b@x.io"))
    stage.apply()
    swap = "UPDATE auth.users SET email = '{}' WHERE id = '{}'"
    load(stage.database, ";".join(swap.format(*pair) for pair in (("-", FIRST), ("a@x.io", SECOND), ("b@x.io", FIRST))))
    _look_again(stage)
    load(stage.database, "UPDATE quotas SET bytes = 7 WHERE user_id = 1")
    stage.switch()
    stage.verify()
    assert ask(stage.database, WHO.format(SECOND)) == [(1, True)]
    assert ask(stage.database, f"SELECT bytes FROM quotas WHERE user_id = '{SECOND}'") == [(7,)]
    assert ask(stage.database, f"SELECT bytes FROM quotas WHERE user_id = '{FIRST}'") == [(2,)]


def test_an_account_that_is_one_user_after_the_other(stage: Stage) -> None:
    """The rows of each are found again when the account is nobody's."""
    load(stage.database, account(FIRST, "a@x.io"))
    stage.apply()
    for address in ("c@x.io", "b@x.io", "nobody@x.io"):
        load(stage.database, f"UPDATE auth.users SET email = '{address}' WHERE id = '{FIRST}'")
        _look_again(stage)
        stage.verify()
    stage.switch()
    stage.verify()
    assert ask(stage.database, f"SELECT count(*) FROM quotas WHERE user_id = '{FIRST}'") == [(0,)]


def test_a_deleted_account_that_holds_the_address(stage: Stage) -> None:
    load(stage.database, account(FIRST, "a@x.io", "deleted_at = now()"))
    stage.apply()
    stage.switch()
    held = "SELECT reason FROM ecluse.quarantine WHERE source = 'public.users'"
    assert ask(stage.database, held) == [
        ("an account of Supabase with this e-mail address was deleted, and holds it still",)
    ]


def test_a_sign_up_between_the_look_and_the_join(stage: Stage) -> None:
    before = snapshot(stage.database)
    stage.apply()
    with pytest.raises(ValueRefused, match="collides") as refused:
        stage.switch(WhenJoined("step", lambda: load(stage.database, account(FIRST, "a@x.io"))))
    assert "nothing was switched" in refused.value.state
    assert ask(stage.database, "SELECT count(*) FROM auth.users") == [(2,)]
    stage.verify()
    stage.switch()
    stage.verify()
    assert ask(stage.database, WHO.format(FIRST)) == [(1, True)]
    stage.rollback()
    load(stage.database, f"DELETE FROM auth.users WHERE id = '{FIRST}'")
    same(snapshot(stage.database), before)


def test_a_sign_up_that_waits_for_the_switch_is_not_kept_waiting(stage: Stage) -> None:
    """It waits for our rows, and the switch for its lock."""
    stage.apply()
    signed_up = threading.Thread(target=load, args=(stage.database, account(FIRST, "a@x.io")))

    def sign_up() -> None:
        signed_up.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid' AND query ~ '^INSERT'"
        while ask(stage.database, waits) == [(0,)]:
            pass

    with pytest.raises(LockNotTaken, match="waits for us"):
        stage.switch(WhenJoined("done", sign_up))
    signed_up.join()
    stage.switch()
    assert ask(stage.database, WHO.format(FIRST)) == [(1, True)]


# --- the new application, after it --------------------------------------------------------------------


def test_what_others_hang_on_an_account_keeps_it(stage: Stage) -> None:
    before = snapshot(stage.database).rows
    stage.apply()
    stage.switch()
    load(
        stage.database,
        """
        CREATE TABLE orders (id int PRIMARY KEY, who uuid REFERENCES auth.users ON DELETE CASCADE);
        INSERT INTO orders SELECT 1, id FROM auth.users WHERE email = 'a@x.io';
        INSERT INTO auth.sessions (id, user_id) SELECT gen_random_uuid(), id FROM auth.users;
        CREATE TABLE devices (id int PRIMARY KEY, session uuid REFERENCES auth.sessions ON DELETE CASCADE);
        INSERT INTO devices SELECT 1, s.id FROM auth.sessions s JOIN auth.users u ON u.id = s.user_id
            WHERE u.email = 'b@x.io';
        INSERT INTO auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
            SELECT gen_random_uuid(), id, 'totp', 'verified', now(), now() FROM auth.users WHERE email = 'c@x.io';
        INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
            SELECT 'g1', id, '{"sub": "g1"}', 'google', now(), now() FROM auth.users WHERE email = 'd@x.io';
        """,
    )
    stage.verify()
    heard = Listener()
    stage.rollback(heard)
    accounts = ask(stage.database, "SELECT email FROM auth.users ORDER BY 1")
    assert accounts == [("a@x.io",), ("b@x.io",), ("grace@example.com",)]
    assert ask(stage.database, "SELECT count(*) FROM orders") == [(1,)]
    assert ask(stage.database, "SELECT count(*) FROM devices") == [(1,)]
    parked = "SELECT source, row->>'provider_id' FROM ecluse.parked ORDER BY 1"
    assert ask(stage.database, parked) == [("auth.identities", "g1"), ("auth.mfa_factors", None)]
    assert len([e for e in heard.events if e.kind == "warn" and "stay there" in e.message]) == 2
    assert {t: r for t, r in snapshot(stage.database).rows.items() if t.startswith("public.") and t in before} == {
        t: r for t, r in before.items() if t.startswith("public.")
    }
    stage.apply()
    stage.switch()
    stage.verify()


def test_nobody_can_refer_to_an_account_that_is_leaving(stage: Stage) -> None:
    """Who is half way when the accounts leave: the row comes first and keeps the account, or is refused."""
    stage.apply()
    stage.switch()
    load(stage.database, "CREATE TABLE orders (who uuid REFERENCES auth.users ON DELETE CASCADE)")
    with psycopg.connect(stage.database.conninfo) as late:

        def hold(name: str) -> None:
            if name == "parked":
                late.execute("INSERT INTO orders SELECT id FROM auth.users WHERE email = 'a@x.io'")

        taken = threading.Thread(target=stage.rollback, args=(Listener(on_record=hold),))
        taken.start()
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'ecluse%'"
        )
        while ask(stage.database, waits) == [(0,)] and taken.is_alive():
            pass
        late.commit()
    taken.join()
    assert ask(stage.database, "SELECT count(*) FROM orders JOIN auth.users u ON u.id = who") == [(1,)]


def test_what_the_old_table_cannot_be_without(database: Database, tmp_path: Path) -> None:
    columns = "full_name text NOT NULL, role varchar(9) NOT NULL DEFAULT 'user', seen timestamp NOT NULL DEFAULT now()"
    legacy = (
        LEGACY.replace("full_name text", columns)
        .replace("INTO users SELECT", "INTO users (id, email, password_hash, full_name) SELECT")
        .replace("email text", "email text NOT NULL")
    )
    stage = staged(
        database, tmp_path, legacy, MIGRATION.replace('"public.users"', '"public.users"\ncreated_at = "seen"', 1)
    )
    stage.apply()
    stage.switch()
    load(
        database,
        """
        UPDATE auth.users SET raw_user_meta_data = '{}', raw_app_meta_data = '{"provider": "email", "providers": []}',
            email = 'new@x.io' WHERE email = 'a@x.io';
        UPDATE auth.users SET email = NULL, phone = '123' WHERE email = 'b@x.io';
        """,
    )
    stage.verify()
    stage.rollback()
    found = ask(database, "SELECT id, email, full_name, role FROM users WHERE id < 4 ORDER BY 1")
    assert found == [(1, "new@x.io", "", "user"), (3, "c@x.io", "N3", "user")]
    assert ask(database, "SELECT row->>'phone' IS NOT NULL FROM ecluse.parked WHERE source = 'auth.users'")
    drop_roles(database)


def test_an_account_is_deleted_that_the_archive_refers_to(stage: Stage) -> None:
    """The kept table has nobody to refer to: its rows stay, and its key says that it does not hold."""
    load(
        stage.database,
        "CREATE TABLE tokens (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO tokens VALUES (1, 1)",
    )
    stage.file.write_text(MIGRATION + '[[operation]]\nkind = "archive_table"\ntable = "public.tokens"\n')
    before = snapshot(stage.database)
    stage.apply()
    stage.switch()
    load(stage.database, "DELETE FROM auth.users WHERE email = 'a@x.io'")
    heard = Listener()
    stage.rollback(heard)
    assert [e.message for e in heard.events if "NOT VALID" in e.message]
    assert ask(stage.database, "SELECT user_id FROM tokens") == [(1,)]
    load(
        stage.database,
        "INSERT INTO users VALUES (1, 'a@x.io'); ALTER TABLE tokens VALIDATE CONSTRAINT tokens_user_id_fkey",
    )
    same_structure(snapshot(stage.database).catalog, before.catalog)


# --- quarantine -----------------------------------------------------------------------------------------


def test_a_corrected_address_is_tried_again(stage: Stage) -> None:
    load(stage.database, "UPDATE users SET email = 'bad' WHERE id = 1")
    stage.apply()
    load(stage.database, "UPDATE users SET email = 'good@x.io' WHERE id = 1")
    tried = stage.engine().retry("people")
    assert tried.carried == 4, "the user, a note, a quota and its part"
    stage.verify()
    load(stage.database, "UPDATE users SET email = 'bad' WHERE id = 2")
    stage.switch()
    load(stage.database, "UPDATE ecluse_kept_people.users SET email = 'better@x.io' WHERE id = 2")
    with pytest.raises(WrongState, match="settled by the switch"):
        stage.engine().retry("people")
    stage.verify()


def test_an_account_that_nobody_confirmed_is_nobodys(stage: Stage) -> None:
    """Whoever signs up with somebody's address before the switch must not be given what is theirs."""
    before = snapshot(stage.database)
    load(stage.database, account(SECOND, "a@x.io", "email_confirmed_at = NULL"))
    stage.apply()
    stage.switch()
    stage.verify()
    assert ask(stage.database, "SELECT count(*) FROM user_id_mapping WHERE email = 'a@x.io'") == [(0,)]
    assert ask(stage.database, f"SELECT count(*) FROM notes WHERE user_id = '{SECOND}'") == [(0,)]
    reason = "SELECT reason FROM ecluse.quarantine WHERE source = 'public.users' AND lower(row->>'email') = 'a@x.io'"
    [(why,)] = ask(stage.database, reason)
    assert "never confirmed" in why
    stage.rollback()
    load(stage.database, f"DELETE FROM auth.users WHERE id = '{SECOND}'")
    same_rows(snapshot(stage.database), before)


def test_one_that_nobody_confirmed_and_that_goes_before_the_switch_makes_room(stage: Stage) -> None:
    load(stage.database, account(SECOND, "a@x.io", "email_confirmed_at = NULL"))
    stage.apply()
    load(stage.database, f"DELETE FROM auth.users WHERE id = '{SECOND}'")
    stage.switch()
    stage.verify()
    assert ask(stage.database, "SELECT matched FROM user_id_mapping WHERE email = 'a@x.io'") == [(False,)]


def test_rows_that_went_to_quarantine_since_the_proof_are_told(stage: Stage) -> None:
    """Somebody takes another's address in other letters: both are held, and nobody should learn it afterwards."""
    stage.apply()
    load(stage.database, "UPDATE users SET email = 'B@x.io' WHERE email = 'a@x.io'")
    heard = Listener()
    stage.switch(heard)
    told = [event.message for event in heard.events if event.kind == "warn"]
    assert any(message.startswith("2 more rows of public.users are in quarantine") for message in told), told
    stage.verify()


def test_what_the_last_proof_denies_is_not_switched(stage: Stage) -> None:
    stage.apply()
    load(stage.database, "UPDATE ecluse_next_people.notes SET body = 'broken'")
    assert not stage.engine().verify("people").passed
    with pytest.raises(ProofFailed, match="does not hold"):
        stage.switch()
    stage.rollback()


def test_an_account_that_goes_while_a_run_is_stopped_does_not_stop_it_for_ever(stage: Stage) -> None:
    load(stage.database, account(FIRST, "a@x.io"))
    with pytest.raises(Halted):
        stage.apply(BeforeProof())
    load(stage.database, f"DELETE FROM auth.users WHERE id = '{FIRST}'")
    assert stage.resume() == "ready"
    stage.switch()
    stage.verify()
    assert ask(stage.database, "SELECT matched FROM user_id_mapping WHERE email = 'a@x.io'") == [(False,)]


class BeforeProof(Listener):
    """Halts a run when its stage `verify` begins."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if (event.step, event.kind) == ("verify", "step"):
            raise Halted(event.step)


def test_status_says_that_a_rollback_which_died_has_something_left_to_do(stage: Stage) -> None:
    stage.apply()
    stage.switch()
    with pytest.raises(Halted):
        stage.rollback(OnceRolledBack())
    assert look(stage.database).runs[0].next == ("ecluse rollback people",)
    stage.rollback()
    assert look(stage.database).runs[0].next == ()


class OnceRolledBack(Listener):
    """Halts a run when its rollback is committed."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if (event.kind, event.step) == ("journal", "rolled back"):
            raise Halted(event.step)
