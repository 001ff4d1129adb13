"""The short form of reshape_table: some columns come from expressions, some leave, the rest stays."""

from __future__ import annotations

from pydantic import Field

from ecluse.model.migration import Settings
from ecluse.operations.base import Operation
from ecluse.operations.definitions import column as parse_column
from ecluse.operations.definitions import index as parse_index
from ecluse.operations.draft import Draft, Target
from ecluse.operations.expressions import references
from ecluse.operations.work import Work, nearest


class ColumnSpec(Settings):
    """A column of the new table that is computed from the old row."""

    type: str = Field(description="Its definition, as in CREATE TABLE.")
    source: str = Field(alias="from", description="An expression over the old columns.")
    back: dict[str, str] = Field(default={}, description="Old columns and their expressions over the new columns.")


def compile_columns(
    operation: Operation, work: Work, name: str, columns: dict[str, ColumnSpec], drop: tuple[str, ...]
) -> None:
    """Add the column changes to the table's draft."""
    table = work.table(operation, name, "table")
    draft = work.draft(table)
    draft.in_place = False
    backs = [back for spec in columns.values() for back in spec.back]
    for position, gone in enumerate(drop):
        work.column(operation, table, gone, "drop_columns", position)
        if gone in draft.key:
            raise work.wrong(operation, f"'{gone}' identifies the rows, it cannot be dropped", "drop_columns")
        draft.leave(gone)
        if gone not in backs:
            work.hazard(
                "column-dropped",
                "note",
                table.name,
                f"column '{gone}' of '{table.name}' has no place in the new shape; its values are kept aside "
                "until finish",
            )
    for new, spec in columns.items():
        _add(operation, work, draft, new, spec)
    for new, spec in columns.items():
        for old, text in spec.back.items():
            work.column(operation, table, old, "columns", new, "back", old)
            mapped = work.mapping(operation, text, draft.targets, "columns", new, "back", old)
            draft.backs[old] = f"({mapped})::{draft.old_column(old).type}"


def add_indexes(operation: Operation, work: Work, draft: Draft, indexes: dict[str, str]) -> None:
    """Add indexes over columns of the new table."""
    for name, definition in indexes.items():
        with work.sql_of(operation, "indexes", name):
            index = parse_index(name, definition)
        if name in {known.name for known in (*draft.table.indexes, *draft.indexes)}:
            raise work.wrong(operation, f"'{draft.table.name}' has an index '{name}' already", "indexes", name)
        for column in index.uses:
            if column not in draft.targets:
                text = f"the new '{draft.table.name}' has no column '{column}'; make it in an operation above this one"
                raise work.wrong(operation, text, "indexes", name, hint=nearest(column, draft.targets))
        draft.indexes.append(index)


def _add(operation: Operation, work: Work, draft: Draft, new: str, spec: ColumnSpec) -> None:
    where = ("columns", new)
    with work.sql_of(operation, *where, "type"):
        column = parse_column(new, spec.type)
    replaced = new in draft.targets
    if replaced and (new in draft.conversions or new in draft.key):
        raise work.wrong(operation, f"'{new}' is converted or identifies the rows; use convert_column", *where)
    names = [old.name for old in draft.table.columns]
    mapped = work.mapping(operation, spec.source, names, *where, "from")
    with work.sql_of(operation, *where, "from"):
        read = {found.column for found in references(spec.source)}
    converted = read & set(draft.conversions)
    if replaced:
        draft.leave(new, replaced=True)
    if converted:
        work.hazard(
            "old-value-read",
            "note",
            draft.table.name,
            f"'{new}' is computed from '{converted.pop()}' as it was before its conversion",
        )
    draft.targets[new] = Target(column, f"({mapped})::{column.type}")
