"""sql: a script of the user's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.model.plan import SqlChange
from ecluse.operations.base import Operation
from ecluse.operations.expressions import is_a, parse
from ecluse.operations.work import Work


class Sql(Operation):
    """Run a script that no other operation says better. Without `down` there is no way back past it."""

    kind: Literal["sql"]
    title: str = Field(description="What the script does, for the plan.")
    up: str = Field(description="The script, or the path of a `.sql` file.")
    down: str | None = Field(default=None, description="The script that undoes it. An empty one says: nothing to undo.")
    verify: str = Field(default="", description="A query of one row and one boolean that is true when all is well.")
    phase: Literal["before", "switch", "after"] = Field(
        default="switch", description="before the copy, within the switch, or after it."
    )

    def describe(self) -> str:
        return f"run {self.title}"

    def compile(self, work: Work) -> None:
        for word, script in (("up", self.up), ("down", self.down or ""), ("verify", self.verify)):
            with work.sql_of(self, word):
                statements = parse(script)
            if any(is_a(found.stmt, "TransactionStmt") for found in statements):
                raise work.wrong(self, f"'{word}' begins or ends a transaction; each script runs in one", word)
        if self.down is None:
            work.hazard(
                "no-way-back",
                "warn",
                self.title,
                f"'{self.title}' has no 'down': once it has run, a rollback does not undo it",
                'down = "…", or down = "" where there is nothing to undo',
            )
        work.changes.append(SqlChange(self.title, self.up, self.down, self.verify, self.phase))
