"""All statements that put the old shape beside the new one, and those that take it away. Pure text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident
from ecluse.model.plan import Plan
from ecluse.planning.old_shape import told, use, views
from ecluse.planning.old_shape.place import as_invoker, mapped_tables, plain_tables
from ecluse.planning.old_shape.writes import Writer


def create(plan: Plan, roles: Sequence[str], run: int, stay: Mapping[Name, Table]) -> Iterator[str]:
    """To be run when the new tables are in their place. `stay` are the tables that got columns, as they were."""
    plain = list(plain_tables(plan, dict(stay)))
    yield told.create(run)
    yield from use.create(plan, roles)
    for _, member in mapped_tables(plan):
        yield from views.mapped_view(plan, member, roles)
    for table, at in plain:
        yield from views.plain_view(plan, table, at, roles)
    for flow, member in mapped_tables(plan):
        yield from Writer(plan, flow, member, run).statements()
    tables = [member.table for _, member in mapped_tables(plan)] + [table for table, _ in plain]
    yield from _schema_rights(plan, roles, tables)
    yield from _beside_rights(plan)


def _schema_rights(plan: Plan, roles: Sequence[str], tables: Sequence[Table]) -> Iterator[str]:
    known = set(roles).union(*(views.grantees(table) for table in tables))
    who = [ident(role) if role else "PUBLIC" for role in sorted(known)]
    yield f"GRANT USAGE ON SCHEMA {ident(plan.before_schema)} TO {', '.join(who)}"
    yield f"GRANT EXECUTE ON FUNCTION {use.function(plan).sql}() TO PUBLIC"


def _beside_rights(plan: Plan) -> Iterator[str]:
    """Let those who read a view with their own rights read what stands aside through it.

    They cannot name these tables: the schemas are not theirs to use.
    """
    for flow, member in mapped_tables(plan):
        if not as_invoker(member.table):
            continue
        beside = [m.table.name.within(plan.next_schema) for m in flow.new.members if m.role == "aside"]
        for role in sorted(views.grantees(member.table)):
            who = ident(role) if role else "PUBLIC"
            yield from (f"GRANT SELECT ON {name.sql} TO {who}" for name in (*beside, *plan.loaded))
