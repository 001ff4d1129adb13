"""Two databases and a migration that brings a table from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ecluse.engine.context import Options
from ecluse.engine.planner import make_plan
from ecluse.engine.runner import Engine
from ecluse.model.plan import Plan
from ecluse.model.report import Event
from ecluse.postgres.connect import Database
from ecluse.postgres.project import read_migration
from tests.harness import OPTIONS, Listener, load, told

AS_IT_WAS = """
name = "bring"
[[operation]]
kind = "move_table"
from = "origin"
table = "public.invitations"
"""

OTHERWISE = (Path(__file__).parent / "otherwise.toml").read_text(encoding="utf-8")

INVITATIONS = """
CREATE TABLE public.invitations (
    id uuid PRIMARY KEY,
    number integer GENERATED ALWAYS AS IDENTITY,
    inviter_email text NOT NULL,
    invited_email text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'expired')),
    token text UNIQUE,
    weight double precision,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    shown text GENERATED ALWAYS AS (lower(invited_email)) STORED
);
CREATE INDEX ON public.invitations (inviter_email);
INSERT INTO public.invitations (id, inviter_email, invited_email, status, token, weight, expires_at, created_at)
SELECT md5(n::text)::uuid, 'a' || n % 7 || '@example.org', 'B' || n || '@example.org',
    (ARRAY['pending', 'accepted', 'expired'])[1 + n % 3], nullif('t' || n, 't5'), n / 7.0,
    CASE WHEN n % 2 = 0 THEN timestamptz '2025-01-01' + n * interval '1.123456 s' END,
    timestamptz '2024-06-01' + n * interval '1 h'
FROM generate_series(1, 2000) n;
"""


@dataclass
class Places:
    """The two databases, `origin` and `database`, and the file of the migration."""

    origin: Database
    database: Database
    file: Path
    options: Options = OPTIONS

    @property
    def name(self) -> str:
        return read_migration(self.file).name

    def database_of(self, name: str) -> Database:
        assert name == "origin"
        return self.origin

    def engine(self, listener: Callable[[Event], None] | None = None) -> Engine:
        return Engine(self.database, self.options, listener or Listener(), origins=self.database_of)

    def plan(self) -> Plan:
        with told():
            return make_plan(self.database, read_migration(self.file), origins=self.database_of)

    def apply(self, listener: Callable[[Event], None] | None = None) -> str:
        with told():
            return self.engine(listener).apply(self.plan()).status

    def resume(self, listener: Callable[[Event], None] | None = None) -> str:
        with told():
            return self.engine(listener).apply(Plan(self.name, "", "", 0)).status

    def switch(self, listener: Callable[[Event], None] | None = None) -> float:
        with told():
            return self.engine(listener).switch(self.name)

    def rollback(self, listener: Callable[[Event], None] | None = None) -> float:
        with told():
            return self.engine(listener).rollback(self.name)

    def finish(self, folder: Path, listener: Callable[[Event], None] | None = None) -> Path:
        with told():
            return self.engine(listener).finish(self.name, folder)

    def verify(self) -> None:
        result = self.engine().verify(self.name)
        assert result.passed, result


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """What a query gives, in a session as applications have it."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


def prepared(origin: Database, database: Database, folder: Path, text: str) -> Places:
    """The origin with its invitations, and the migration in a file."""
    load(origin, INVITATIONS)
    file = folder / "bring.toml"
    file.write_text(text)
    return Places(origin, database, file)
