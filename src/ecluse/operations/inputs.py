"""The rows of input tables (id maps) out of the texts of their files: at planning, and again for a retry."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import replace

from ecluse.errors import MigrationFileError
from ecluse.model.flow import InputTable
from ecluse.model.migration import Migration
from ecluse.model.names import Name, short


def input_name(migration: str, alias: str) -> Name:
    """Where an input table of a migration is stored."""
    return Name("ecluse", short(f"input_{migration}_{alias}"))


def read_rows(text: str, columns: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The values of these columns. Raises ValueError with what is wrong, in words for the user."""
    rows = list(csv.reader(io.StringIO(text)))
    header = [name.strip() for name in rows[0]] if rows else []
    wanted = list(columns)
    missing = [name for name in wanted if name not in header]
    if missing:
        raise ValueError(f"has no column '{missing[0]}'")
    places = [header.index(name) for name in wanted]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise ValueError(f"line {number}: {len(row)} values, not {len(header)}")
    return tuple(tuple(row[place] for place in places) for row in rows[1:])


def read_again(migration: Migration, stored: Iterable[InputTable]) -> tuple[InputTable, ...]:
    """The input tables of a stored plan with the rows that their files hold now."""
    files = {
        input_name(migration.name, spec.alias): spec.file
        for operation in migration.operations
        for spec in getattr(operation, "input", ())
    }
    found = []
    for table in stored:
        if table.name in files:
            file = files[table.name]
            try:
                rows = read_rows(migration.files[file], [name for name, _ in table.columns])
            except ValueError as problem:
                raise MigrationFileError(f"'{file}' {problem}") from None
            found.append(replace(table, rows=rows))
    return tuple(found)
