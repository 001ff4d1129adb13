"""CSV files that a migration names: rows with their lines, and the map from old values to UUIDs."""

from __future__ import annotations

import csv
import io

from ecluse.model.catalog import Table
from ecluse.model.flow import InputTable
from ecluse.model.migration import OperationSettings
from ecluse.model.names import Name, short
from ecluse.model.uuid_sql import parse_uuid
from ecluse.operations.rules import IdMap
from ecluse.operations.work import Work

_MAP = ("old_value", "uuid")


def read_rows(
    work: Work, operation: OperationSettings, file: str, *path: str | int
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the rows, each with its line. Raises MigrationFileError for a row that does not fit it."""
    reader = csv.reader(io.StringIO(work.migration.files[file].removeprefix("\ufeff"), newline=""), strict=True)
    rows = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            if row and len(row) != len(header):
                text = f"'{file}', line {reader.line_num}: {len(row)} values, not {len(header)}"
                raise work.wrong(operation, text, *path)
            if any("\0" in value for value in row):
                raise work.wrong(operation, f"'{file}', line {reader.line_num}: a zero byte", *path)
            if row:
                rows.append((reader.line_num, row))
    except csv.Error as error:
        text = f"'{file}', line {reader.line_num}: not valid CSV: {error}"
        raise work.wrong(operation, text, *path) from error
    return header, rows


def stored_name(work: Work, alias: str) -> Name:
    """Where an input table stands."""
    return Name("ecluse", short(f"input_{work.migration.name}_{alias}"))


def id_map(work: Work, operation: OperationSettings, file: str, table: Table, column: str) -> IdMap:
    """The map of a conversion, as an input table of the plan and for its SQL. Raises MigrationFileError."""
    header, rows = read_rows(work, operation, file, "map")
    if header != list(_MAP):
        have = ",".join(header)
        text = f"'{file}', line 1: the header is '{have}', not '{','.join(_MAP)}'"
        raise work.wrong(operation, text, "map", hint=f"{','.join(_MAP)}\nme@example.org,00000000-…")
    pairs: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for line, (old, new) in rows:
        uuid = parse_uuid(new.strip())
        wrong = ""
        if not uuid:
            wrong = "the new value is not a UUID"
        elif parse_uuid(old):
            wrong = "the old value is a UUID already; only values that are none are looked up"
        elif first := seen.get(f"old {old}"):
            wrong = f"the old value stands in line {first} already"
        elif first := seen.get(uuid):
            wrong = f"the UUID stands in line {first} already; two people would become one"
        if wrong:
            raise work.wrong(operation, f"'{file}', line {line}: {wrong}", "map")
        seen[f"old {old}"] = seen[uuid] = line
        pairs.append((old, uuid))
    alias = work.alias(f"{table.name.name}_{column}_map")
    columns = (("old_value", 'text COLLATE "C"'), ("uuid", "uuid"))
    stored = InputTable(alias, stored_name(work, alias), columns, ("old_value",), tuple(pairs), unique=("uuid",))
    work.changes.append(stored)
    return IdMap(alias, tuple(pairs))
