"""The rows of input tables (id maps) out of the texts of their files: at planning, and again for a retry.

The readers raise ValueError with what is wrong, in words for the user; the caller knows the file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ecluse.errors import MigrationFileError
from ecluse.model.flow import InputTable
from ecluse.model.migration import Migration
from ecluse.model.names import Name, short
from ecluse.model.uuid_sql import parse_uuid

Rows = tuple[tuple[str, ...], ...]
MAP_COLUMNS = ("old_value", "uuid")
EVIDENCE = "evidence"  # of `ecluse identity map`


def input_name(migration: str, alias: str) -> Name:
    """Where an input table of a migration is stored."""
    return Name("ecluse", short(f"input_{migration}_{alias}"))


def map_name(migration: str, table: Name, column: str) -> Name:
    """Where the map of a converted column is stored."""
    return input_name(migration, re.sub(r"\W", "_", f"{table.schema}_{table.name}_{column}__map"))


def ids_name(migration: str, operation: int) -> Name:
    """Where the id map of an operation that rewrites ids is stored."""
    return input_name(migration, f"ids_{operation}")


def read_rows(text: str, columns: Iterable[str]) -> Rows:
    """The values of these columns."""
    lines = _lines(text)
    _, header = next(lines)
    names, wanted = [name.strip() for name in header], list(columns)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"line 1: there is no column '{missing[0]}'")
    places = [names.index(name) for name in wanted]
    return tuple(tuple(row[place] for place in places) for _, row in lines)


def read_map(text: str) -> Rows:
    """Pairs of a text that is not a UUID and the UUID that it becomes; both only once.

    A UUID that becomes itself is left out: it is none of those that are looked up.
    """
    lines = _lines(text)
    _, header = next(lines)
    if tuple(name.strip() for name in header) not in (MAP_COLUMNS, (*MAP_COLUMNS, EVIDENCE)):
        raise ValueError(f"line 1: the header is '{','.join(header)}', not '{','.join(MAP_COLUMNS)}'")
    pairs: list[tuple[str, str]] = []
    olds: dict[str, int] = {}
    news: dict[str, int] = {}
    for line, (old, new, *_) in lines:
        uuid = parse_uuid(new.strip())
        if not uuid:
            raise ValueError(f"line {line}: the new value is not a UUID")
        if parse_uuid(old) == uuid:
            continue
        if parse_uuid(old):
            raise ValueError(f"line {line}: the old value is a UUID already, and only remap_ids looks those up")
        if old in olds:
            raise ValueError(f"line {line}: the old value stands in line {olds[old]} already")
        if uuid in news:
            raise ValueError(f"line {line}: the UUID stands in line {news[uuid]} already; two rows would become one")
        olds[old] = news[uuid] = line
        pairs.append((old, uuid))
    return tuple(pairs)


def read_ids(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of an id as it is written and the UUID that takes its place, each with evidence.

    Several ids may become one. Two spellings of one UUID are one id.
    """
    lines = _lines(text)
    _, header = next(lines)
    if tuple(name.strip() for name in header) != (*MAP_COLUMNS, EVIDENCE):
        wanted = ",".join((*MAP_COLUMNS, EVIDENCE))
        raise ValueError(f"line 1: the header is '{','.join(header)}', not '{wanted}'")
    pairs: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    becomes: dict[str, tuple[str, int]] = {}
    for line, (old, new, evidence) in lines:
        uuid = parse_uuid(new.strip())
        if not uuid:
            raise ValueError(f"line {line}: the new id is not a UUID")
        if not old:
            raise ValueError(f"line {line}: there is no old id")
        if not evidence.strip():
            raise ValueError(f"line {line}: there is no evidence, and nothing is rewritten without any")
        known, where = becomes.setdefault(parse_uuid(old) or old, (uuid, line))
        if known != uuid:
            raise ValueError(f"line {line}: the old id becomes another one than in line {where}")
        if old in seen:
            raise ValueError(f"line {line}: the old id stands in line {seen[old]} already")
        seen[old] = line
        pairs.append((old, uuid))
    return tuple(pairs)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The header, then each row, with its line."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = next(reader, [])
        yield 1, header
        for row in reader:
            if row and len(row) != len(header):
                raise ValueError(f"line {reader.line_num}: {len(row)} values, not {len(header)}")
            if any("\0" in value for value in row):
                raise ValueError(f"line {reader.line_num}: there is a zero byte")
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: not valid CSV: {error}") from error


def read_again(migration: Migration, stored: Iterable[InputTable]) -> tuple[InputTable, ...]:
    """The input tables of a stored plan with the rows that their files hold now."""
    files = dict(_files(migration))
    found = []
    for table in stored:
        if table.name in files:
            file, read = files[table.name]
            try:
                rows = read(migration.files[file], [name for name, _ in table.columns])
            except ValueError as problem:
                raise MigrationFileError(f"'{file}', {problem}") from None
            found.append(replace(table, rows=rows))
    return tuple(found)


def _files(migration: Migration) -> Iterator[tuple[Name, tuple[str, Callable[[str, Iterable[str]], Rows]]]]:
    for operation in migration.operations:
        for spec in getattr(operation, "input", ()):
            yield input_name(migration.name, spec.alias), (spec.file, read_rows)
        file = getattr(operation, "map", "")
        if file and operation.kind == "remap_ids":
            yield ids_name(migration.name, operation.index), (file, lambda text, _: read_ids(text))
        elif file:
            table, column = Name.parse(str(getattr(operation, "table", ""))), str(getattr(operation, "column", ""))
            yield map_name(migration.name, table, column), (file, lambda text, _: read_map(text))
