"""Two databases and a migration that brings a table from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ecluse.postgres.connect import Database
from tests.harness import Stage, load

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
class Places(Stage):
    """A stage with another database beside it, which the migration calls `origin`."""

    origin: Database = field(kw_only=True)

    def __post_init__(self) -> None:
        self.origins = {"origin": self.origin}.__getitem__


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    """What a query gives, in a session as applications have it."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


def prepared(origin: Database, database: Database, folder: Path, text: str) -> Places:
    """The origin with its invitations, and the migration in a file."""
    load(origin, INVITATIONS)
    file = folder / "bring.toml"
    file.write_text(text)
    return Places(database, file, origin=origin)
