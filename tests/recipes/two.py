"""The two databases of the recipe with their samples, and its migrations written for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ecluse.engine.planner import make_plan
from ecluse.engine.runner import Engine
from ecluse.model.catalog import Catalog
from ecluse.model.plan import Plan
from ecluse.model.report import Event
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.postgres.project import read_migration
from ecluse.recipes.two_databases import sample
from ecluse.recipes.two_databases.write import write
from ecluse.supabase.prepare import prepare
from tests.harness import Listener, Stage, load, told
from tests.supabase.conftest import ask

NINTH = "SELECT id::text FROM public.users WHERE email = 'person9@example.com'"
ROWS = 400  # so that there are twenty people, and each trap of the sample


@dataclass
class FromApp(Stage):
    """A migration to which tables come from the application's database."""

    app: Database | None = None

    def origin(self, name: str) -> Database:
        assert name == "app" and self.app is not None
        return self.app

    def engine(self, listener: Callable[[Event], None] | None = None) -> Engine:
        return Engine(self.database, self.options, listener or Listener(), origins=self.origin)

    def plan(self) -> Plan:
        with told():
            return make_plan(self.database, read_migration(self.file), origins=self.origin)


@dataclass
class Two:
    """Both databases and the folder of migrations."""

    app: Database
    people: Database
    folder: Path

    def catalogs(self) -> dict[str, Catalog]:
        """Both as they are."""
        with psycopg.connect(self.app.conninfo) as app, psycopg.connect(self.people.conninfo) as people:
            return {"app": read_catalog(app), "people": read_catalog(people)}

    def write(self) -> dict[str, str]:
        """Write the recipe for the databases as they are."""
        with psycopg.connect(self.people.conninfo) as people:
            files = write(self.catalogs(), {"people": people})
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        return files

    @property
    def view(self) -> Stage:
        """The migration of the application's database."""
        return Stage(self.app, self.folder / "two_databases_app" / "migration.toml")

    @property
    def profiles(self) -> Stage:
        """The migration of people."""
        return FromApp(self.people, self.folder / "two_databases_people" / "migration.toml", app=self.app)

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """Of people, in a transaction that is rolled back."""
        return ask(self.people, *statements)

    def tell(self, statement: str) -> None:
        """People, for good."""
        load(self.people, statement)


def two(app: Database, people: Database, folder: Path, generation: str, rows: int = ROWS) -> Two:
    """Samples, and the recipe written."""
    prepare(people)
    conns: Mapping[str, Any] = {
        "app": psycopg.connect(app.conninfo, autocommit=True),
        "people": psycopg.connect(people.conninfo, autocommit=True),
    }
    try:
        sample.load(conns, generation, rows, 1)
    finally:
        for conn in conns.values():
            conn.close()
    found = Two(app, people, folder)
    found.write()
    return found


def as_user(sub: str, **claims: Any) -> str:
    """Become somebody who is signed in."""
    said = json.dumps({"sub": sub, "role": "authenticated", **claims})
    return f"SET LOCAL ROLE authenticated; SELECT set_config('request.jwt.claims', '{said}', true)"


def account(email: str, *, sso: bool = False, said: str = "{}", id_: str = "gen_random_uuid()") -> str:
    """Somebody signs up."""
    return (
        "INSERT INTO auth.users (instance_id, id, aud, role, email, is_sso_user, raw_user_meta_data, created_at, "
        "updated_at) VALUES ('00000000-0000-0000-0000-000000000000', "
        f"{id_}, 'authenticated', 'authenticated', '{email}', {sso}, '{said}', now(), now()) RETURNING id"
    )


def switched(found: Two) -> Two:
    assert found.profiles.apply() == "ready"
    found.profiles.switch()
    return found


def of(database: Database, query: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()
