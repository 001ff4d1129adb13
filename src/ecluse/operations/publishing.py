"""A table in the publication and its replica identity: a value, and the SQL that makes, unmakes and proves it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.model.catalog import Table
from ecluse.model.names import ident, literal

PUBLICATION = "supabase_realtime"
WORDS = {"d": "the primary key", "f": "full", "i": "by an index", "n": "nothing"}


@dataclass(frozen=True, slots=True)
class Publishing:
    """What a table is to be. `creates`: the publication is missing; `joins`: it has not the table."""

    table: Table
    identity: str  # d the primary key, f full, i by `index`
    index: str = ""
    creates: bool = False
    joins: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an old row that an UPDATE or a DELETE sends."""
        if self.identity == "f":
            return tuple(column.name for column in self.table.columns)
        if self.identity == "i":
            return next((index.columns for index in self.table.indexes if index.name == self.index), ())
        return self.table.primary_key

    @property
    def changes_identity(self) -> bool:
        """Whether UPDATE and DELETE will send other columns of the old row than now."""
        return (self.identity, self.index) != (self.table.replica_identity, marked(self.table))


def marked(table: Table) -> str:
    """The index that is the table's replica identity, empty where none is."""
    if table.replica_identity != "i":
        return ""
    return next((index.name for index in table.indexes if index.replica_identity), "")


def up(wanted: Publishing) -> str:
    """The script that makes it so, from what the catalog has."""
    lines = [f"CREATE PUBLICATION {ident(PUBLICATION)}"] if wanted.creates else []
    # Before the table joins: from its first event on, old rows are what was asked for.
    lines.append(_identity(wanted.table, wanted.identity, wanted.index))
    if wanted.joins:
        lines.append(f"ALTER PUBLICATION {ident(PUBLICATION)} ADD TABLE ONLY {wanted.table.name.sql}")
    return ";\n".join(lines)


def down(wanted: Publishing) -> str:
    """The script that puts membership and replica identity back as the catalog has them.

    What was taken out by hand meanwhile does not stop it. A publication that it made is dropped unless somebody put
    tables into it since.
    """
    lines = []
    if wanted.joins:
        drop = f"ALTER PUBLICATION {ident(PUBLICATION)} DROP TABLE ONLY {wanted.table.name.sql}"
        lines.append(_where(f"SELECT {_member(wanted.table)}", drop))
    table = wanted.table
    lines.append(_identity(table, table.replica_identity, marked(table)))
    if wanted.creates:
        empty = (
            f"SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = {literal(PUBLICATION)}) AND NOT EXISTS "
            f"(SELECT FROM pg_publication_tables WHERE pubname = {literal(PUBLICATION)})"
        )
        lines.append(_where(empty, f"DROP PUBLICATION {ident(PUBLICATION)}"))
    return ";\n".join(lines)


def probes(wanted: Publishing) -> str:
    """A script that raises at the first thing for which a change would not be heard, or could not be made at all.

    EXPLAIN starts a statement as far as the check of the replica identity, and fires no trigger.
    """
    table, name = wanted.table, wanted.table.name.sql
    parts = [_require(condition, f"{table.name}: {words}") for condition, words in _conditions(wanted)]
    if settable := next((c.name for c in table.columns if c.written and c.identity != "a"), ""):
        parts.append(f"EXPLAIN UPDATE {name} SET {ident(settable)} = {ident(settable)}")
    parts.append(f"EXPLAIN DELETE FROM {name}")
    return ";\n".join(parts)


def _conditions(wanted: Publishing) -> Iterator[tuple[str, str]]:
    table = wanted.table
    publication = f"FROM pg_publication WHERE pubname = {literal(PUBLICATION)}"
    yield "current_setting('wal_level') = 'logical'", "wal_level is not logical, so no change is sent"
    yield (
        f"EXISTS (SELECT FROM pg_publication_tables WHERE pubname = {literal(PUBLICATION)} AND schemaname = "
        f"{literal(table.name.schema)} AND tablename = {literal(table.name.name)})",
        f"not in publication {PUBLICATION}",
    )
    for event in ("insert", "update", "delete"):
        yield f"EXISTS (SELECT {publication} AND pub{event})", f"publication {PUBLICATION} sends no {event.upper()}"
    # These two columns came with PostgreSQL 15; as jsonb they can be asked for on any.
    in_part = _member(table, "AND coalesce(to_jsonb(r) ->> 'prattrs', to_jsonb(r) ->> 'prqual') IS NOT NULL")
    yield f"NOT {in_part}", f"only some columns or rows are in publication {PUBLICATION}"
    yield (
        f"(SELECT relreplident FROM pg_class WHERE oid = {_oid(table)}) = {literal(wanted.identity)}",
        f"replica identity is not {WORDS[wanted.identity]}",
    )
    if wanted.index:
        index = f"SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = {_oid(table)}"
        yield (
            f"EXISTS ({index} AND i.indisreplident AND c.relname = {literal(wanted.index)})",
            f"replica identity is not index {wanted.index}",
        )


def _identity(table: Table, identity: str, index: str) -> str:
    # The mark of an index that is gone stays on the table and means that nothing identifies a row.
    by_index = f"USING INDEX {ident(index)}" if index else "NOTHING"
    word = {"d": "DEFAULT", "f": "FULL", "n": "NOTHING", "i": by_index}[identity]
    return f"ALTER TABLE {table.name.sql} REPLICA IDENTITY {word}"


def _oid(table: Table) -> str:
    return f"{literal(table.name.sql)}::regclass"


def _member(table: Table, more: str = "") -> str:
    return (
        "EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid "
        f"WHERE p.pubname = {literal(PUBLICATION)} AND r.prrelid = {_oid(table)} {more})"
    )


def _where(condition: str, statement: str) -> str:
    return f"DO $publish$\nBEGIN\n  IF ({condition}) THEN\n    {statement};\n  END IF;\nEND $publish$"


def _require(condition: str, words: str) -> str:
    message = literal(words.replace("%", "%%"))
    return f"DO $probe$\nBEGIN\n  IF NOT ({condition}) THEN\n    RAISE EXCEPTION {message};\n  END IF;\nEND $probe$"
