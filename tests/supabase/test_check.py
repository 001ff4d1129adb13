"""`supabase check` against servers that behave as the services do: whole, and each failing in its own way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from ecluse.errors import SettingsError, WrongUsage
from ecluse.postgres.connect import Database
from ecluse.supabase.check import Choices, check_stack
from ecluse.supabase.keys import new_env
from ecluse.supabase.outcomes import Outcome, Record
from ecluse.supabase.prepare import prepare
from ecluse.supabase.probe import Patience
from tests.supabase.conftest import drop_roles
from tests.supabase.fake_stack import FakeStack, running

VALUES = new_env("http://localhost:8000", datetime.now(UTC)).values
QUICK = Patience(schema=0.5, change=1.0, again=0.4)


@pytest.fixture
def stack(database: Database) -> Iterator[FakeStack]:
    """A stack in which everything works."""
    drop_roles(database)
    prepare(database)
    with running(FakeStack(dict(VALUES), database)) as made:
        yield made
    drop_roles(database)


def check(stack: FakeStack, *faults: str, health_only: bool = False, timeout: float = 5) -> Record:
    """What is found on the stack with these faults."""
    stack.faults.update(faults)
    choices = Choices(stack.url, health_only, timeout, QUICK)
    return check_stack(VALUES, choices, lambda outcome: None)


def failed(record: Record) -> list[Outcome]:
    """What failed."""
    return [outcome for outcome in record.outcomes if outcome.state == "failed"]


def left(database: Database) -> list[str]:
    """Tables that a check left behind."""
    with psycopg.connect(database.conninfo) as conn:
        return [row[0] for row in conn.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'ecluse_check%%'")]


def test_a_stack_that_works(stack: FakeStack) -> None:
    found = check(stack)
    assert found.good, failed(found)
    assert [outcome.service for outcome in found.outcomes] == [
        *["gateway"] * 5,
        *("auth", "rest", "realtime", "storage", "meta", "db", "studio"),
        *("meta", "auth", "auth", "rest", "realtime", "auth", "meta"),
    ]
    assert (stack.people, left(stack.database)) == ({}, [])


def test_health_makes_nothing(stack: FakeStack) -> None:
    found = check(stack, health_only=True)
    assert found.good
    assert len(found.outcomes) == 12
    assert {asked.split()[0] for asked in stack.asked if "/pg/query" not in asked} == {"GET"}


def test_a_gateway_that_keeps_the_description_from_browsers_is_no_fault(stack: FakeStack) -> None:
    assert check(stack, "anon root", health_only=True).good


def test_an_interrupt_leaves_nothing_behind(stack: FakeStack) -> None:
    def interrupt(outcome: Outcome) -> None:
        if outcome.title == "a person signs in":
            assert (len(stack.people), len(left(stack.database))) == (1, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_stack(VALUES, Choices(stack.url, patience=QUICK), interrupt)
    assert (stack.people, left(stack.database)) == ({}, [])


def test_realtime_that_needs_a_second_try_is_no_fault(stack: FakeStack) -> None:
    assert check(stack, "late").good


@pytest.mark.parametrize(
    ("fault", "service", "why", "hint"),
    [
        ("other keys", "gateway", "it was started with other keys than .env has now", "--force-recreate gateway"),
        ("no publishable", "gateway", "it was started with other keys than .env has now", "--force-recreate gateway"),
        ("gateway open", "gateway", "without any key", "supabase compose"),
        (
            "not a gateway",
            "gateway",
            "something else is there: to a request without a key it answers 404",
            "KONG_HTTP_PORT",
        ),
        ("auth down", "auth", "does not listen", "logs auth"),
        ("auth away", "auth", "does not run", "logs auth"),
        ("auth secret", "auth", "does not have the key that signed", "keys check"),
        ("trigger", "auth", "a trigger on auth.users fails", "logs auth"),
        ("null tokens", "auth", "NULL where '' is needed", "logs auth"),
        ("no password", "auth", "the password is not the one", "logs auth"),
        ("mixed up", "auth", "not that of the person who signed in", "logs auth"),
        ("person stays", "auth", "500 unexpected_failure Database error deleting user", "logs auth"),
        ("rest away", "rest", "does not run", "logs rest"),
        ("rest secret", "rest", "does not have the key that signed", "keys check"),
        ("rest expired", "rest", "the clocks", "keys check"),
        ("rest login", "rest", "cannot log in to the database", "first start"),
        ("rest cache", "rest", "does not see the table", "logs rest"),
        ("no row security", "rest", "a person reads rows of others", "psql"),
        ("no claims", "rest", "the role has no right to the table, or a policy refuses", "logs rest"),
        ("realtime down", "realtime", "does not listen", "logs realtime"),
        ("realtime signature", "realtime", "another JWT_SECRET or JWT_JWKS", "--force-recreate realtime"),
        ("join refused", "realtime", "another JWT_SECRET or JWT_JWKS", "--force-recreate realtime"),
        ("unpublished", "realtime", "not in the publication", "logs realtime"),
        ("never subscribed", "realtime", "did not say within 1 s", "logs realtime"),
        ("hangs up", "realtime", "closed the connection", "logs realtime"),
        ("no socket", "realtime", "realtime answers 200", "logs realtime"),
        ("silent", "realtime", "rows were written, and it told of none within 1 s", "pg_replication_slots"),
        ("tells all", "realtime", "rows of others", "psql"),
        ("storage down", "storage", "does not listen", "logs storage"),
        ("meta away", "meta", "does not run", "logs meta"),
        ("read only", "meta", "read-only transaction", "logs meta"),
        ("no wal", "db", "wal_level is 'replica'", "logs db"),
        ("no publication", "db", "no publication supabase_realtime", "CREATE PUBLICATION"),
        ("studio down", "studio", "does not listen", "logs studio"),
        ("studio login", "studio", "another login", "--force-recreate gateway"),
        ("studio open", "studio", "asks nobody for a login", "supabase compose"),
    ],
)
def test_the_service_that_fails_is_named_with_the_cause(
    stack: FakeStack, fault: str, service: str, why: str, hint: str
) -> None:
    found = check(stack, fault)
    assert not found.good
    first = failed(found)[0]
    assert first.service == service, failed(found)
    assert why in first.why and hint in first.hint, failed(found)
    if fault != "person stays":
        assert (stack.people, left(stack.database)) == ({}, [])


def test_what_could_not_be_asked_is_no_pass(stack: FakeStack) -> None:
    found = check(stack, "trigger")
    assert [(o.service, o.why) for o in found.outcomes if o.state == "not asked"] == [
        ("auth", "no person could be made"),
        ("rest", "nobody could sign in"),
        ("realtime", "nobody could sign in"),
    ]
    assert left(stack.database) == []


def greet(server: socket.socket) -> None:
    """Answer the first who comes as a server of another kind does."""
    with server.accept()[0] as connection:
        connection.recv(100)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_nobody_there_and_nobody_who_answers(stack: FakeStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    found = check_stack(VALUES, Choices(f"http://127.0.0.1:{free}"), lambda outcome: None)
    assert [(o.service, o.why) for o in found.outcomes] == [("gateway", f"nothing listens at 127.0.0.1:{free}")]
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=greet, args=(other,)).start()
        found = check_stack(VALUES, Choices(f"http://127.0.0.1:{other.getsockname()[1]}"), lambda outcome: None)
    assert [(o.service, o.why.split(" at ")[0]) for o in found.outcomes] == [("gateway", "what listens")]
    slow = check(stack, "slow", timeout=0.2)
    assert [(o.service, "does not answer within 0.2 s" in o.why) for o in slow.outcomes] == [("gateway", True)]


def test_without_keys_or_an_address_nothing_is_asked() -> None:
    with pytest.raises(SettingsError, match="no keys"):
        check_stack({"ANON_KEY": "a"}, Choices(), lambda outcome: None)
    with pytest.raises(WrongUsage, match="not the address"):
        check_stack(VALUES, Choices("localhost:8000"), lambda outcome: None)


def test_no_answer_carries_a_secret_into_what_is_told(stack: FakeStack) -> None:
    for fault in ("auth secret", "rest login", "silent", "read only"):
        stack.faults.clear()
        told = "".join(outcome.title + outcome.why + outcome.hint for outcome in check(stack, fault).outcomes)
        assert not any(value in told for name, value in VALUES.items() if value and name.endswith(("KEY", "PASSWORD")))
        assert "eyJ" not in told
