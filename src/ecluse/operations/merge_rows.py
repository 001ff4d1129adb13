"""merge_rows: rows that share a key become one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.model.catalog import Table
from ecluse.model.names import ident
from ecluse.operations.base import Operation
from ecluse.operations.expressions import check_aggregate, check_ordering
from ecluse.operations.merge_sql import WORDS, MergeAside, MergeInto
from ecluse.operations.work import ONE_AFTER_THE_OTHER, Work, row_key


class MergeRows(Operation):
    """Make one row of all rows that share `by`; a row in which that is NULL stays alone.

    The merged rows are kept aside in full until finish, or in `metadata` for good. A rollback gives them back, with
    what the new application changed written into the first or last of them.
    """

    kind: Literal["merge_rows"]
    table: str = Field(description="The table, `schema.name`.")
    by: str = Field(description="The column whose equal values make rows one.")
    distinct_on: tuple[str, ...] = Field(
        default=(), description="Columns in which rows must agree too: rows of two people are never merged."
    )
    order_by: str = Field(description="What is first and last: created_at. Equal ones go by the key.")
    keep: dict[str, str] = Field(
        default={},
        description="Column and what is kept of it: first (default), last, max, min, sum, bool_or, bool_and, or an "
        "aggregate expression over the rows `m`.",
    )
    metadata: str = Field(
        default="",
        description="A new jsonb column for what the merged row alone does not tell: under `merged`, for each old row "
        "what was different in it. The application may add to it, but must leave `merged` alone. Without it, the "
        "merged rows are kept in a table of the engine's own.",
    )

    def describe(self) -> str:
        return f"merge rows of {self.table} by {self.by}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        for name in (self.by, *self.distinct_on):
            column = work.column(self, table, name, "by" if name == self.by else "distinct_on")
            if not column.deterministic:
                work.hazard(
                    "nondeterministic-collation",
                    "refuse",
                    f"{table.name}.{name}",
                    f"{name} of {table.name} takes different texts for equal; rows are merged where the texts are one",
                    f'ALTER TABLE {table.name.sql} ALTER {ident(name)} TYPE {column.type} COLLATE "C"',
                )
        key = self._check(work, table)
        columns = [column.name for column in table.columns]
        with work.sql_of(self, "order_by"):
            work.known(self, check_ordering(self.order_by), columns, "order_by")
        if self.metadata in columns:
            text = f"'{table.name}' has a column '{self.metadata}' already"
            raise work.wrong(self, text, "metadata", hint='a name that is free: metadata = "merged"')
        base = table.name.name
        old, new = work.alias(f"{base}_old"), work.alias(base)
        what = (table, key, self.by, self.distinct_on, self.order_by, self.keep, old, new)
        if self.metadata:
            work.changes.append(MergeInto(*what, self.metadata).flow())
        else:
            work.changes.append(MergeAside(*what, work.alias(f"{base}__merged")).flow())

    def _check(self, work: Work, table: Table) -> tuple[str, ...]:
        key = row_key(table)
        if not key:
            work.hazard("no-primary-key", "refuse", table.name, f"table '{table.name}' has no primary key")
        others = [o for o in work.migration.operations if getattr(o, "table", "") and o is not self]
        if any(work.name(self, str(getattr(o, "table", ""))) == table.name for o in others):
            raise work.wrong(
                self,
                f"another operation changes '{table.name}' too; rows are merged by themselves",
                "table",
                hint=ONE_AFTER_THE_OTHER,
            )
        for other, constraint in work.catalog.referencing(table.name):
            work.hazard(
                "merged-is-referenced",
                "refuse",
                table.name,
                f"'{other}' refers to '{table.name}' by '{constraint.name}', and rows that are merged away would leave "
                "its rows behind",
                f"say in a reshape_table with '{other}' to which row they go",
            )
        for name, how in self.keep.items():
            work.column(self, table, name, "keep", name)
            if name in (*key, self.by, *self.distinct_on):
                raise work.wrong(self, f"of '{name}' nothing can be chosen", "keep", name)
            if how not in WORDS:
                with work.sql_of(self, "keep", name):
                    columns = [column.name for column in table.columns]
                    work.known(self, check_aggregate(how), columns, "keep", name)
        return key
