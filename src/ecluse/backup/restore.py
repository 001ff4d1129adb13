"""Restore a whole database: into a new one beside, which is compared with the manifest before it gets its name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ecluse.backup import facts
from ecluse.backup.load import compared, load
from ecluse.backup.place import locale_options
from ecluse.backup.programs import Emit
from ecluse.backup.settings import put_settings
from ecluse.backup.snapshot import session_of
from ecluse.backup.stopping import Stopping
from ecluse.backup.swap import rename, swap
from ecluse.backup.target import NOTHING, Ways, door, make_roles, name_of, refuse_unfit
from ecluse.errors import MissingRights, NotRestorable, ProofFailed, WrongState
from ecluse.model.backup import Manifest
from ecluse.model.report import Event
from ecluse.postgres.connect import Database, Session
from ecluse.postgres.failures import translate
from ecluse.postgres.throwaway import throwaway_database

_TOLD = 20


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the backup is now. `before` is the name of what it took the place of; `roles` were made for it."""

    database: str
    before: str = ""
    roles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore of a backup whose files were found intact."""

    folder: Path
    manifest: Manifest
    ways: Ways
    emit: Emit
    stopping: Stopping

    def refuse_new(self, beside: Database, name: str) -> None:
        """Raise what `to_new` would, before anything is made."""
        with door(beside) as (_, conn):
            self._refuse(conn)
            if _exists(conn, name):
                raise WrongState(
                    f"there is a database '{name}' on that server already",
                    hint="choose another name: --new NAME",
                    state=NOTHING,
                )

    def to_new(self, beside: Database, name: str) -> Restored:
        """Restore into a new database on the server of `beside`."""
        self.refuse_new(beside, name)
        with self._made(beside) as (conn, made, roles):
            _translated(lambda: rename(conn, made.name, name))
        return Restored(name, roles=roles)

    def refuse_in_place(self, database: Database) -> None:
        """Raise what `in_place` would, before anything is made."""
        name = name_of(database)
        if name in ("postgres", "template1"):
            raise NotRestorable(
                f"the database '{name}' cannot be replaced: the server's own programs are connected to it, and on "
                "Supabase all services are",
                hint="ecluse restore … --new NAME, and point the application there\n"
                "or: ecluse restore … --table SCHEMA.TABLE, for single tables",
                state=NOTHING,
            )
        with door(database) as (_, conn):
            self._refuse(conn)
            row = conn.execute(
                "SELECT pg_catalog.pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = %s", [name]
            ).fetchone()
            if row is None:
                raise NotRestorable(f"there is no database '{name}'", hint="--new NAME", state=NOTHING)
            if not row[0]:
                raise MissingRights(
                    f"the role does not own '{name}', and so may not rename it",
                    hint="restore as its owner, or into a new database: --new NAME",
                    state=NOTHING,
                )

    def in_place(self, database: Database) -> Restored:
        """Restore beside, and let the new database take the name; the old one is kept under another.

        Sessions on the old database are ended at that moment, and only then.
        """
        self.refuse_in_place(database)
        name = name_of(database)
        with self._made(database) as (conn, made, roles):
            before = _translated(lambda: swap(conn, name, made.name))
        return Restored(name, before, roles)

    def refuse_into(self, database: Database) -> None:
        """Raise what `into_empty` would, before anything is done."""
        with contextlib.closing(session_of(database)) as conn:
            refuse_unfit(conn, self.manifest, self.ways)
            if found := _content(conn):
                raise WrongState(
                    f"{database} is not empty: it has {found} relations",
                    hint="a new database: --new NAME\nor in its place: --in-place",
                    state=NOTHING,
                )

    def into_empty(self, database: Database) -> Restored:
        """Restore into an empty database that is there, in one transaction: all of it, or nothing."""
        self.refuse_into(database)
        with contextlib.closing(session_of(database)) as conn:
            roles = make_roles(conn, self.manifest, self.ways)
        self._load(database, ["--single-transaction"])
        self._compare(database, f"{database} holds what was restored, and that is not what the snapshot was")
        with contextlib.closing(session_of(database)) as conn:
            put_settings(conn, self.folder, name_of(database), self.ways, self.emit)
        return Restored(name_of(database), roles=roles)

    def _refuse(self, conn: Session) -> None:
        row = conn.execute(
            "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        ).fetchone()
        if not row or not row[0]:
            raise MissingRights(
                "the role may not create databases",
                hint="ALTER ROLE … CREATEDB, or name an empty database: --into NAME",
                state=NOTHING,
            )
        refuse_unfit(conn, self.manifest, self.ways)

    @contextlib.contextmanager
    def _made(self, database: Database) -> Iterator[tuple[Session, Database, list[str]]]:
        """A database with everything in it, compared; it is dropped at the end unless it was renamed."""
        with door(database) as (other, conn):
            roles = make_roles(conn, self.manifest, self.ways)
            options = locale_options(self.manifest.locale, conn.info.server_version // 10000)
            with throwaway_database(other, "restore_", options) as made:
                self._load(made, [])
                self._compare(made, NOTHING)
                put_settings(conn, self.folder, made.name, self.ways, self.emit)
                self.stopping.check(NOTHING)
                yield conn, made, roles

    def _load(self, database: Database, options: list[str]) -> None:
        how = [*options, *self.ways.options]
        workers = self.ways.workers
        load(self.folder, self.manifest, database, self.emit, self.stopping, workers, state=NOTHING, options=how)

    def _compare(self, database: Database, state: str) -> None:
        found = compared(
            self.folder,
            self.manifest,
            database,
            self.emit,
            self.stopping,
            self.ways.workers,
            owners=not self.ways.no_owner,
        )
        if found:
            raise ProofFailed(
                f"what was restored is not what the snapshot was: {len(found)} differences",
                details="\n".join(found[:_TOLD]),
                hint="try another backup: ecluse backups",
                state=state,
            )
        self.emit(Event("note", "restored", "every row, sequence and definition is what it was"))


def _translated(work: Callable[[], str]) -> str:
    try:
        return work()
    except psycopg.Error as error:
        raise translate(error, NOTHING) from None


def _exists(conn: Session, name: str) -> bool:
    return conn.execute("SELECT FROM pg_catalog.pg_database WHERE datname = %s", [name]).fetchone() is not None


def _content(conn: Session) -> int:
    schemas = facts.schemas(conn)
    row = conn.execute(
        "SELECT count(*) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = ANY (%s) "
        "AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass "
        "AND d.objid = c.oid AND d.deptype = 'e')",
        [schemas],
    ).fetchone()
    return int(row[0]) + len([schema for schema in schemas if schema != "public"]) if row else 0
