"""A database that is copied: every session reads at one exported snapshot and can write nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ecluse.model.catalog import Catalog, Table
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.failures import translate

_NOTHING = "nothing was changed"
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_ROLES = """
    SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
    FROM pg_catalog.pg_roles WHERE NOT pg_catalog.starts_with(rolname::text, 'pg_') ORDER BY 1
"""
_MEMBERS = """
    SELECT g.rolname, m.rolname, a.admin_option, pg_catalog.to_jsonb(a) -> 'inherit_option'
    FROM pg_catalog.pg_auth_members AS a
    JOIN pg_catalog.pg_roles AS g ON g.oid = a.roleid JOIN pg_catalog.pg_roles AS m ON m.oid = a.member
    WHERE NOT pg_catalog.starts_with(m.rolname::text, 'pg_') ORDER BY 1, 2
"""
_SETTINGS = """
    SELECT coalesce(r.rolname, ''), s.setdatabase <> 0, c.text
    FROM pg_catalog.pg_db_role_setting AS s LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    CROSS JOIN LATERAL unnest(s.setconfig) AS c (text)
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
"""
_READ_SECONDS = 3  # of a calibration at most


@dataclass(frozen=True, slots=True)
class Role:
    """A role, without its password."""

    name: str
    superuser: bool
    inherit: bool
    create_role: bool
    create_database: bool
    replication: bool
    bypass_rls: bool

    @property
    def attributes(self) -> str:
        """As CREATE ROLE takes them."""
        said = {
            "SUPERUSER": self.superuser,
            "INHERIT": self.inherit,
            "CREATEROLE": self.create_role,
            "CREATEDB": self.create_database,
            "REPLICATION": self.replication,
            "BYPASSRLS": self.bypass_rls,
        }
        return " ".join(word if given else f"NO{word}" for word, given in said.items())


@dataclass(frozen=True, slots=True)
class Member:
    """One role in another."""

    role: str
    member: str
    admin: bool
    inherit: bool | None  # None before PostgreSQL 16


@dataclass(frozen=True, slots=True)
class Setting:
    """`ALTER ROLE ... SET`, of the role everywhere or in this database; of all roles where none is named."""

    role: str
    here: bool
    text: str = field(repr=False)  # name=value; the value may be a secret of the application


class Source:
    """One database at one snapshot, for as long as it is entered.

    Locks: ACCESS SHARE on what is read. The snapshot holds back VACUUM there meanwhile, as that of `pg_dump` does.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.snapshot = ""
        self._conn: Session | None = None
        self._catalog: Catalog | None = None

    def __enter__(self) -> Source:
        self._conn = _reading(self.database)
        try:
            row = self._conn.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
            self.snapshot = str(row[0]) if row else ""
        except psycopg.Error as error:
            self._conn.close()
            raise translate(error, _NOTHING) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.conn.close()

    @property
    def conn(self) -> Session:
        """The session that holds the snapshot."""
        assert self._conn is not None
        return self._conn

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.conn.info.server_version // 10000

    @property
    def catalog(self) -> Catalog:
        """The catalogue at the snapshot, read once."""
        if self._catalog is None:
            try:
                self._catalog = read_catalog(self.conn)
            except psycopg.Error as error:
                raise translate(error, _NOTHING) from None
        return self._catalog

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables whose rows are copied: those of an extension are its own, those elsewhere stay there."""
        return tuple(t for t in self.catalog.tables.values() if t.kind == "r" and not t.extension)

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """A further session at the same snapshot."""
        with closing(_reading(self.database)) as conn:
            try:
                conn.execute(f"SET TRANSACTION SNAPSHOT '{self.snapshot}'".encode())
            except psycopg.Error as error:
                raise translate(error, _NOTHING) from None
            yield conn

    def roles(self) -> tuple[Role, ...]:
        """All roles but the server's own."""
        return tuple(Role(*row) for row in self.conn.execute(_ROLES.encode()))

    def members(self) -> tuple[Member, ...]:
        """Who is a member of which role."""
        return tuple(Member(*row) for row in self.conn.execute(_MEMBERS.encode()))

    def settings(self) -> tuple[Setting, ...]:
        """What roles have set, everywhere and here."""
        return tuple(Setting(*row) for row in self.conn.execute(_SETTINGS.encode()))

    def properties(self) -> dict[str, Any]:
        """The row of pg_database: its columns differ between versions."""
        row = self.conn.execute(
            "SELECT pg_catalog.to_jsonb(d) || pg_catalog.jsonb_build_object('encoding', "
            "pg_catalog.pg_encoding_to_char(d.encoding)) FROM pg_catalog.pg_database AS d "
            "WHERE d.datname = pg_catalog.current_database()"
        ).fetchone()
        return dict(row[0]) if row else {}

    def large_objects(self) -> int:
        """How many there are: they are not copied."""
        row = self.conn.execute("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata").fetchone()
        return int(row[0]) if row else 0


def _reading(database: Database) -> Session:
    conn = open_session(database, role="rehearse")
    try:
        conn.execute("SET default_transaction_read_only = on")
        conn.execute("SET lc_monetary = 'C'")  # money is written as the copy reads it
        conn.execute(_BEGIN.encode())
    except psycopg.Error as error:
        conn.close()
        raise translate(error, _NOTHING) from None
    return conn


def read_speed(conn: Session, table: Table, pages: int) -> float | None:
    """Pages a second of a sequential read of the table's first pages; the faster of two reads. None where it is empty.

    It is one query that writes nothing and uses no parallel workers; it is given up after three seconds.
    """
    if not pages:
        return None
    best = None
    try:
        with conn.transaction():
            conn.execute(f"SET LOCAL statement_timeout = '{_READ_SECONDS}s'".encode())
            conn.execute("SET LOCAL max_parallel_workers_per_gather = 0")
            for _ in range(2):
                began = time.monotonic()
                conn.execute(f"SELECT count(t) FROM ONLY {table.name.sql} AS t WHERE ctid < '({pages},0)'".encode())
                seconds = time.monotonic() - began
                best = max(best or 0.0, pages / max(seconds, 1e-6))
    except psycopg.errors.QueryCanceled:
        pass
    return best
