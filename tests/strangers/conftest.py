"""Databases that no other test made: what pgbench makes of itself, and a shop that lends films."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.binaries import bin_dir
from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project

FILMS = Path(__file__).parent / "film_rental.sql"

ACCOUNTS = """\
name = "strangers"

[[operation]]
kind = "convert_column"
table = "public.pgbench_accounts"
column = "aid"
to = "bigint"
using = "aid::bigint"
back = "aid::integer"
"""

CUSTOMERS = """\
name = "strangers"

[[operation]]
kind = "convert_column"
table = "public.customer"
column = "customer_id"
to = "uuid"
using = "('00000000-0000-4000-8000-' || lpad(to_hex(customer_id), 12, '0'))::uuid"
back = "('x' || right(customer_id::text, 8))::bit(32)::integer"
default = "gen_random_uuid()"

[[operation]]
kind = "add_columns"
table = "public.film"
columns = { subtitle = "text not null default ''" }
"""


def _made(above: Path, database: Database, migration: str) -> Project:
    """In a folder that the user of a throw-away server can enter."""
    folder = above / database.conninfo.rpartition("=")[2]
    project = write_project(folder, database)
    (folder / "migrations" / "uuids.toml").unlink()
    (folder / "migrations" / "strangers.toml").write_text(migration, encoding="utf-8")
    return project


@pytest.fixture
def pgbench(open_folder: Path, database: Database) -> Project:
    """`pgbench -i` with foreign keys, and some transactions of its own: the history has no primary key."""
    program = str(bin_dir() / "pgbench")
    for arguments in (["-i", "-q", "--foreign-keys"], ["-n", "-t", "200"]):
        subprocess.run([program, *arguments, database.conninfo], check=True, capture_output=True)
    return _made(open_folder, database, ACCOUNTS)


@pytest.fixture
def films(open_folder: Path, database: Database) -> Project:
    """The shop: a circle of keys, an enum, a domain, views on views, triggers, routines, a search index."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute(FILMS.read_bytes())
    return _made(open_folder, database, CUSTOMERS)
