"""New tables without old rows that hang on a table of the new shape: a log, or what only the new application writes.

They are members of its flow, so that what is written there is watched after the switch, and parked at a rollback.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import Field

from ecluse.model.catalog import Table
from ecluse.model.names import ident
from ecluse.operations import rights
from ecluse.operations.base import Operation
from ecluse.operations.draft import Draft, Part
from ecluse.operations.reshape_members import TableSpec, new_table
from ecluse.operations.work import Work, row_key


class BesideSpec(TableSpec):
    """A new table that begins empty, and whose rows hang on those of the operation's table."""

    on: dict[str, str] = Field(
        min_length=1, description="Its columns, and the columns of the key of the operation's table that they hold."
    )
    grants: dict[str, tuple[str, ...]] | None = Field(
        default=None, description="Roles and what they may do; default is the rights of the operation's table."
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """A table that begins empty. `select` gives its no rows; `links` are its columns and those of the anchor."""

    table: Table
    select: str  # without its FROM clause
    key: tuple[str, ...]
    links: tuple[tuple[str, str], ...]

    @property
    def logged(self) -> tuple[str, ...]:
        """What capture logs."""
        return tuple(dict.fromkeys([*self.key, *(ours for ours, _ in self.links)]))


def table_of(
    work: Work, operation: Operation, spec: BesideSpec, anchor: Table, columns: tuple[str, ...], *path: str | int
) -> Beside:
    """The table that a spec describes. `columns` are those of the new anchor that identify its rows."""
    table = new_table(work, operation, spec, anchor, *path)
    if table.name in work.catalog.tables or table.name in work.made:
        raise work.wrong(operation, f"there is a table '{table.name}' already", *path, "table")
    if spec.grants is not None:
        with work.sql_of(operation, *path, "grants"):
            table = replace(table, grants=tuple(rights.grants(table.owner, spec.grants)))
    for ours, theirs in spec.on.items():
        work.column(operation, table, ours, *path, "on", ours)
        if theirs not in columns:
            text = f"'{theirs}' does not identify the rows of '{anchor.name}': {', '.join(columns)} do"
            raise work.wrong(operation, text, *path, "on", ours)
    key = row_key(table)
    if not key:
        raise work.wrong(operation, f"'{table.name}' has no primary key", *path, "constraints")
    work.made[table.name] = table
    nulls = ", ".join(f"NULL::{column.type} AS {ident(column.name)}" for column in table.columns if column.written)
    return Beside(table, f"SELECT {nulls}", key, tuple(spec.on.items()))


def beside_draft(work: Work, operation: Operation, spec: BesideSpec, draft: Draft, position: int) -> Part:
    """The same as a part of a draft."""
    found = table_of(work, operation, spec, draft.table, draft.key, "beside", position)
    select = f"{found.select} FROM {{source}} WHERE false"
    return Part(work.alias(found.table.name.name), found.table, select, found.key, found.links)
