"""One snapshot that everything of a backup is read at, and the locks that keep what it sees in place.

TRUNCATE and what rewrites a table do not wait for snapshots: a table that is truncated after the snapshot was taken
is empty to it. So the tables are locked before the snapshot is, and listed again by it: where one has come meanwhile,
all begins anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from ecluse.backup import facts
from ecluse.backup.facts import Found
from ecluse.errors import LockNotTaken, MissingRights, RowsHidden
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.failures import translate

STATE = "no backup was kept; the database was only read"
_ATTEMPTS = 10
_MANY = 20


@dataclass(frozen=True, slots=True)
class Held:
    """A transaction that keeps a snapshot for others; `session` may ask in it. Locks: ACCESS SHARE on all tables."""

    session: Session
    snapshot: str
    at: str  # ISO 8601, UTC
    tables: tuple[Found, ...]

    @property
    def stored(self) -> tuple[Found, ...]:
        """The tables that have rows of their own."""
        return tuple(each for each in self.tables if each.kind == "r")


@contextlib.contextmanager
def held(database: Database) -> Iterator[Held]:
    """Lock, take the snapshot, keep both. Raises MissingRights, RowsHidden, LockNotTaken."""
    with contextlib.closing(session_of(database)) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        try:
            for _ in range(_ATTEMPTS):
                before = facts.tables(conn)
                with conn.transaction(force_rollback=True):
                    if found := _taken(conn, before):
                        yield found
                        return
        except psycopg.Error as error:
            raise translate(error, STATE) from None
    raise LockNotTaken("tables come and go too fast for a backup", hint="run it again", state=STATE)


def session_of(database: Database) -> Session:
    """A session in which money has the same text on every server."""
    conn = open_session(database, role="backup")
    conn.execute("SET lc_monetary TO 'C'")
    return conn


def _taken(conn: Session, before: tuple[Found, ...]) -> Held | None:
    _refuse(before)
    if text := facts.lock_text(before):
        try:
            conn.execute(text.encode())  # takes no snapshot: it is the first statement's own after it
        except psycopg.errors.UndefinedTable:
            return None
    row = conn.execute(
        "SELECT pg_catalog.pg_export_snapshot(), "
        "pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    ).fetchone()
    assert row is not None
    now = facts.tables(conn)
    if {(each.name, each.columns) for each in now} != {(each.name, each.columns) for each in before}:
        return None
    return Held(conn, row[0], row[1], now)


def _refuse(tables: tuple[Found, ...]) -> None:
    closed = [each for each in tables if each.kind in ("r", "p") and not each.readable]
    if closed:
        raise MissingRights(
            f"the role may not read {len(closed)} of {len(tables)} tables, and a backup without them is none",
            details=_listed(closed),
            hint="connect as the owner of the database, or GRANT pg_read_all_data TO …",
            state=STATE,
        )
    hidden = [each for each in tables if each.kind == "r" and each.hidden]
    if hidden:
        raise RowsHidden(
            f"row level security may hide rows of {len(hidden)} of {len(tables)} tables from this role",
            details=_listed(hidden),
            hint="connect as a role with BYPASSRLS; the owner of a table with FORCE ROW LEVEL SECURITY is not enough",
            state=STATE,
        )


def _listed(tables: list[Found]) -> str:
    names = [str(each.name) for each in tables]
    return ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
