"""Single tables of a backup, put beside the live ones: rows only, in a schema of their own, compared by checksum."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from ecluse.backup.place import Place
from ecluse.backup.programs import Emit, carry
from ecluse.backup.snapshot import session_of
from ecluse.backup.stopping import Stopping
from ecluse.backup.target import NOTHING
from ecluse.errors import NotInDatabase, ProofFailed, WrongState
from ecluse.model.backup import DUMP, Manifest, TableThen
from ecluse.model.names import Name, ident
from ecluse.model.report import Event
from ecluse.model.settings import did_you_mean
from ecluse.postgres.binaries import client_programs
from ecluse.postgres.connect import Database, Session
from ecluse.postgres.failures import translate
from ecluse.proof.compare import Relation, sums_of
from ecluse.proof.readers import Readers

SCHEMA = "ecluse_restored"
_COLUMNS = """
    SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True)
class Put:
    """A table of the backup, and where its rows are now."""

    table: Name
    at: Name
    rows: int


def wanted(manifest: Manifest, names: tuple[str, ...]) -> tuple[TableThen, ...]:
    """The tables of the backup that are meant. Raises NotInDatabase."""
    there = {str(each.table): each for each in manifest.tables}
    found: dict[str, TableThen] = {}
    for text in names:
        try:
            name = str(Name.parse(text))
        except ValueError:
            name = text
        if name not in there:
            raise NotInDatabase(
                f"the backup has no table '{text}'{did_you_mean(name, there)}",
                hint="SCHEMA.TABLE, as in its manifest.json",
                state=NOTHING,
            )
        found[name] = there[name]
    return tuple(found.values())


def refuse_taken(database: Database, tables: tuple[TableThen, ...]) -> None:
    """Raise WrongState where a table of that name is beside already: it may be somebody's work."""
    with contextlib.closing(session_of(database)) as conn:
        for each in tables:
            at = place_of(each.table, tables)
            row = conn.execute("SELECT pg_catalog.to_regclass(%s) IS NOT NULL", [at.sql]).fetchone()
            if row and row[0]:
                raise WrongState(
                    f"there is a table {at} already, of an earlier restore",
                    hint=f"when it is not needed any more: DROP TABLE {at.sql};",
                    state=NOTHING,
                )


def place_of(table: Name, tables: tuple[TableThen, ...]) -> Name:
    """Beside: by its name, with the schema before it where two tables have one name."""
    alike = [each for each in tables if each.table.name == table.name]
    return Name(SCHEMA, table.name if len(alike) < 2 else f"{table.schema}.{table.name}")


def put_tables(
    folder: Path,
    manifest: Manifest,
    tables: tuple[TableThen, ...],
    place: Place,
    database: Database,
    emit: Emit,
    stopping: Stopping,
) -> tuple[Put, ...]:
    """Load the tables into `place`, then into the schema `ecluse_restored` of `database`, in one transaction.

    Types of the columns must exist there. No other role is given a right on the schema.
    """
    emit(Event("step", "restore"))
    programs = client_programs(max(place.server_version // 10000, manifest.versions.pg_dump))
    common = ["--format=directory", "--exit-on-error", "--no-password", "--verbose", str(folder / DUMP)]
    # The definitions without indexes and constraints, then the rows of these tables only.
    parts = [["--section=pre-data", "--no-subscriptions"]]
    parts += [["--data-only", f"--schema={e.table.schema}", f"--table={e.table.name}"] for e in tables]
    for part in parts:
        carry(programs, "pg_restore", [*part, *common], place.database, stopping, NOTHING, lambda line: None)
    done = []
    with contextlib.closing(session_of(place.database)) as source, contextlib.closing(session_of(database)) as target:
        try:
            with target.transaction():
                target.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}".encode())
                for each in tables:
                    stopping.check(NOTHING)
                    at = place_of(each.table, tables)
                    done.append(Put(each.table, at, _copy(source, target, each, at)))
        except psycopg.Error as error:
            raise translate(error, NOTHING) from None
    emit(Event("note", "restore", "every row is what it was"))
    return tuple(done)


def _copy(source: Session, target: Session, then: TableThen, at: Name) -> int:
    columns = source.execute(_COLUMNS, [then.table.sql]).fetchall()
    names = ", ".join(ident(name) for name, _ in columns)
    listed = ", ".join(f"{ident(name)} {kind}" for name, kind in columns)
    target.execute(f"CREATE TABLE {at.sql} ({listed})".encode())
    # psycopg's copy() wants a literal or a composable; the text is made of quoted identifiers only.
    out = sql.SQL(f"COPY (SELECT {names} FROM ONLY {then.table.sql}) TO STDOUT")
    into = sql.SQL(f"COPY {at.sql} ({names}) FROM STDIN" if columns else f"COPY {at.sql} FROM STDIN")
    with source.cursor() as reading, target.cursor() as writing, reading.copy(out) as rows, writing.copy(into) as copy:
        for block in rows:
            copy.write(block)
    aliased = ", ".join(f"{ident(name)} AS c{number}" for number, (name, _) in enumerate(columns))
    relation = Relation((f"SELECT {aliased} FROM {at.sql}",), tuple(f"c{n}" for n in range(len(columns))))
    (found,) = sums_of([relation], Readers([target]))
    if (found.rows, found.hex) != (then.rows, then.checksum):
        raise ProofFailed(
            f"{then.table}: what was restored is not what the snapshot was",
            details=f"{found.rows:,} rows, and the snapshot had {then.rows:,}",
            hint="try another backup: ecluse backups",
            state=NOTHING,
        )
    return found.rows
