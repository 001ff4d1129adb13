"""References to a row that is there twice: they refer to the first, until a rollback. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.model.catalog import Table
from ecluse.model.flow import Follow
from ecluse.operations.base import Operation
from ecluse.operations.draft import Conversion, Target
from ecluse.operations.rules import Find, Lookup, col
from ecluse.operations.work import Work


@dataclass(frozen=True, slots=True)
class StandIn:
    """The key of the first for that of a second, by the roster `roster`; any other key is itself."""

    roster: str
    to: str

    def is_second(self, expr: str) -> str:
        """Whether a key is that of a second row. Asked of a hash of the few."""
        return f"({expr} IN (SELECT i.key FROM {{{{{self.roster}}}}} i WHERE i.second IS NOT NULL))"

    def forward(self, expr: str, old_type: str) -> str:
        """What is referred to instead."""
        first = f"(SELECT i.first FROM {{{{{self.roster}}}}} i WHERE i.key = {expr})"
        return f"CASE WHEN {self.is_second(expr)} THEN {first} ELSE {expr} END"

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old value."""
        return f"({self.is_second(expr)} IS TRUE)"

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The old value of a new one where no residue says otherwise."""
        return expr

    def rejected(self, expr: str, old_type: str) -> str:
        """Never."""
        return ""


def refer_to_first(work: Work, operation: Operation, table: Table, key: str, roster: str) -> None:
    """Let the tables that refer to rows of `table` refer to the first of those that are there twice."""
    for name, constraint in work.catalog.referencing(table.name):
        if constraint.referenced_columns != (key,):
            continue
        child = work.catalog.tables[name]
        column = work.column(operation, child, constraint.columns[0], "table")
        draft = work.draft(child)
        if column.name in draft.conversions:
            text = f"'{name}.{column.name}' is converted, and refers to rows that may be there twice"
            raise work.wrong(operation, text, "duplicates", hint="make two migrations, and finish the first")
        rule = StandIn(roster, column.type)
        draft.in_place = False
        draft.conversions[column.name] = Conversion(column, rule)
        draft.targets[column.name] = Target(column, rule.forward(col(column.name), column.type))
        draft.follows.append(Follow(roster, draft.old, column.name))
        message = f"'{name}.{column.name}' refers to the first where it refers to a row that is there twice"
        work.hazard("refers-to-first", "note", name, message)
