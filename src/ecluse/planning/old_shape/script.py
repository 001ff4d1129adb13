"""All statements that put the old shape beside the new one, and those that take it away. Pure text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.plan import Plan
from ecluse.planning.old_shape import races, told, use, views
from ecluse.planning.old_shape.place import as_invoker, mapped_tables, plain_tables
from ecluse.planning.old_shape.views import INDEX, Odd
from ecluse.planning.old_shape.writes import Writer


def create(
    plan: Plan, roles: Sequence[str], run: int, stay: Mapping[Name, Table], even: frozenset[Odd]
) -> Iterator[str]:
    """To be run when the new tables are in their place. `stay` are the tables that got columns, as they were.

    `even`: texts that no aside table has, and that none may get while the views are made without looking there.
    """
    plain = list(plain_tables(plan, dict(stay)))
    yield told.create(run)
    yield from use.create(plan, roles)
    yield from races.create(plan)
    for _, member in mapped_tables(plan):
        yield from views.mapped_view(plan, member, roles, even)
    for table, at in plain:
        yield from views.plain_view(plan, table, at, roles)
    for flow, member in mapped_tables(plan):
        yield from Writer(plan, flow, member, run).statements()
    yield from (add_check(plan, odd) for odd in sorted(relied(plan, even)))
    tables = [member.table for _, member in mapped_tables(plan)] + [table for table, _ in plain]
    yield from _schema_rights(plan, roles, tables)
    yield from _beside_rights(plan)


def relied(plan: Plan, even: frozenset[Odd]) -> frozenset[Odd]:
    """The texts that some view relies on not to be there."""
    shown = (member.shown for _, member in mapped_tables(plan) if member.shown)
    return frozenset(odd for each in shown for odd in views.relied(each, even))


def check_name(odd: Odd) -> str:
    """The name of the constraint is what the old application is told."""
    return short(f"{INDEX}{odd[2]}: not written as in any row at the switch")


def add_check(plan: Plan, odd: Odd) -> str:
    """Let nobody put aside what views rely on not to be there."""
    alias, document, key = odd
    condition = f"CHECK (NOT {document} ? {literal(key)}) NOT VALID"
    return f"ALTER TABLE {aside(plan, alias).sql} ADD CONSTRAINT {ident(check_name(odd))} {condition}"


def drop_checks(plan: Plan) -> Iterator[str]:
    """Undo of all of them, where they are."""
    for odd in sorted({each for _, m in mapped_tables(plan) if m.shown for each in m.shown.odd}):
        # A run that is not switched may have lost its next schema already.
        yield f"ALTER TABLE IF EXISTS {aside(plan, odd[0]).sql} DROP CONSTRAINT IF EXISTS {ident(check_name(odd))}"


def firing(plan: Plan) -> tuple[str, ...]:
    """The writers that fire triggers of the new tables, by signature."""
    found = []
    for flow, member in mapped_tables(plan):
        if any(new.table.triggers for new in flow.new.members if new.placed) or flow.joining:
            found += [f"{name.sql}()" for name in Writer(plan, flow, member, 0).names]
    return tuple(found)


def aside(plan: Plan, alias: str) -> Name:
    """Where an aside table stands."""
    member = next(m for flow in plan.flows for m in flow.new.members if m.alias == alias)
    return member.table.name.within(plan.next_schema)


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
