"""The recorded contract of the admin API: the tests' server keeps it, and the client makes of it what it means."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from ecluse.errors import SettingsError
from ecluse.supabase.admin_api import AdminApi, service_key, slug
from ecluse.supabase.http import Gateway, Reply
from ecluse.supabase.outcomes import Failed
from ecluse.supabase.pace import Pace, Patience, Stopped, retry_after
from tests.supabase.admin_api import CONTRACT, AdminApiServer, serving

KEY = "a-service-key-of-this-test"
ANSWERS = CONTRACT["answers"]
UID = "6a0d5c1e-0000-4000-8000-000000000001"


@pytest.fixture
def server() -> Iterator[AdminApiServer]:
    with serving(AdminApiServer(KEY)) as made:
        yield made


def client(server: AdminApiServer, attempts: int = 2) -> AdminApi:
    return AdminApi(Gateway(server.url, 5), KEY, Pace(1000, threading.Event()), Patience(attempts, 0.01))


@pytest.mark.parametrize("name", [n for n, a in ANSWERS.items() if a["means"] in ("look", "failed")])
def test_what_auth_says_to_a_new_account_is_an_answer(server: AdminApiServer, name: str) -> None:
    server.fail(name, times=9)
    reply = client(server).create({"email": "a@example.com"})
    assert (reply.status, len(server.posted)) == (ANSWERS[name]["status"], 1)
    looked_up = slug(reply) == "email_exists" or reply.status >= 500
    assert looked_up is (ANSWERS[name]["means"] == "look")


AGAIN = [
    (name, method) for name, a in ANSWERS.items() if a["means"] == "again" for method in a.get("to", ("GET", "POST"))
]


@pytest.mark.parametrize(("name", "method"), AGAIN)
def test_what_may_pass_is_asked_again_and_not_for_ever(server: AdminApiServer, name: str, method: str) -> None:
    ask = (
        (lambda: client(server).page(1, 10)) if method == "GET" else (lambda: client(server).create({"email": "a@b.c"}))
    )
    server.fail(name, method)
    ask()
    server.fail(name, method, times=9)
    with pytest.raises(Failed):
        ask()
    assert len(server.asked) == 4


@pytest.mark.parametrize("name", [n for n, a in ANSWERS.items() if a["means"] in ("stop", "absent")])
def test_what_is_no_account_and_what_is_no_answer(server: AdminApiServer, name: str) -> None:
    server.fail(name, "GET")
    if ANSWERS[name]["means"] == "absent":
        assert client(server).account(UID) is None
        return
    with pytest.raises(Failed):
        client(server).account(UID)
    assert len(server.asked) == 1


def test_an_account_that_is_made_has_the_recorded_shape(server: AdminApiServer) -> None:
    body = {"id": UID, "email": "Ada@Example.com", "email_confirm": True, "ban_duration": "876000h"}
    reply = client(server).create(body | {"user_metadata": {}, "app_metadata": {"role": "admin"}})
    user = CONTRACT["user"]
    assert reply.status == CONTRACT["created"]
    assert set(user["always"]) <= set(reply.value) <= set(user["always"]) | set(user["where set"])
    assert set(reply.value["identities"][0]) == set(user["identity"])
    assert reply.get("app_metadata") == {"provider": "email", "providers": ["email"], "role": "admin"}
    found = client(server).account(UID)
    assert found
    assert (found.id, found.email) == (UID, "ada@example.com")


def test_pages_have_a_total_and_a_link_while_there_are_more(server: AdminApiServer) -> None:
    for n in range(5):
        server.add(f"{n}@example.com")
    api = client(server)
    pages = [api.page(number, 2) for number in (1, 2, 3, 4)]
    assert [(len(page.accounts), page.total, page.more) for page in pages] == [
        (2, 5, True),
        (2, 5, True),
        (1, 5, False),
        (0, 5, False),
    ]
    assert [account.email for account in pages[0].accounts] == ["0@example.com", "1@example.com"]
    assert api.page(1, 1, newest_first=True).accounts[0].email == "4@example.com"
    assert "?page=1&per_page=2&sort=created_at%20asc" in server.asked[0]


def reply(status: int, value: object, **headers: str) -> Reply:
    return Reply(status, json.dumps(value), {name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(200, {"users": []}), "drops the header X-Total-Count"),
        (reply(200, [], x_total_count="0"), "--page-size 100"),
        (reply(200, {"users": [{"email": "a@example.com"}]}, x_total_count="1"), "docker compose logs auth"),
        (reply(301, {}), "docker compose logs auth"),
    ],
)
def test_what_is_no_list_of_accounts(
    server: AdminApiServer, monkeypatch: pytest.MonkeyPatch, answer: Reply, said: str
) -> None:
    monkeypatch.setattr(Gateway, "ask", lambda *_, **__: answer)
    with pytest.raises(Failed) as failed:
        client(server).page(1, 10)
    assert said in failed.value.cause.hint


def test_without_links_the_total_says_whether_there_are_more(
    server: AdminApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [{"id": UID, "email": "a@example.com"}]
    monkeypatch.setattr(Gateway, "ask", lambda *_, **__: reply(200, {"users": users}, x_total_count="2"))
    assert [client(server).page(number, 1).more for number in (1, 2)] == [True, False]


def test_waiting_ends_when_a_stop_is_asked_for(server: AdminApiServer) -> None:
    api = client(server)
    api.pace.hold(60)
    threading.Timer(0.05, api.pace.stop.set).start()
    with pytest.raises(Stopped):
        api.page(1, 1)


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("7") == 7
    assert retry_after("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert (retry_after("Thu, 01 Jan 2999 00:00:00 GMT") or 0) > 1e9
    assert retry_after("") is None
    assert retry_after("soon") is None


def test_the_service_key_may_stand_in_the_environment() -> None:
    assert service_key({"SERVICE_ROLE_KEY": "k"}, {}) == "k"
    assert service_key({"SUPABASE_SECRET_KEY": "${FROM_CI}"}, {"FROM_CI": "k"}) == "k"
    assert service_key({"SERVICE_ROLE_KEY": "$OTHER", "OTHER": "k"}, {}) == "k"
    with pytest.raises(SettingsError, match="from FROM_CI, which is not set"):
        service_key({"SERVICE_ROLE_KEY": "$FROM_CI"}, {})
    with pytest.raises(SettingsError, match="no service key"):
        service_key({"ANON_KEY": "k"}, {})
