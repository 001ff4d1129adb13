"""Two servers, with applications that write to both: there, back with what was written since, there again, for good."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests.harness import Stage, Writer, load
from tests.recipes.two import Two, account, of, two
from tests.supabase.conftest import drop_roles

PERSON = "(SELECT user_id FROM conversations ORDER BY created_at NULLS LAST LIMIT 1)"
ASKING = [
    "INSERT INTO conversations (id, session_id, user_id, question, response) "
    f"VALUES (md5('talk{{n}}')::uuid, md5('talk{{n}}')::uuid, {PERSON}, 'asked {{n}}', 'answered')",
    f"INSERT INTO feedback (conversation_id, user_id, rating) SELECT md5('talk{{n}}')::uuid, {PERSON}, 1",
]
SIGNING_UP = [account("new{n}@example.com", said='{"first_name": "New"}')]


def inviting(word: str) -> list[str]:
    """The application as it was: invitations in its own database."""
    return [
        "INSERT INTO invitations (inviter_email, invited_email, token, expires_at) "
        f"VALUES ('person2@example.com', '{word}{{n}}@example.net', '{word}-{{n}}', '2026-01-01')",
        f"UPDATE invitations SET status = 'accepted', accepted_at = now() WHERE token = '{word}-{{n}}'",
        f"DELETE FROM invitations WHERE token = '{word}-{{n}}' AND {{n}} % 5 = 0",
    ]


def inviting_people(word: str) -> list[str]:
    """The new one: invitations where people are. Some say what the old table cannot hold."""
    return [
        "INSERT INTO invitations (inviter_email, email, metadata, personal_message) VALUES ('person2@example.com', "
        f"'{word}{{n}}@example.net', '{{\"token\": \"{word}-{{n}}\"}}', CASE WHEN {{n}} % 4 = 0 THEN 'Come in' END)",
        f"UPDATE invitations SET status = 'accepted', accepted_at = now() WHERE metadata ->> 'token' = '{word}-{{n}}'",
    ]


@pytest.fixture
def places(servers: Callable[[int], EmbeddedServer], tmp_path: Path) -> Iterator[Two]:
    """The application on one server, people on another and newer one."""
    made = []
    for major in (16, 18):
        name = f"life_{os.getpid()}_{major}"
        made.append(Database({16: "app", 18: "people"}[major], servers(major).create_database(name), label=name))
    app, people = made
    yield two(app, people, tmp_path, "L3")
    drop_roles(people)
    for database, major in ((app, 16), (people, 18)):
        with psycopg.connect(servers(major).conninfo(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {database.label} WITH (FORCE)".encode())


def closed(writer: Writer) -> None:
    """It failed for no other reason than that its table was closed for writing by the switch."""
    assert writer.committed
    assert {type(failure) for failure in writer.failures} == {psycopg.errors.ReadOnlySqlTransaction}


def switch_under_load(stage: Stage, old: Writer) -> None:
    """The old application writes until its table is closed."""
    with old.running():
        assert stage.apply() == "ready"
        stage.switch()
        while not old.failures:
            time.sleep(0.01)
    closed(old)
    stage.verify()


def there(word: str, writer: Writer) -> list[tuple[str, str]]:
    """Token and state of what it wrote and did not take back."""
    wrote = {n for line, n in writer.committed if line == 0}
    accepted = {n for line, n in writer.committed if line == 1}
    gone = {n for line, n in writer.committed if line == 2 and n % 5 == 0}
    return [(f"{word}-{n}", "accepted" if n in accepted else "pending") for n in sorted(wrote - gone)]


def test_there_and_back_and_there_for_good_while_everybody_writes(places: Two, tmp_path: Path) -> None:
    asking, signing_up = Writer(places.app, ASKING), Writer(places.people, SIGNING_UP)
    first, second = Writer(places.app, inviting("first")), Writer(places.app, inviting("second"))
    since = Writer(places.people, inviting_people("since"))
    before = of(places.app, "SELECT invited_email, status, token FROM invitations ORDER BY id")
    with asking.running(), signing_up.running():
        places.view.apply()
        places.view.switch()
        places.view.finish(tmp_path / "archive")

        switch_under_load(places.profiles, first)
        since.rounds(40)
        places.profiles.verify()
        places.profiles.rollback()

        # Back home, with what was written since; what the old table cannot hold is parked, and as much as that.
        written = there("first", first) + there("since", since)
        home = of(places.app, "SELECT token, status FROM invitations WHERE token ~ '^(first|since)-'")
        assert sorted(home) == sorted(written)
        parked = places.ask(
            "SELECT (row ->> 'metadata')::jsonb ->> 'token', row ->> 'personal_message' FROM ecluse.parked"
        )
        assert sorted(parked) == sorted((f"since-{n}", "Come in") for n in range(4, 41, 4))

        switch_under_load(places.profiles, second)
        written += there("second", second)
        load(places.people, "UPDATE users SET company = 'Afloat' WHERE email = 'person9@example.com'")
    places.profiles.verify()
    places.profiles.finish(tmp_path / "archive")

    assert not (asking.failures or signing_up.failures or since.failures)
    moved = "SELECT metadata ->> 'token', status FROM invitations WHERE metadata ->> 'token' ~ '^(first|second|since)-'"
    assert sorted(places.ask(moved)) == sorted(written)
    assert before == places.ask(
        "SELECT email, status, metadata ->> 'token' FROM invitations "
        "WHERE coalesce(metadata ->> 'token', '') !~ '^(first|second|since)-' ORDER BY id"
    )
    assert of(places.app, "SELECT to_regclass('public.invitations') IS NULL") == [(True,)]
    # What stays has stayed: each question with its feedback, and each in the view.
    asked = len([1 for line, _ in asking.committed if line == 0])
    assert of(places.app, "SELECT count(*) FROM conversations WHERE question LIKE 'asked %'") == [(asked,)]
    assert of(places.app, "SELECT count(*) FROM user_questions_complete WHERE question LIKE 'asked %'") == [(asked,)]
    # Each account has its profile, or it is told why not.
    came = len(signing_up.committed)
    assert places.ask("SELECT count(*) FROM users WHERE first_name = 'New'") == [(came,)]
    assert places.ask("SELECT count(*) FROM accounts_without_profile") == [(3,)]
    assert places.ask("SELECT company FROM users WHERE email = 'person9@example.com'") == [("Afloat",)]
