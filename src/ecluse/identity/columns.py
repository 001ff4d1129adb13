"""Columns that hold ids of people: those that are declared, and candidates by key, by name and by values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import psycopg

from ecluse.errors import NotInDatabase
from ecluse.identity.findings import Examined
from ecluse.identity.outcomes import Found
from ecluse.identity.resolve import Resolver
from ecluse.identity.source_sql import columns_of, require
from ecluse.model.catalog import Column, Table
from ecluse.model.identity import Holder, Identity, Kind, Source
from ecluse.model.names import Name, ident
from ecluse.operations.expressions import InvalidSql
from ecluse.operations.inside import Path
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Session
from ecluse.postgres.references import alike, sample_of

_LEAST = 0.02
_TAIL = re.compile(r"(id|ids|uuid|key|ref|email)\Z")
_PEOPLE = Name("public", "users")
# What Supabase's own services keep; it is theirs, and refers to their users by foreign keys.
_MANAGED = frozenset({"auth", "storage", "realtime", "vault", "pgsodium", "supabase_functions", "supabase_migrations"})


def columns_in(
    conn: Session, database: str, identity: Identity, resolver: Resolver, unread: list[str]
) -> Iterator[Examined]:
    """The columns of one database, the declared ones first. Candidates that may not be read go to `unread`."""
    declared = [holder for holder in identity.column if holder.database == database]
    yield from (declared_column(conn, holder) for holder in declared)
    own = {(s.name, column) for s in identity.source if s.database == database for column in s.ids.values()}
    known = own | {(holder.name, holder.column) for holder in declared}
    for table in read_catalog(conn, measure=True).tables.values():
        if table.kind == "f" or table.extension or table.inherits or table.name.schema in _MANAGED:
            continue
        for column in table.columns:
            if (table.name, column.name) not in known:
                try:
                    yield from _candidates(conn, database, table, column, identity.source, resolver)
                except psycopg.errors.InsufficientPrivilege:
                    unread.append(f"{database}: {table.name}.{column.name}")


def declared_column(conn: Session, holder: Holder) -> Examined:
    """A column of `[[identity.column]]`; raises NotInDatabase where it is not there."""
    types = columns_of(conn, holder.database, holder.name)
    require(types, f"{holder.database}: {holder.name}", holder.column)
    type_ = types[holder.column]
    if (type_ in ("jsonb", "json")) is not bool(holder.path):
        hint = 'path = "user.id", or path = "items[*].user_id"'
        if holder.path:
            raise NotInDatabase(f"'{holder}' has a path, and its column is {type_}", hint="leave 'path' out")
        raise NotInDatabase(f"'{holder}' is {type_}: say where in it the ids are", hint=hint)
    return Examined(holder, type_, "declaration")


def _candidates(
    conn: Session, database: str, table: Table, column: Column, sources: Sequence[Source], resolver: Resolver
) -> Iterator[Examined]:
    document = column.type in ("jsonb", "json")

    def holder(path: str = "", holds: Kind | None = None) -> Holder:
        inside = path if document else ""
        return Holder(database=database, table=table.name.sql, column=column.name, path=inside, holds=holds)

    if (kind := _by_key(table, column, database, sources)) is not None:
        yield Examined(holder(holds=kind), column.type, "foreign key")
        return
    whole = _named(column.name, sources)
    for path, values in sample_of(conn, table, column, whole=whole).items():
        last = path.removesuffix("[*]").rpartition(".")[2].strip('"') if document else column.name
        if document and not path:
            continue
        if _named(last, sources):
            yield Examined(holder(path), column.type, "name")
        else:
            known = sum(isinstance(outcome, Found) for _, outcome in resolver.resolve(values))
            # One shared value may be chance.
            if known > 1 and known >= _LEAST * len(values):
                yield Examined(holder(path), column.type, "values")


def _by_key(table: Table, column: Column, database: str, sources: Sequence[Source]) -> Kind | None:
    """The id that a foreign key of the column alone says it holds."""
    for key in table.foreign_keys:
        for source in sources:
            if key.columns == (column.name,) and (database, key.references) == (source.database, source.name):
                for kind, name in source.ids.items():
                    if key.referenced_columns == (name,):
                        return kind
    return None


def _named(column: str, sources: Sequence[Source]) -> bool:
    if not _TAIL.search(column.lower()):
        return False
    tables = {_PEOPLE, *(source.name for source in sources)}
    return any(alike(column, table, key) for table in tables for key in ("id", "email") if column.lower() != key)


def counted(conn: Session, examined: Examined) -> Iterator[tuple[str, int]]:
    """Each distinct value of the column with the number of its rows, as texts, in no order."""
    holder = examined.holder
    column = f"t.{ident(holder.column)}"
    rows = f"{holder.name.sql} t"
    if holder.path:
        try:
            leaves = Path.parse(holder.path).leaves(f"{column}::jsonb")
        except InvalidSql as problem:
            raise NotInDatabase(f"'{holder}': {problem}") from None
        rows += f", LATERAL {leaves}"
        column = "l.v #>> '{}'"
    elif examined.type.endswith("[]"):
        rows += f", unnest({column}::text[]) v"
        column = "v"
    # A cursor of the server's, so that millions of ids do not have to fit into our memory.
    with conn.transaction(), conn.cursor(name="ecluse_identity") as cursor:
        cursor.execute(f"SELECT ({column})::text, count(*) FROM {rows} WHERE {column} IS NOT NULL GROUP BY 1".encode())
        yield from cursor
