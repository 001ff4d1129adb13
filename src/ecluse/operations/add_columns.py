"""add_columns: new columns with a default."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.operations.base import Operation
from ecluse.operations.definitions import column as parse_column
from ecluse.operations.draft import Target
from ecluse.operations.expressions import volatile
from ecluse.operations.work import Work


class AddColumns(Operation):
    """Add columns to a table. Where the table is built anew anyway they are built with it, else added in place.

    A rollback parks what the new application wrote into them.
    """

    kind: Literal["add_columns"]
    table: str = Field(description="The table, `schema.name`.")
    columns: dict[str, str] = Field(
        min_length=1, description="Name and definition as in `CREATE TABLE`: status = \"text not null default 'new'\"."
    )

    def describe(self) -> str:
        return f"add {', '.join(self.columns)} to {self.table}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        draft = work.draft(table)
        for name, definition in self.columns.items():
            with work.sql_of(self, "columns", name):
                column = parse_column(name, definition)
            if name in draft.targets:
                raise work.wrong(self, f"table '{table.name}' has a column '{name}' already", "columns", name)
            if column.not_null and column.default is None and not column.identity:
                work.hazard(
                    "not-null-without-default",
                    "refuse",
                    table.name,
                    f"new column '{name}' is NOT NULL and has no default, so the rows that exist have no value for it",
                    f'{name} = "{definition} default …"',
                )
            if column.identity or (column.default and not column.generated and volatile(column.default)):
                work.hazard(
                    "volatile-default",
                    "refuse",
                    table.name,
                    f"the default of new column '{name}' differs each time it is computed, so what the rows that "
                    "exist get could not be proved",
                    "give the rows that exist a value with reshape_table: "
                    f'columns = {{ {name} = {{ type = "{definition}", from = "…" }} }}',
                )
            draft.added.append(column)
            # Typed here: in a subquery a bare NULL, or a bare constant, is a text.
            draft.targets[name] = Target(column, f"({column.default or 'NULL'})::{column.type}")
