"""The old database on one server, the Supabase on another: tables move first, then the users become accounts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.recipes.registry import RECIPES, Choices
from ecluse.supabase.prepare import prepare
from tests.harness import Stage
from tests.supabase.conftest import ask, drop_roles

RECIPE = RECIPES["self_hosted_supabase"]


@pytest.fixture
def places(servers: Callable[[int], EmbeddedServer]) -> Iterator[tuple[Database, Database]]:
    """The old application's database, and the Supabase's."""
    made = []
    for name, major in (("app", 16), ("supabase", 18)):
        label = f"own_{os.getpid()}_{name}"
        made.append(Database(name, servers(major).create_database(label), label=label))
    app, supabase = made
    prepare(supabase)
    yield app, supabase
    drop_roles(supabase)
    for database, major in ((app, 16), (supabase, 18)):
        with psycopg.connect(servers(major).conninfo(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {database.label} WITH (FORCE)".encode())


def test_from_an_old_server_to_the_accounts_of_a_new_one(places: tuple[Database, Database], tmp_path: Path) -> None:
    app, supabase = places
    with psycopg.connect(app.conninfo, autocommit=True) as conn:
        RECIPE.load({"app": conn}, "services", 300, 1)
        found = read_catalog(conn, ["public"]).tables
        for table in found.values():
            for key in table.foreign_keys:  # as the plan of the move says
                conn.execute(f"ALTER TABLE {table.name} DROP CONSTRAINT {key.name}".encode())
        tables = sorted(map(str, found))
    users = ask(app, "SELECT count(*) FROM users")
    moving = tmp_path / "moving.toml"
    moves = "".join(f'\n[[operation]]\nkind = "move_table"\nfrom = "app"\ntable = "{name}"\n' for name in tables)
    moving.write_text(f'name = "moving"\ndatabase = "supabase"\n{moves}')
    first = Stage(supabase, moving, origins=lambda _: app)
    first.apply()
    first.switch()
    first.verify()
    first.finish(tmp_path / "archive")

    with psycopg.connect(supabase.conninfo) as conn:
        catalog = read_catalog(conn)
        files = RECIPE.write({"supabase": catalog}, {"supabase": conn}, Choices())
    file = tmp_path / "migration.toml"
    file.write_text(files["self_hosted_supabase/migration.toml"])
    second = Stage(supabase, file)
    second.apply()
    second.switch()
    second.verify()
    mapped = ask(supabase, "SELECT count(*) FROM user_id_mapping")
    held = ask(supabase, "SELECT count(*) FROM ecluse.quarantine WHERE source = 'public.users'")
    assert mapped[0][0] + held[0][0] == users[0][0] == 300
    orphans = "SELECT count(*) FROM activity_logs WHERE user_id NOT IN (SELECT supabase_user_id FROM user_id_mapping)"
    assert ask(supabase, orphans) == [(0,)]
    second.rollback()
    assert ask(supabase, "SELECT count(*) FROM users") == users
