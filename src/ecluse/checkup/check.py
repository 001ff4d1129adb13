"""What a check is, and what it finds. Each is a small function in a registry, with the texts that explain it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import psycopg

from ecluse.postgres.connect import Database

Level = Literal["wrong", "warning", "told", "good"]
Scope = Literal["project", "connection", "database"]

# Schemas that a Supabase brings along, and whose owner looks after them.
SUPABASE_SCHEMAS = (
    *("auth", "storage", "realtime", "_realtime", "vault", "graphql", "graphql_public", "extensions", "net", "cron"),
    *("supabase_functions", "supabase_migrations", "pgsodium", "pgsodium_masks", "pgbouncer", "pgmq", "pgtle"),
    *("_analytics", "_supavisor", "dbdev"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a check met. `fix` and `level` are those of the check, where they are not said here."""

    object: str
    message: str
    fix: str = ""
    level: Level | None = None


class Unseen(Exception):
    """A check could not look, wholly or in part; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Of a check: one that met nothing is good; one that could not look is told, and not `seen`."""

    id: str
    level: Level
    object: str
    found: str
    means: str
    fix: str
    seen: bool = True


@dataclass(frozen=True)
class Project:
    """What is around the databases: the folder, the variables of this process, and the names that ecluse.toml wants."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    wanted: Mapping[str, str] = field(default_factory=dict)  # variable -> the database that is configured by it


@dataclass
class Patient:
    """A database that is looked at, through one session of its own."""

    conn: psycopg.Connection[Any]
    database: Database
    folder: Path

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return self.conn.execute(query.encode(), parameters or None).fetchall()

    def value(self, query: str, *parameters: object) -> Any:
        """The one value that a query gives, or None."""
        found = self.conn.execute(query.encode(), parameters or None).fetchone()
        return found[0] if found else None

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.conn.info.server_version // 10000

    @cached_property
    def role(self) -> str:
        """Who we are here."""
        return str(self.value("SELECT current_user"))

    @cached_property
    def is_supabase(self) -> bool:
        """Whether this database has accounts as supabase/auth keeps them."""
        return bool(
            self.value(
                "SELECT count(*) = 3 FROM pg_attribute WHERE attrelid = (SELECT c.oid FROM pg_class c JOIN "
                "pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'auth' AND c.relname = 'users') "
                "AND attname IN ('instance_id', 'aud', 'raw_app_meta_data')"
            )
        )

    @cached_property
    def managed(self) -> list[str]:
        """The schemas that others look after."""
        return list(SUPABASE_SCHEMAS) if self.is_supabase else []


ProjectLook = Callable[[Project], Iterator[Found]]
Look = Callable[[Patient], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check. `look` is None where it is found by what refuses a connection."""

    id: str
    topic: str
    level: Level
    title: str  # what is the matter, in a few words
    means: str
    fix: str  # what to paste, with <names> to fill in
    scope: Scope = "database"
    look: Look | ProjectLook | None = None


@dataclass
class Topic:
    """A group of checks, in the order in which they are made and listed."""

    name: str
    title: str
    checks: list[Check] = field(default_factory=list)

    def check(self, id_: str, level: Level, title: str, *, means: str, fix: str) -> Callable[[Look], Look]:
        """Register a function that looks at a database."""

        def register(look: Look) -> Look:
            self.checks.append(Check(id_, self.name, level, title, means, fix, "database", look))
            return look

        return register

    def check_project(
        self, id_: str, level: Level, title: str, *, means: str, fix: str
    ) -> Callable[[ProjectLook], ProjectLook]:
        """Register a function that looks at the project's files and variables."""

        def register(look: ProjectLook) -> ProjectLook:
            self.checks.append(Check(id_, self.name, level, title, means, fix, "project", look))
            return look

        return register

    def refusal(self, id_: str, title: str, *, means: str, fix: str) -> None:
        """Register something that keeps us from looking at all."""
        self.checks.append(Check(id_, self.name, "wrong", title, means, fix, "connection"))


# `n` is pg_namespace: schemas of the application, neither the server's nor Écluse's own.
OF_APPLICATION = "n.nspname !~ '^(pg_|ecluse(_(next|kept|before)_|$))' AND n.nspname <> 'information_schema'"


def of_extension(catalog: str, oid: str) -> str:
    """An SQL condition: whether an object was made by an extension, which looks after it."""
    return (
        f"EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass "
        f"AND e.objid = {oid} AND e.deptype = 'e')"
    )


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Names, and how many more."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
