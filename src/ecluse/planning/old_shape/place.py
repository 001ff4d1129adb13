"""Where the old shape stands after the switch, and with whose rights it is used. Pure.

A table whose rows were secured is read and written with the rights of whoever asks, so that the policies of the new
table decide. Any other is used with the rights of whoever switched, and the view has the grants of the old table: so
what nobody was kept from before, nobody is kept from now, down to single columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecluse.model.catalog import Table
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name
from ecluse.model.plan import AddColumns, Plan
from ecluse.planning import flow_sql, switch_sql

INVOKER = 150000
"""Since which version a view can be read with the rights of its reader."""


def view_name(plan: Plan, table: Table) -> Name:
    """Where the old shape of a table is found."""
    return table.name.within(plan.before_schema)


def places(plan: Plan) -> flow_sql.Places:
    """Where the tables stand when both shapes are used; the old ones are their views."""
    at = flow_sql.places(plan, switched=True)
    names = dict(at.names)
    for flow in plan.flows:
        for member in flow.old.members:
            names[member.alias] = view_name(plan, member.table)
    return flow_sql.Places(names)


def mapped_tables(plan: Plan) -> Iterator[tuple[Flow, Member]]:
    """The old tables that a mapping shows."""
    for flow in plan.flows:
        for member in flow.old.members:
            yield flow, member


def plain_tables(plan: Plan, tables: dict[Name, Table]) -> Iterator[tuple[Table, Name]]:
    """The old tables whose rows are still there as they were, with where: archived ones, and those that got columns.

    `tables` are those that stay, as the catalogue has them.
    """
    for table in plan.archives:
        yield table, table.name.within(plan.kept_schema)
    for added in plan.added:
        if added.table in tables:
            yield _without(tables[added.table], added), added.table


def _without(table: Table, added: AddColumns) -> Table:
    new = {column.name for column in added.columns}
    return replace(table, columns=tuple(c for c in table.columns if c.name not in new))


def shown_tables(plan: Plan) -> list[Name]:
    """All tables that have a view of the old shape."""
    return sorted({t.name for t in switch_sql.old_tables(plan)} | {a.table for a in plan.added})


def view_names(plan: Plan) -> tuple[Name, ...]:
    """All views of old tables."""
    return tuple(name.within(plan.before_schema) for name in shown_tables(plan))


def as_invoker(table: Table) -> bool:
    """Whether rows of that old table are reached with the rights of whoever asks."""
    return table.rls or table.force_rls


def needs_unit(flow: Flow) -> bool:
    """Whether a write concerns more than the row itself: several old rows, or rows of several old tables, are one."""
    return flow.old.several or len(flow.old.members) > 1
