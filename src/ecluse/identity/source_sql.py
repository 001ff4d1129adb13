"""A source that lies in a database: what its columns are, and one question for many values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecluse.errors import NotInDatabase
from ecluse.identity.outcomes import Hit, Record, could_be, same_form
from ecluse.identity.resolve import Lookup, Silent
from ecluse.identity.sessions import DatabaseAway, Sessions
from ecluse.model.identity import Kind, Source
from ecluse.model.names import Name, ident
from ecluse.model.settings import did_you_mean
from ecluse.model.uuid_sql import parse_uuid
from ecluse.postgres.connect import Session

_WHOLE = re.compile(r"(smallint|integer|bigint)\Z")
_TEXT = re.compile(r"text|character")
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""
_KINDS = tuple(Kind)


def columns_of(conn: Session, database: str, table: Name) -> dict[str, str]:
    """The columns of a table or view and their types."""
    found = {str(name): str(type_) for name, type_ in conn.execute(_COLUMNS, (table.schema, table.name))}
    if not found:
        hint = "check [[identity.source]] and [[identity.column]] in ecluse.toml"
        raise NotInDatabase(f"database '{database}' has no table '{table}'", hint=hint)
    return found


def require(columns: Mapping[str, str], where: str, *names: str | None) -> None:
    """Raise unless all of them are columns of the table."""
    for name in names:
        if name is not None and name not in columns:
            known = f"its columns are: {', '.join(columns)}"
            raise NotInDatabase(f"'{where}' has no column '{name}'{did_you_mean(name, columns)}", details=known)


def lookup(sessions: Sessions, source: Source) -> Lookup:
    """The source as the resolver wants it. Its columns are looked at once, when it is asked for the first time."""
    types: dict[str, str] = {}

    def look(values: Sequence[str], kinds: frozenset[Kind]) -> Mapping[str, Sequence[Hit]]:
        try:
            with sessions.use(source.database) as conn:
                if not types:
                    types.update(columns_of(conn, source.database, source.name))
                    require(types, str(source), *source.ids.values(), source.deleted)
                return _ask(conn, source, types, values, kinds)
        except DatabaseAway:
            raise Silent from None

    return look


def _ask(
    conn: Session, source: Source, types: Mapping[str, str], values: Sequence[str], kinds: frozenset[Kind]
) -> Mapping[str, Sequence[Hit]]:
    query, parameters = question(source, types, values, kinds)
    hits: defaultdict[str, list[Hit]] = defaultdict(list)
    if query:
        for number, kind, deleted, *ids in conn.execute(query.encode(), parameters):
            hits[values[number]].append(Hit(Kind(kind), as_record(source, deleted, ids)))
    return hits


def question(
    source: Source, types: Mapping[str, str], values: Sequence[str], kinds: frozenset[Kind]
) -> tuple[str, list[list[Any]]]:
    """The query for the rows that have these values, and its parameters; empty where no column can have one.

    Each column is joined by a plain equality that the server can hash: where no index serves it, as by the lower case
    of e-mails, the source is read once for all values.
    """
    parts: list[str] = []
    parameters: list[list[Any]] = []
    for kind, column in source.ids.items():
        forms = [
            (form, number)
            for number, value in enumerate(values)
            if kind in kinds and could_be(kind, value)
            for form in _forms(kind, types[column], value)
        ]
        if forms:
            parts.append(_rows(source, types, kind, column))
            parameters += [[form for form, _ in forms], [number for _, number in forms]]
    return " UNION ALL ".join(parts), parameters


def _rows(source: Source, types: Mapping[str, str], kind: Kind, column: str) -> str:
    own, array = f"t.{ident(column)}", "text"
    if kind is Kind.EMAIL:
        own = f'lower({own}::text COLLATE "C")'
    elif types[column] == "uuid" or _WHOLE.match(types[column]):
        array = "uuid" if types[column] == "uuid" else "bigint"
    elif not _TEXT.match(types[column]):
        own = f"{own}::text"
    rows, table, own = (_escaped(sql) for sql in (row_columns(source), source.name.sql, own))
    values = f"unnest(%s::{array}[], %s::integer[]) w(v, n)"
    return f"SELECT w.n, '{kind}', {rows} FROM {values} JOIN {table} t ON {own} = w.v"


def _escaped(sql: str) -> str:
    """For the driver, a percent sign in a name would be a parameter."""
    return sql.replace("%", "%%")


def row_columns(source: Source) -> str:
    """What is read of a row: whether it is deleted, then its ids by kind."""
    deleted = "false" if source.deleted is None else f"coalesce(t.{ident(source.deleted)}::text <> 'false', false)"
    ids = [f"t.{ident(source.ids[kind])}::text" if kind in source.ids else "NULL::text" for kind in _KINDS]
    return ", ".join([deleted, *ids])


def as_record(source: Source, deleted: bool, ids: Sequence[Any]) -> Record:
    """A row that was read with `row_columns`."""
    pairs = zip(_KINDS, ids, strict=True)
    return Record(source, tuple((kind, text) for kind, text in pairs if text is not None), deleted)


def _forms(kind: Kind, type_: str, value: str) -> Iterator[object]:
    """How the value may be written in a column of that type; an index of the column can answer for each."""
    if kind is Kind.EMAIL:
        yield same_form(kind, value)
    elif type_ == "uuid":
        if uuid := parse_uuid(value):
            yield uuid
    elif _WHOLE.match(type_):
        if could_be(Kind.LEGACY, value):
            yield int(value)
    else:
        plain = same_form(kind, value)
        yield from dict.fromkeys((value, plain, plain.upper() if parse_uuid(value) else plain))
