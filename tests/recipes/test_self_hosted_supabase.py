"""The recipe `self_hosted_supabase` on its sample: users become accounts, rows follow them, and all comes back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import UnknownGeneration
from ecluse.model.names import Name
from ecluse.model.plan import Plan
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.recipes.registry import RECIPES, Choices
from ecluse.recipes.self_hosted_supabase.memories.importing import Wish, import_folder
from ecluse.recipes.self_hosted_supabase.memories.rows import UNDATED, UNFIT
from ecluse.recipes.self_hosted_supabase.sample.memories import write_memories
from ecluse.supabase.prepare import prepare
from tests.harness import Stage, same, same_rows, same_structure, snapshot
from tests.recipes.passwords import ACCEPTED, REFUSED, fits
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.test_secure_rows import as_user

RECIPE = RECIPES["self_hosted_supabase"]


@pytest.fixture
def stage(any_server_database: Database, tmp_path: Path) -> Iterator[Stage]:
    """The sample of 400 users on a prepared database, and the migration that the recipe writes for it."""
    prepare(any_server_database)
    yield written(any_server_database, tmp_path, 400)
    drop_roles(any_server_database)


def written(database: Database, folder: Path, rows: int) -> Stage:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        RECIPE.load({"app": conn}, "services", rows, 1)
        files = RECIPE.write({"app": read_catalog(conn)}, {"app": conn}, Choices())
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return Stage(database, folder / "self_hosted_supabase" / "migration.toml")


def test_there_and_back(stage: Stage) -> None:
    before = snapshot(stage.database)
    plan = stage.plan()
    assert not plan.refused, [h.message for h in plan.refused]
    assert stage.apply_as_foreseen() == "ready"
    stage.switch()
    stage.verify()
    counts = (
        "SELECT count(*) FROM user_id_mapping",
        "SELECT count(*) FROM ecluse.quarantine WHERE source = 'public.users'",
    )
    [(mapped,)], [(held,)] = (ask(stage.database, query) for query in counts)
    assert mapped + held == 400
    stage.rollback()
    after = snapshot(stage.database)
    same_structure(after.catalog, before.catalog)
    same_rows(after, before)


@pytest.fixture
def switched(database: Database, tmp_path: Path) -> Iterator[Stage]:
    """A sample of 1,000 users after the switch, on the newest server."""
    prepare(database)
    stage = written(database, tmp_path, 1000)
    stage.apply()
    stage.switch()
    yield stage
    drop_roles(database)


OWNERS = (
    ("user_conversations", "user_id"),
    ("user_documents", "user_id"),
    ("user_contexts", "user_id"),
    ("user_storage_quotas", "user_id"),
    ("migration_status", "user_id"),
    ("reports", "user_id"),
    ("watch_configs", "user_id"),
    ("watch_history", "user_id"),
    ("activity_logs", "user_id"),
    ("invitations", "created_by"),
    ("invitations", "used_by"),
)
KEPT = "ecluse_kept_self_hosted_supabase"


def test_every_user_comes_to_one_outcome(switched: Stage) -> None:
    old = f"SELECT id, lower(btrim(coalesce(email, ''))) FROM {KEPT}.users"
    users = dict(ask(switched.database, old))
    mapped = {
        row[0]: row[1:] for row in ask(switched.database, "SELECT old_user_id, email, matched FROM user_id_mapping")
    }
    held = {
        int(key)
        for (key,) in ask(switched.database, "SELECT row->>'id' FROM ecluse.quarantine WHERE source = 'public.users'")
    }
    assert mapped.keys().isdisjoint(held)
    assert mapped.keys() | held == users.keys()
    assert all(users[old_id] == email for old_id, (email, _) in mapped.items())
    twins = {old_id for old_id, email in users.items() if sum(email == other for other in users.values()) > 1}
    assert held == twins | {
        i for i, email in users.items() if not email or not re.fullmatch(r"[^\s@]{1,64}@[^\s@]+", email)
    }
    assert sum(matched for _, matched in mapped.values()) == 5


def test_passwords_still_open_the_door(switched: Stage) -> None:
    stored = (
        "SELECT o.password_hash, u.encrypted_password FROM user_id_mapping m JOIN auth.users u "
        f"ON u.id = m.supabase_user_id JOIN {KEPT}.users o ON o.id = m.old_user_id WHERE NOT m.matched"
    )
    rows = ask(switched.database, stored)
    carried = {new for _, new in rows if new is not None}
    assert carried == set(ACCEPTED), "all of the pool, and nothing else"
    assert {old for old, new in rows if new is None} == set(REFUSED)
    for hashed in carried:
        assert fits(ACCEPTED[hashed], hashed)
        assert not fits(ACCEPTED[hashed] + "x", hashed)


@pytest.mark.parametrize(("table", "column"), OWNERS)
def test_no_row_changes_its_owner(switched: Stage, table: str, column: str) -> None:
    key = "user_id" if table in ("user_storage_quotas", "migration_status") else "id"
    old = dict(ask(switched.database, f"SELECT {key}, {column} FROM {KEPT}.{table}"))
    ids = dict(ask(switched.database, "SELECT supabase_user_id, old_user_id FROM user_id_mapping"))
    new = ask(switched.database, f"SELECT {key}, {column} FROM {table}")
    for number, owner in new:
        number = ids[number] if key == "user_id" else number
        assert (ids[owner] if owner else None) == old.pop(number)
    held = f"SELECT (row->>'{key}')::int FROM ecluse.quarantine WHERE source = 'public.{table}'"
    assert sorted(old) == sorted(number for (number,) in ask(switched.database, held)), "the rest is in quarantine"


def test_memories_reach_their_people_after_the_switch(switched: Stage, tmp_path: Path) -> None:
    found = ask(switched.database, "SELECT old_user_id, supabase_user_id FROM user_id_mapping ORDER BY 1 LIMIT 5")
    (tmp_path / "memory").mkdir()
    write_memories(tmp_path / "memory", [old for old, _ in found], 1)
    kinds = frozenset({UNDATED, UNFIT})
    wish = Wish(tmp_path / "memory", Name("public", "user_conversations"), None, UTC, kinds, confirm=True)
    before = ask(switched.database, "SELECT count(*) FROM user_conversations")[0][0]
    account = import_folder(switched.database, wish)
    assert [one.reason for one in account.files if one.state == "rejected"], "one file belongs to nobody"
    by_name = {f"memory_{hashlib.md5(str(old).encode()).hexdigest()[:12]}.json": new for old, new in found}
    for one in account.files:
        if one.state == "imported":
            mine = f"SELECT count(*) FROM user_conversations WHERE user_id = '{by_name[one.file]}'"
            assert ask(switched.database, mine)[0][0] >= one.imported > 0
    added = sum(one.imported for one in account.files)
    assert ask(switched.database, "SELECT count(*) FROM user_conversations") == [(before + added,)]
    switched.verify()


def test_people_reach_their_own_rows_and_admins_all(switched: Stage) -> None:
    [(person, own)] = ask(
        switched.database,
        "SELECT user_id::text, count(*) FROM user_conversations GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1",
    )
    [(every,)] = ask(switched.database, "SELECT count(*) FROM user_conversations")
    counted = "SELECT count(*) FROM user_conversations"
    assert ask(switched.database, as_user(person), counted) == [(own,)]
    assert ask(switched.database, as_user(person), "SELECT count(*) FROM activity_logs") == [(0,)]
    admin = as_user(person, '{"app_metadata": {"role": "admin"}}')
    assert ask(switched.database, admin, counted) == [(every,)]
    assert ask(switched.database, admin, "SELECT count(*) > 0 FROM activity_logs") == [(True,)]
    role = "SELECT raw_app_meta_data->>'role' FROM auth.users WHERE email = 'admin@example.com'"
    assert ask(switched.database, role) == [("admin",)]


def test_a_second_run_has_nothing_to_do(switched: Stage, tmp_path: Path) -> None:
    before = snapshot(switched.database)
    assert switched.engine().apply(Plan("self_hosted_supabase", "", "", 0)).status == "switched"
    same(snapshot(switched.database), before)
    switched.finish(tmp_path / "archive")
    finished = snapshot(switched.database)
    with psycopg.connect(switched.database.conninfo) as conn, pytest.raises(UnknownGeneration):
        RECIPE.write({"app": read_catalog(conn)}, {"app": conn}, Choices())
    same(snapshot(switched.database), finished)
