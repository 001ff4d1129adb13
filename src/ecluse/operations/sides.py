"""Sides of a flow of one anchor whose key arrives as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ecluse.model.catalog import Column, Table
from ecluse.model.flow import Member, Side
from ecluse.operations.base import Operation
from ecluse.operations.draft import key_text
from ecluse.operations.move_columns import Mapping
from ecluse.operations.rules import as_text, cast, col
from ecluse.operations.work import Work


def carried_key(
    work: Work, operation: Operation, old: Table, new: Table, key: tuple[str, ...], mapping: Mapping, *path: str
) -> tuple[list[Column], list[Column]]:
    """The columns of the key on both sides. Raises MigrationFileError where it does not arrive as it is."""
    olds, news = [], []
    for name in key:
        before, now = old.column(name), new.column(mapping.same.get(name, ""))
        if before is None or now is None or now.type != before.type:
            raise work.wrong(
                operation,
                f"'{name}' identifies the rows of '{old.name}': it must arrive as it is, in a column of its own "
                "and of its type",
                *path,
                hint="change a key's type in a migration of its own, before or after this one (convert_column)",
            )
        olds.append(before)
        news.append(now)
    names = [column.name for column in news]
    if not any(set(columns) <= set(names) for _, columns in new.unique_keys):
        named = ", ".join(names)
        work.hazard(
            "key-not-unique",
            "refuse",
            new.name,
            f"{named} of '{new.name}' would not be unique: two rows of the new table could not both come home",
            f'[operation.constraints]\n{new.name.name}_pkey = "primary key ({named})"',
        )
    return olds, news


def keyed_side(members: tuple[Member, ...], key: Iterable[Column]) -> Side:
    """The side of these members, the anchor first, whose units are the texts of its key."""
    columns = list(key)
    unit = key_text([as_text(col(column.name), column.type) for column in columns])
    parts = ["u.unit"] if len(columns) == 1 else [f"(u.unit::jsonb->>{n})" for n in range(len(columns))]
    found = [f"{col(c.name)} = {cast(part, c.type)}" for c, part in zip(columns, parts, strict=True)]
    return Side(members, unit=unit, find=" AND ".join(found))
