"""Écluse, as a person runs it: a project, a migration file, `ecluse apply --switch`; and, apart, the way back."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import command
from benchmarks.ground import Connection
from benchmarks.load import Application

_NAME = "people"
_MIGRATION = f"""
name = "{_NAME}"
database = "app"

[[operation]]
kind = "import_users"
table = "public.users"

[operation.profile]
table = "public.profiles"
columns = {{ id = "uuid not null", full_name = "text", created_at = "timestamptz not null default now()" }}
values = {{ full_name = "full_name", created_at = "created_at AT TIME ZONE 'UTC'" }}
"""


@contextmanager
def project(conninfo: str) -> Iterator[Path]:
    """A project with the migration; gives its settings file."""
    with tempfile.TemporaryDirectory() as folder:
        settings, migrations = Path(folder, "ecluse.toml"), Path(folder, "migrations")
        settings.write_text(f"[databases]\napp = {json.dumps(conninfo)}\n")
        migrations.mkdir()
        (migrations / f"{_NAME}.toml").write_text(_MIGRATION)
        yield settings


def ecluse(settings: Path) -> dict[str, float]:
    """Plan, apply with its proof, switch."""
    return command.run(settings, "apply", _NAME, "--switch")


def go_back(settings: Path) -> dict[str, float]:
    """Roll the switched migration back."""
    return command.run(settings, "rollback", _NAME)


# --- the application meanwhile --------------------------------------------------------------------------


def sign_in(conn: Connection, chance: random.Random, ids: list[Any]) -> None:
    """Somebody signs in, or up; where the old table is no more, by the map and the account."""
    one, dice = chance.choice(ids), chance.random()
    try:
        if dice < 0.5:
            conn.execute("SELECT * FROM public.users WHERE id = %s", (one,)).fetchall()
        elif dice < 0.9:
            conn.execute("UPDATE public.users SET last_login = now() WHERE id = %s", (one,))
        else:
            address = f"new.{chance.getrandbits(64)}@example.com"
            new = "INSERT INTO public.users (email, password_hash, is_active, created_at) VALUES (%s, '', true, now())"
            conn.execute(new, (address,))
    except psycopg.errors.UndefinedTable:
        account = "(SELECT supabase_user_id FROM public.user_id_mapping WHERE old_user_id = %s)"
        conn.execute(f"UPDATE auth.users SET last_sign_in_at = now() WHERE id = {account}".encode(), (one,))


APPLICATION = Application("SELECT id FROM public.users TABLESAMPLE BERNOULLI (20) LIMIT 20000", sign_in, 50.0)
