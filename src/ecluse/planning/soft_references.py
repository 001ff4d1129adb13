"""Which keys a plan changes, so that what refers to them without a foreign key stops to match. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Column
from ecluse.model.names import Name
from ecluse.model.plan import Plan
from ecluse.planning.carried import carried
from ecluse.planning.switch_sql import old_tables, visible


def changed_keys(plan: Plan) -> frozenset[tuple[Name, str]]:
    """The columns that are unique by themselves and are not handed on as they are."""
    return frozenset(
        (member.table.name, constraint.columns[0])
        for flow in plan.flows
        for member in flow.old.members
        for constraint in member.table.constraints
        if constraint.kind in "pu" and len(constraint.columns) == 1
        if constraint.columns[0] not in _handed_on(plan, member.table.name)
    )


def stays(plan: Plan, table: Name, column: str) -> bool:
    """Whether the plan leaves a column as it is, in a table outside it or by handing it on."""
    old = {t.name for t in old_tables(plan)}
    return table not in old or column in _handed_on(plan, table)


def _handed_on(plan: Plan, table: Name) -> frozenset[str]:
    old = next((t for t in old_tables(plan) if t.name == table), None)
    new = next((member for member in visible(plan) if member.table.name == table), None)
    if old is None or new is None:
        return frozenset()
    return frozenset(_same_type(old.columns, new.table.columns)) & carried(new.select)


def _same_type(before: tuple[Column, ...], after: tuple[Column, ...]) -> Iterator[str]:
    types = {column.name: column.type for column in before}
    yield from (column.name for column in after if types.get(column.name) == column.type)
