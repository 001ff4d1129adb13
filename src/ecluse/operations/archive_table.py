"""archive_table: a table that the application no longer needs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.model.plan import Archive
from ecluse.operations.base import Operation
from ecluse.operations.work import Work


class ArchiveTable(Operation):
    """Take a table away at the switch. `finish` writes it to the archive, checks that, and drops it."""

    kind: Literal["archive_table"]
    table: str = Field(description="The table, `schema.name`.")

    def describe(self) -> str:
        return f"archive {self.table}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        archived = {
            work.name(operation, operation.table, "table")
            for operation in work.migration.operations
            if isinstance(operation, ArchiveTable)
        }
        for name, key in work.catalog.referencing(table.name):
            if name != table.name and name not in archived:
                work.hazard(
                    "archived-is-referenced",
                    "refuse",
                    table.name,
                    f"'{name}' refers to '{table.name}' by '{key.name}'",
                    f"archive '{name}' too, or ALTER TABLE {name} DROP CONSTRAINT {key.name}",
                )
        work.changes.append(Archive(table.name))
