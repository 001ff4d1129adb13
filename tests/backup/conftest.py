"""Databases to back up, and short ways to do it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ecluse.backup.check import verify
from ecluse.backup.programs import Emit
from ecluse.backup.stopping import Stopping
from ecluse.backup.take import Taken, take
from ecluse.model.backup import Manifest
from ecluse.model.report import Event
from ecluse.postgres.binaries import bin_dir
from ecluse.postgres.connect import Database
from tests.postgres.nasty import nasty

SHOP = """
CREATE TABLE public.customers (id serial PRIMARY KEY, name text NOT NULL, note text);
CREATE TABLE public.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer int NOT NULL REFERENCES public.customers, total numeric(10, 2), paid money, at timestamptz DEFAULT now());
CREATE INDEX ON public.orders (customer);
CREATE VIEW public.open_orders AS SELECT * FROM public.orders WHERE paid IS NULL;
INSERT INTO public.customers (name) SELECT 'customer ' || n FROM generate_series(1, 500) n;
INSERT INTO public.orders (customer, total) SELECT 1 + n % 500, n / 7.0 FROM generate_series(1, 2000) n;
"""


def silent(_: Event) -> None:
    """Hear nothing."""


@pytest.fixture
def shop(database: Database) -> Database:
    """Two tables with a reference, an identity, a view."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute(SHOP.encode())
    return database


def fill_nasty(database: Database) -> None:
    """Hostile names, with rows, a large object, and a setting."""
    with nasty(database) as conn:
        name = conn.info.dbname
        for statement in (
            "INSERT INTO public.\"user\" (\"Na me\", mail, born) SELECT 'n' || n, n || '@x', date '2001-01-01' + n"
            " FROM generate_series(1, 50) n",
            'INSERT INTO "Sch é ma"."We""ird" (user_id, period)'
            " SELECT n, int4range(n, n + 1) FROM generate_series(1, 9) n",
            "INSERT INTO public.reader VALUES (1), (2)",
            "INSERT INTO public.heir VALUES (3, 'x')",
            "INSERT INTO public.parts VALUES (1, '2020-02-02')",
            "CREATE TABLE public.bare ()",
            "INSERT INTO public.bare DEFAULT VALUES",
            'CREATE TABLE public."We""ird" (ecluse_row int, c0 text, c1 float8, c2 regclass, c3 text[])',
            "INSERT INTO public.\"We\"\"ird\" VALUES (1, '', 'NaN', 'pg_class', ARRAY['a', NULL, 'b,\"'])",
            "SELECT lo_from_bytea(0, 'kept as it is')",
            f"ALTER DATABASE \"{name}\" SET app.word TO 'x=1'",
            f"COMMENT ON DATABASE \"{name}\" IS 'it''s ours'",
        ):
            conn.execute(statement.encode())


def bench(database: Database) -> None:
    """What `pgbench -i` makes."""
    command = [str(bin_dir(18) / "pgbench"), "-i", "-q", "--foreign-keys", database.conninfo]
    subprocess.run(command, check=True, capture_output=True)


def taken(database: Database, above: Path, emit: Emit = silent) -> Taken:
    """A backup that was not tried yet."""
    return take(database, above, emit, Stopping())


@pytest.fixture
def tried(open_folder: Path) -> Callable[..., Manifest]:
    """Try a backup, on a server of its own or beside a database."""

    def work(folder: Path, on: Database | None = None) -> Manifest:
        return verify(folder, open_folder, on, silent, Stopping())

    return work
