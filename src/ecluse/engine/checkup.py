"""What `doctor` looks at: whether a run could begin on this database, and what would stand in its way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from ecluse.engine import journal, old_shape
from ecluse.engine.context import Connection
from ecluse.engine.status import next_commands
from ecluse.errors import CannotConnect, EcluseError
from ecluse.model.catalog import Catalog
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.failures import translate
from ecluse.postgres.locks import run_lock_holders

_FREE_SESSIONS = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `good` is None for what is only told."""

    about: str
    good: bool | None
    message: str
    hint: str = ""


def check(database: Database) -> list[Finding]:
    """Look at one database; what cannot be reached is a finding too."""
    try:
        with open_session(database, role="doctor") as conn:
            return list(_look(conn, read_catalog(conn)))
    except CannotConnect as error:
        return [Finding("connection", False, error.details or error.message, error.hint)]
    except EcluseError as error:
        return [Finding("server", False, error.message, error.hint)]
    except psycopg.Error as error:
        known = translate(error)
        return [Finding("catalog", False, known.message, known.hint)]


def _look(conn: Connection, catalog: Catalog) -> Iterator[Finding]:
    major, minor = divmod(catalog.server_version, 10000)
    size = sum(t.size for t in catalog.tables.values())
    yield Finding("server", True, f"PostgreSQL {major}.{minor}")
    yield Finding("size", None, f"{len(catalog.tables):,} tables, {size / 1e6:,.1f} MB with their indexes")
    yield from _rights(catalog)
    yield from _sessions(conn)
    yield from _runs(conn)
    yield from _activity(catalog)
    yield from _indexes(catalog)


def _rights(catalog: Catalog) -> Iterator[Finding]:
    role = catalog.role
    if role.superuser:
        yield Finding("rights", True, f"'{role.name}' is a superuser")
        return
    foreign = [t for t in catalog.tables.values() if t.owner not in role.member_of and not t.extension]
    owners = sorted({t.owner for t in foreign})
    yield Finding(
        "rights",
        role.create_in_database,
        f"'{role.name}' may {'' if role.create_in_database else 'NOT '}create schemas in this database",
        "" if role.create_in_database else f'GRANT CREATE ON DATABASE "{catalog.database}" TO "{role.name}"',
    )
    if foreign:
        # Not wrong by itself: a migration needs to own only the tables that it touches.
        yield Finding("rights", None, f"{len(foreign):,} tables belong to others: {', '.join(owners)}")
    forced = [str(t.name) for t in catalog.tables.values() if t.force_rls and not role.bypass_rls]
    if forced:
        yield Finding(
            "rights",
            False,
            f"FORCE ROW LEVEL SECURITY hides rows of {', '.join(forced)} from '{role.name}'",
            f'ALTER ROLE "{role.name}" BYPASSRLS',
        )


def _sessions(conn: Connection) -> Iterator[Finding]:
    row = conn.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
        "- (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int"
    ).fetchone()
    free = int(row[0]) if row else 0
    hint = "" if free >= _FREE_SESSIONS else "close idle sessions, or raise max_connections"
    yield Finding("sessions", free >= _FREE_SESSIONS, f"{free} more sessions may be opened", hint)


def _runs(conn: Connection) -> Iterator[Finding]:
    if not journal.installed(conn):
        yield Finding("journal", None, "there is none yet; the first `ecluse apply` makes it (schema ecluse)")
        return
    found = journal.runs(conn)
    yield Finding("journal", True, f"{len(found)} runs are recorded")
    working = run_lock_holders(conn)
    for holder in working:
        yield Finding("run", None, f"at work now: {holder}")
    for run in found:
        if run.unfinished and not working:
            what = " or ".join(
                f"`{command}`" for command in next_commands(run, old_shape=bool(old_shape.armed(conn, run.id)))
            )
            yield Finding(
                "run", run.status != "building", f"'{run.migration}' is '{run.status}' at '{run.stage}'", what
            )


def _activity(catalog: Catalog) -> Iterator[Finding]:
    now = catalog.activity
    for about, things, hint in (
        ("prepared transaction", now.prepared_transactions, "COMMIT PREPARED or ROLLBACK PREPARED it"),
        ("long transaction", now.long_transactions, "wait for it, or SELECT pg_terminate_backend(pid)"),
        ("replication slot", now.stale_slots, "SELECT pg_drop_replication_slot(name), where nobody needs it"),
    ):
        for one in things:
            yield Finding(about, False, one, hint)


def _indexes(catalog: Catalog) -> Iterator[Finding]:
    for table in catalog.tables.values():
        for index in table.indexes:
            if not index.valid:
                name = f'"{table.name.schema}"."{index.name}"'
                yield Finding(
                    "index", False, f"{index.name} of {table.name} is INVALID", f"REINDEX INDEX CONCURRENTLY {name}"
                )
