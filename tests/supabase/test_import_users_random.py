"""Random writes of the old application and of the auth service, with drains between: as if all had been at rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ecluse.model.report import Event
from tests.harness import FULL, Halted, Listener, Stage, load, snapshot
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.people import account, staged

EXAMPLES = 40 if FULL else 2
IDS = range(1, 8)
ADDRESSES = ("a@x.io", "b@x.io", "c@x.io", " B@x.io", "A@X.io", "bad", None)
KNOWN = tuple(f"{n}0000000-0000-4000-8000-00000000000{n}" for n in range(1, 4))
LEGACY = """
CREATE TABLE users (id integer PRIMARY KEY, email text, password_hash text, full_name text, last_login timestamp);
INSERT INTO users SELECT n, chr(96 + n) || '@x.io', 'hash' || n, 'N' || n FROM generate_series(1, 4) n;
CREATE TABLE notes (id serial PRIMARY KEY, user_id integer, body text);
INSERT INTO notes (user_id, body) SELECT n, 'of ' || n FROM generate_series(1, 6) n;
CREATE TABLE quotas (user_id integer PRIMARY KEY, bytes bigint);
INSERT INTO quotas SELECT n, n FROM generate_series(1, 5) n;
CREATE TABLE parts (id serial PRIMARY KEY, user_id integer REFERENCES quotas ON DELETE CASCADE, text text);
INSERT INTO parts (user_id, text) SELECT 1 + n % 5, 'p' || n FROM generate_series(1, 8) n;
"""
MIGRATION = """
name = "people"
database = "app"
[[operation]]
kind = "import_users"
table = "public.users"
[[operation]]
kind = "remap_ids"
users = "public.users"
unmapped = "quarantine"
columns = [{ table = "public.notes", column = "user_id" }, { table = "public.quotas", column = "user_id" }]
"""


def _text(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"


ids, addresses, known = st.sampled_from(IDS), st.sampled_from(ADDRESSES), st.sampled_from(KNOWN)
plain = st.sampled_from(ADDRESSES[:3])
again = "ON CONFLICT DO NOTHING"
writes = st.one_of(
    st.builds(lambda i, a: f"INSERT INTO users VALUES ({i}, {_text(a)}, 'h', 'n') {again}", ids, addresses),
    st.builds(lambda i, a: f"UPDATE users SET email = {_text(a)} WHERE id = {i}", ids, addresses),
    st.builds(lambda i: f"UPDATE users SET last_login = now() WHERE id = {i}", ids),
    st.builds(lambda i: f"DELETE FROM users WHERE id = {i}", ids),
    st.builds(
        lambda i, j: f"UPDATE users SET id = {j} WHERE id = {i} AND NOT EXISTS (SELECT FROM users WHERE id = {j})",
        ids,
        ids,
    ),
    st.builds(
        lambda i, j: (
            f"WITH e AS (SELECT id, email FROM users WHERE id IN ({i}, {j})) UPDATE users u SET email = e.email "
            f"FROM e WHERE u.id IN ({i}, {j}) AND e.id <> u.id"
        ),
        ids,
        ids,
    ),
    st.builds(lambda i: f"INSERT INTO notes (user_id, body) VALUES ({i}, 'new')", ids),
    st.builds(lambda i, j: f"UPDATE notes SET user_id = {j} WHERE user_id = {i}", ids, ids),
    st.builds(lambda i: f"INSERT INTO quotas VALUES ({i}, 5) {again}", ids),
    st.builds(lambda i: f"UPDATE quotas SET bytes = bytes + 1 WHERE user_id = {i}", ids),
    st.builds(lambda i: f"DELETE FROM quotas WHERE user_id = {i}", ids),
    st.builds(
        lambda i: (
            f"INSERT INTO parts (user_id, text) SELECT {i}, 'new' WHERE EXISTS (SELECT FROM quotas WHERE user_id = {i})"
        ),
        ids,
    ),
)
accounts = st.one_of(
    st.builds(
        lambda u, a: account(u, a).rstrip(";").replace(") VALUES (", ") SELECT ").rstrip(")") + f" {again}",
        known,
        plain,
    ),
    st.builds(
        lambda u, a: (
            f"UPDATE auth.users SET email = '{a}' WHERE id = '{u}' AND NOT EXISTS "
            f"(SELECT FROM auth.users WHERE email = '{a}')"
        ),
        known,
        plain,
    ),
    st.builds(lambda u: f"DELETE FROM auth.users WHERE id = '{u}'", known),
)
steps = st.lists(st.one_of(writes, writes, accounts, st.sampled_from(["drain", "look"])), min_size=4, max_size=25)


class BeforeJoining(Listener):
    """Halts a switch when it has looked at the accounts again, and before any row joins."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if event.step == "join":
            raise Halted(event.step)


def _carry_out(stage: Stage, steps: list[str]) -> None:
    for step in steps:
        if step == "drain":
            stage.resume()
        elif step == "look":
            with pytest.raises(Halted):
                stage.switch(BeforeJoining())
        else:
            load(stage.database, step)


def _outcome(stage: Stage) -> dict[str, Any]:
    return {
        "map": ask(
            stage.database,
            "SELECT old_user_id, supabase_user_id::text, email, matched FROM user_id_mapping ORDER BY 1",
        ),
        "held": ask(
            stage.database,
            "SELECT source, key, reason FROM ecluse.quarantine q JOIN ecluse.run r ON r.id = "
            "q.run WHERE r.status = 'switched' ORDER BY 1, 2",
        ),
        "accounts": ask(stage.database, "SELECT id::text, email, encrypted_password FROM auth.users ORDER BY 1"),
        "notes": ask(stage.database, "SELECT n::text FROM notes n ORDER BY 1"),
        "quotas": ask(stage.database, "SELECT q::text FROM quotas q ORDER BY 1"),
        "parts": ask(stage.database, "SELECT p::text FROM parts p ORDER BY 1"),
    }


SWAPPED = """
SELECT 'notes', n.id FROM ecluse_kept_people.notes o JOIN notes n USING (id)
LEFT JOIN user_id_mapping m ON m.old_user_id = o.user_id WHERE m.supabase_user_id IS DISTINCT FROM n.user_id
UNION ALL SELECT 'parts', n.id FROM ecluse_kept_people.parts o JOIN parts n USING (id)
LEFT JOIN user_id_mapping m ON m.old_user_id = o.user_id WHERE m.supabase_user_id IS DISTINCT FROM n.user_id
"""
LOST = """
SELECT t, a - b - c FROM (VALUES
('notes', (SELECT count(*) FROM ecluse_kept_people.notes), (SELECT count(*) FROM notes),
  (SELECT count(*) FROM ecluse.quarantine q JOIN ecluse.run r ON r.id = q.run WHERE r.status = 'switched'
   AND q.source = 'public.notes')),
('quotas', (SELECT count(*) FROM ecluse_kept_people.quotas), (SELECT count(*) FROM quotas),
  (SELECT count(*) FROM ecluse.quarantine q JOIN ecluse.run r ON r.id = q.run WHERE r.status = 'switched'
   AND q.source = 'public.quotas'))) v (t, a, b, c) WHERE a <> b + c
"""


@given(before=st.lists(st.one_of(writes, accounts), max_size=5), steps=steps)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_as_if_all_had_been_written_at_rest(
    fresh_database: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory, before: list[str], steps: list[str]
) -> None:
    stage = staged(fresh_database(), tmp_path_factory.mktemp("p"), LEGACY, MIGRATION)
    try:
        _there_and_back(stage, before, steps)
    finally:
        drop_roles(stage.database)


def _there_and_back(stage: Stage, before: list[str], steps: list[str]) -> None:
    for step in before:
        load(stage.database, step)
    assert stage.apply() == "ready"
    _carry_out(stage, steps)
    old = snapshot(stage.database).rows
    stage.switch()
    stage.verify()
    met = _outcome(stage)
    assert ask(stage.database, SWAPPED) == []
    assert ask(stage.database, LOST) == []
    stage.rollback()
    assert snapshot(stage.database).rows == old
    stage.apply()
    stage.switch()
    assert met == _outcome(stage)
