"""A database takes the name of another, which is kept under a name that says why."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg

from ecluse.backup.target import NOTHING
from ecluse.errors import InUse
from ecluse.model.names import ident, short
from ecluse.postgres.connect import Session

_ATTEMPTS = 3
_END = (
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
    "WHERE datname = ANY (%s) AND pid <> pg_catalog.pg_backend_pid()"
)


def rename(conn: Session, old: str, new: str) -> str:
    """Give a database that nobody uses another name."""
    conn.execute(_END, [[old]])
    conn.execute(f"ALTER DATABASE {ident(old)} RENAME TO {ident(new)}".encode())
    return new


def swap(conn: Session, name: str, made: str) -> str:
    """In one transaction: `name` is renamed, and `made` becomes `name`. Returns what the old one is called now.

    The sessions of both are ended. From the first rename on nobody gets in before the commit: connecting waits for the
    lock on the database. Raises InUse where somebody cannot be ended.
    """
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    before = short(f"{name}_before_restore_{now}")
    for _ in range(_ATTEMPTS):
        conn.execute(_END, [[name, made]])
        try:
            with conn.transaction():
                conn.execute(f"ALTER DATABASE {ident(name)} RENAME TO {ident(before)}".encode())
                conn.execute(f"ALTER DATABASE {ident(made)} RENAME TO {ident(name)}".encode())
        except psycopg.errors.ObjectInUse as error:
            last = error.diag.message_detail or ""
            continue
        return before
    raise InUse(
        f"'{name}' cannot be renamed: somebody uses it, and could not be ended",
        details=last,
        hint="stop the application, and what replicates from it, and try again",
        state=NOTHING,
    )
