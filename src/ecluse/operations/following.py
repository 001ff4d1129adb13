"""Through foreign keys: what refers to a column whose values change follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ecluse.model.catalog import Column, Table
from ecluse.operations.base import Operation
from ecluse.operations.draft import Draft
from ecluse.operations.rules import Lookup
from ecluse.operations.work import Work

Change = Callable[[Table, Column, tuple[Lookup, ...]], bool]
"""Changes one column; False where it is changed already."""


def follow(
    work: Work, operation: Operation, table: Table, column: Column, lookups: tuple[Lookup, ...], change: Change
) -> None:
    """Change one column and, through any number of foreign keys, those that refer to it."""
    if not change(table, column, lookups):
        return
    draft = work.draft(table)
    for name, key in work.catalog.referencing(table.name):
        pairs = tuple(zip(key.referenced_columns, key.columns, strict=True))
        for theirs, ours in pairs:
            if theirs == column.name:
                draft.link(key.referenced_columns)
                child = work.catalog.tables[name]
                found = (Lookup(table.name, column.name, pairs), *inherited(draft, column.name, pairs))
                follow(work, operation, child, work.column(operation, child, ours, "column"), found, change)


def inherited(draft: Draft, column: str, pairs: tuple[tuple[str, str], ...]) -> tuple[Lookup, ...]:
    """The lookups of a referenced column, for those that refer to it.

    A row that the new application made has no residue of its own; what it refers to may have.
    """
    ours = dict(pairs)
    found = draft.conversions[column].lookups
    return tuple(
        replace(lookup, pairs=tuple((theirs, ours[middle]) for theirs, middle in lookup.pairs))
        for lookup in found
        if all(middle in ours for _, middle in lookup.pairs) and lookup.table != draft.table.name
    )
