"""What goes wrong during an import through the admin API: what passes is waited for, what does not is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ecluse.errors import ImportStopped, Interrupted, ServiceUnavailable
from ecluse.model.report import Event
from ecluse.operations.people_sql import UNPROVED
from ecluse.postgres.connect import Database
from ecluse.supabase.users_by_api import MAKE, Choices
from tests.supabase.admin_api import AdminApiServer, serving
from tests.supabase.importing import KEY, carry_out, importing
from tests.supabase.legacy import BCRYPT, load_many, load_users, mapped


@pytest.fixture
def api() -> Iterator[AdminApiServer]:
    with serving(AdminApiServer(KEY)) as made:
        yield made


@pytest.fixture
def users(database: Database) -> Database:
    load_users(database)
    return database


@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("made 500", {}),
        ("made drop", {}),
        ("drop", {"times": 2}),
        ("create_failed", {}),
        ("too_many", {"times": 2}),
        ("upstream", {"times": 2}),
        ("upstream_away", {}),
        ("upstream_slow", {}),
        ("slow", {"times": 9}),
    ],
)
def test_what_passes_is_waited_for(users: Database, api: AdminApiServer, fault: str, more: dict[str, int]) -> None:
    api.fail(fault, **more)
    carry_out(users, api)
    assert api.emails() == sorted(f"{name}@example.com" for name in ("ada", "bob", "cleo", "there"))
    assert len(mapped(users)) == 4


def test_somebody_who_was_quicker_is_matched(users: Database, api: AdminApiServer) -> None:
    api.fail("race", after=1)
    with importing(users, api, choices=Choices(threads=1)) as work:
        work.survey(bodies=True)
        work.carry_out()
        assert not any(check.wrong for check in work.prove())
        assert (work.roster.summary().of("created"), work.roster.summary().of("matched")) == (3, 1)
    for uid, email in mapped(users).values():
        assert api.accounts[uid]["email"] == email


def test_somebody_who_was_quicker_and_never_confirmed_is_nobody(users: Database, api: AdminApiServer) -> None:
    api.fail("race of nobody", after=1)
    with importing(users, api, choices=Choices(threads=1)) as work:
        work.survey(bodies=True)
        work.carry_out()
        summary = work.roster.summary()
        assert (summary.of("created"), summary.of("matched")) == (3, 0)
        assert UNPROVED in {group.reason for group in summary.groups}
    assert len(mapped(users)) == 3


def test_two_imports_at_once_make_nobody_twice(users: Database, api: AdminApiServer) -> None:
    load_many(users, 60)
    with ThreadPoolExecutor(2) as pool:
        outcomes = [each.result() for each in [pool.submit(carry_out, users, api) for _ in range(2)]]
    assert outcomes[0] == outcomes[1]
    assert len(api.accounts) == len(mapped(users)) == 64


def test_an_address_with_signs_of_a_pattern_matches_letter_by_letter(database: Database, api: AdminApiServer) -> None:
    load_users(database, ((1, "a_b%c@example.com", BCRYPT, "A", "user", True),))
    api.add("axb-and-c@example.com")
    with importing(database, api) as work:
        work.survey(bodies=True)
        wanted = api.add("a_b%c@example.com")  # meanwhile
        work.carry_out()
        assert not any(check.wrong for check in work.prove())
    assert mapped(database)["1"][0] == wanted


def test_a_service_that_is_away_stops_the_import_which_then_goes_on(users: Database, api: AdminApiServer) -> None:
    load_many(users, 40)
    api.fail("upstream_away", after=10, times=1000)
    with importing(users, api, choices=Choices(batch=5)) as work:
        work.survey(bodies=True)
        with pytest.raises(ImportStopped, match="does not run") as stopped:
            work.carry_out()
    assert stopped.value.exit_status == 4
    assert " of 44 users are there" in stopped.value.state
    assert "same command again" in stopped.value.details
    there = len(mapped(users))
    assert 8 <= there <= 14
    assert stopped.value.state.startswith(f"{there} of 44")
    api.faults.clear()
    carry_out(users, api)
    assert len(api.accounts) == len(mapped(users)) == 44


def test_a_wait_that_the_service_asks_for_is_kept_and_one_too_long_is_told(
    users: Database, api: AdminApiServer
) -> None:
    api.fail("too_many", headers={"Retry-After": "3600"})
    with importing(users, api) as work:
        work.survey(bodies=True)
        with pytest.raises(ImportStopped, match="not to be asked again for 3600 s"):
            work.carry_out()


def test_users_whom_auth_refuses_are_told_and_tried_again(users: Database, api: AdminApiServer) -> None:
    api.fail("bad_email", after=1)
    with importing(users, api, choices=Choices(threads=1)) as work:
        work.survey(bodies=True)
        work.carry_out()
        checks = work.prove()
        assert [check.wrong for check in checks] == [1, 0, 0]
        failed = next(user for user in work.roster.outcomes() if user.outcome == "failed")
    assert failed.reason == "auth answers 400 validation_failed Unable to validate email address: invalid format"
    assert failed.supabase_user_id == ""
    assert failed.old_user_id not in mapped(users)
    carry_out(users, api)
    assert failed.old_user_id in mapped(users)


def test_a_trigger_that_refuses_everybody_stops_the_import(users: Database, api: AdminApiServer) -> None:
    load_many(users, 40)
    api.fail("create_failed", times=10_000)
    with importing(users, api) as work:
        work.survey(bodies=True)
        with pytest.raises(ImportStopped, match=r"a trigger on auth\.users fails"):
            work.carry_out()
    assert len(api.posted) < 100


@pytest.mark.parametrize(("key", "said"), [("anon", "not.*for service_role"), ("x", "does not know this key")])
def test_a_key_that_is_refused_is_explained_and_not_told(
    users: Database, api: AdminApiServer, key: str, said: str
) -> None:
    with importing(users, api, key=key) as work, pytest.raises(ServiceUnavailable, match=said) as refused:
        work.survey(bodies=False)
    assert refused.value.state == "nothing was changed"
    assert len(api.asked) == 1


def test_an_auth_service_that_takes_no_ids_is_refused(users: Database, api: AdminApiServer) -> None:
    api.version = "v2.154.1"
    with importing(users, api) as work, pytest.raises(ServiceUnavailable, match=r"older than v2\.155"):
        work.survey(bodies=False)
    api.version = ""
    api.fail("other id", times=100)
    with importing(users, api, choices=Choices(threads=1)) as work:
        work.survey(bodies=True)
        with pytest.raises(ImportStopped, match=r"older than v2\.155"):
            work.carry_out()
    assert api.accounts == {}


def test_a_stop_leaves_nothing_half_done(users: Database, api: AdminApiServer) -> None:
    load_many(users, 60)
    stop = threading.Event()

    def tell(event: Event) -> None:
        if event.kind == "progress" and event.step == MAKE and (event.done or 0) >= 20:
            stop.set()

    with importing(users, api, choices=Choices(batch=10), stop=stop) as work:
        work.tell = tell
        work.survey(bodies=True)
        with pytest.raises(Interrupted) as stopped:
            work.carry_out()
    assert stopped.value.state.startswith("20 of 64 users are there")
    assert len(mapped(users)) == len(api.accounts) == 20
    carry_out(users, api)
    assert len(api.posted) == 64


def test_the_rate_is_kept_by_all_threads_together(users: Database, api: AdminApiServer) -> None:
    load_many(users, 20)
    with importing(users, api, rate=40) as work:
        work.survey(bodies=True)
        began = time.monotonic()
        work.carry_out()
        assert time.monotonic() - began >= 23 / 40


def test_an_account_that_is_gone_fails_the_proof(users: Database, api: AdminApiServer) -> None:
    with importing(users, api) as work:
        work.survey(bodies=True)
        work.carry_out()
        uid, email = mapped(users)["1"]
        del api.accounts[uid]
        api.accounts[mapped(users)["2"][0]]["email"] = "changed@example.com"
        assert [check.wrong for check in work.prove()] == [0, 0, 2]
        assert email == "ada@example.com"


def test_a_proof_that_could_not_be_made_is_no_pass(users: Database, api: AdminApiServer) -> None:
    with importing(users, api) as work:
        work.survey(bodies=True)
        work.carry_out()
        api.fail("list_failed", "GET", times=100)
        with pytest.raises(ImportStopped, match="a token column is NULL") as stopped:
            work.prove()
    assert stopped.value.state.endswith("that they are was not proved")
