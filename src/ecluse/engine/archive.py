"""The archive that `finish` writes: the kept tables as files that psql can read, checked before anything is dropped.

A directory: `manifest.json`, `schema.sql`, and for each table `SCHEMA.TABLE.copy.gz` in COPY text format.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from ecluse.engine.context import Connection
from ecluse.errors import ArchiveDamaged
from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident
from ecluse.planning import ddl_table as ddl
from ecluse.planning.flow_sql import column_list
from ecluse.postgres.files import sha256_of
from ecluse.proof.compare import quick_equal

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchivedTable:
    """One table in the manifest. `sha256` is of the compressed file."""

    table: str
    file: str
    rows: int
    columns: tuple[str, ...]
    sha256: str


def write_archive(conn: Connection, folder: Path, tables: list[tuple[Table, Name]], about: dict[str, object]) -> None:
    """Write the tables (definition, and where it stands now) into a new folder, readable by its owner only."""
    folder.mkdir(parents=True, mode=0o700)
    entries = [_write_table(conn, folder, table, at) for table, at in tables]
    definitions = [s + ";\n" for table, _ in tables for s in _definition(table)]
    (folder / "schema.sql").write_text("".join(definitions), encoding="utf-8")
    manifest = {"format": 1, **about, "tables": [asdict(e) for e in entries]}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _definition(table: Table) -> list[str]:
    here = table.name.schema
    return [
        ddl.create_table(table, here),
        *(ddl.constraint_sql(table.name, c) for c in ddl.later_constraints(table) if c.kind != "f"),
        *(ddl.index_sql(table.name, i) for i in table.indexes if not i.constraint),
    ]


def _write_table(conn: Connection, folder: Path, table: Table, at: Name) -> ArchivedTable:
    file = f"{table.name.schema}.{table.name.name}.copy.gz".replace("/", "_")
    columns = table.written
    with gzip.open(folder / file, "wb", compresslevel=1) as out, conn.cursor() as cursor:
        with cursor.copy(_sql(f"COPY (SELECT {column_list(columns)} FROM {at.sql}) TO STDOUT")) as copy:
            for block in copy:
                out.write(block)
        rows = cursor.rowcount
    return ArchivedTable(str(table.name), file, rows, columns, sha256_of(folder / file))


def check_archive(conn: Connection, folder: Path, tables: list[tuple[Table, Name]]) -> None:
    """Load every file back and compare it with its table, row by row, by checksum. Raises ArchiveDamaged.

    The copy goes into a temporary table of the same server, so that every type is at hand.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = {entry["table"]: entry for entry in manifest["tables"]}
    for table, at in tables:
        entry = files[str(table.name)]
        if sha256_of(folder / entry["file"]) != entry["sha256"]:
            raise _damaged(folder / entry["file"], "its sha256 is not the one in the manifest")
        with conn.transaction(force_rollback=True):
            _load_and_compare(conn, folder / entry["file"], table, at)


def _load_and_compare(conn: Connection, file: Path, table: Table, at: Name) -> None:
    columns = table.written
    conn.execute(f"CREATE TEMP TABLE ecluse_archive AS SELECT {column_list(columns)} FROM {at.sql} WITH NO DATA")
    try:
        into = _sql(f"COPY pg_temp.ecluse_archive ({column_list(columns)}) FROM STDIN")
        with gzip.open(file, "rb") as read, conn.cursor() as cursor, cursor.copy(into) as copy:
            while block := read.read(_BLOCK):
                copy.write(block)
    except (psycopg.DataError, OSError, EOFError) as error:
        raise _damaged(file, "it cannot be read back") from error
    left = f"SELECT {column_list(columns)} FROM {at.sql}"
    right = "SELECT * FROM pg_temp.ecluse_archive"
    if not quick_equal(conn, left, right, columns):
        raise _damaged(file, "it does not hold the rows of its table")


def _damaged(file: Path, why: str) -> ArchiveDamaged:
    return ArchiveDamaged(
        f"archive file '{file.name}': {why}",
        hint="look at the disk, then run the same `ecluse finish` again: it writes a new archive",
        state="nothing was dropped; the old shape is still kept",
    )


def _sql(text: str) -> sql.SQL:
    # psycopg's copy() wants a literal or a composable; the text is made of quoted identifiers only.
    return sql.SQL(text)


def drop_name(kind: str, signature: str, home: Name, schema: str) -> str:
    """DROP of an object that was moved from `home` to another schema."""
    there = signature.replace(ident(home.schema) + ".", ident(schema) + ".", 1)
    return f"DROP {kind.upper()} {there}"
