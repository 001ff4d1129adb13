"""What the plan says of the old shape that is kept after the switch: why it cannot be, and what to know. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ecluse.model.catalog import Catalog, Function
from ecluse.model.names import Name, ident
from ecluse.model.plan import Hazard, Plan
from ecluse.planning import switch_sql
from ecluse.planning.dependents import word_in
from ecluse.planning.old_shape.place import INVOKER, as_invoker, mapped_tables, needs_unit, shown_tables

_WITHOUT = "switch without --old-shape-for, and take old_shape_for out of the migration"
_VIEWS = ("view", "materialized view")


def findings(plan: Plan, catalog: Catalog) -> Iterator[Hazard]:
    """All of them, where the migration names roles that go on using the old shape."""
    yield from refusals(plan)
    yield from _roles(plan, catalog)
    yield from notes(plan)
    yield from warnings(plan, catalog)


def refusals(plan: Plan) -> Iterator[Hazard]:
    """Why the old shape cannot be kept."""
    for move in plan.moves:
        yield _refuse(
            move.old.table.name,
            f"the old shape of {move.old.table.name} cannot be kept: it moves here from another database, where its "
            "users are connected",
            f"{_WITHOUT}; let the application connect to both databases first",
        )
    for flow, member in mapped_tables(plan):
        name = member.table.name
        if not as_invoker(member.table):
            continue
        if plan.server_version < INVOKER:
            yield _refuse(
                name,
                f"the rows of {name} are secured, and PostgreSQL 14 has no views that heed that: a view is read there "
                "with its owner's rights, and everybody would see all rows",
                f"upgrade to PostgreSQL 15, or {_WITHOUT}",
            )
        elif needs_unit(flow):
            yield _refuse(
                name,
                f"the rows of {name} are secured, and its old shape would be written with more rights: one row of the "
                "new shape is made of several old ones, which the writer may not all see",
                _WITHOUT,
            )


def _refuse(table: Name, message: str, hint: str) -> Hazard:
    return Hazard("old-shape-impossible", "refuse", str(table), message, hint)


def _roles(plan: Plan, catalog: Catalog) -> Iterator[Hazard]:
    """The role of the migration itself is no role of the old application."""
    for role in plan.old_shape_for:
        if role == catalog.role.name:
            yield Hazard(
                "old-shape-role",
                "warn",
                role,
                f"'{role}' goes on using the old shape, and is the role that carries out this migration: whatever "
                "else connects as that role meets the old shape as well",
                "give the old application a role of its own",
            )


def notes(plan: Plan) -> Iterator[Hazard]:
    """What there will be."""
    names = ", ".join(str(name) for name in shown_tables(plan))
    roles = ", ".join(plan.old_shape_for)
    yield Hazard(
        "old-shape",
        "note",
        plan.before_schema,
        f"{roles} goes on with the old shape of {names} after the switch: through views in {plan.before_schema}, which "
        "is put in front of its search_path before it. Statements that name a table with its schema meet the new shape",
    )
    if mapped := [str(member.table.name) for _, member in mapped_tables(plan)]:
        yield Hazard(
            "old-shape-on-conflict",
            "note",
            plan.before_schema,
            f"PostgreSQL refuses INSERT ... ON CONFLICT (column) for the views of {', '.join(mapped)}, which have "
            "INSTEAD OF triggers, and ON CONFLICT DO NOTHING fails there on a row that exists; so do TRUNCATE, and "
            "MERGE before PostgreSQL 17. Tables that only got columns have all but TRUNCATE",
        )


# --- what does not follow the search_path -----------------------------------------------------------


def warnings(plan: Plan, catalog: Catalog) -> Iterator[Hazard]:
    """What the old application will meet in the new shape, whatever its search_path."""
    yield from _locks(plan)
    yield from _slow(plan)
    yield from _rights(plan, catalog)
    yield from _functions(plan, catalog)
    yield from _views(plan, catalog)


def _locks(plan: Plan) -> Iterator[Hazard]:
    """PostgreSQL locks the rows of a view that is one plain query, and of no other; nor does it say so."""
    if mapped := [str(member.table.name) for flow, member in mapped_tables(plan) if not needs_unit(flow)]:
        yield Hazard(
            "old-shape-locks",
            "warn",
            plan.before_schema,
            f"SELECT ... FOR UPDATE through the views of {', '.join(mapped)} keeps others out only where no old text "
            "of a value stands aside, and says nothing otherwise. A write to a row that somebody has changed while it "
            "waited fails with 40001 (serialization_failure), where a table would look at the row again",
            "let the old application try such a transaction once more; do not let it share a queue by FOR UPDATE",
        )


def _slow(plan: Plan) -> Iterator[Hazard]:
    """A filter on what several rows were made of reaches no index: only the whole mapping says which they are."""
    for flow, member in mapped_tables(plan):
        if needs_unit(flow):
            yield Hazard(
                "old-shape-scan",
                "warn",
                str(member.table.name),
                f"one row of the new shape is made of several of {member.table.name}: a statement of the old "
                "application that looks for some of them reads them all, as the mapping does, and SELECT ... FOR "
                "UPDATE locks none of them",
                "try the old application on a copy of the database; a large table makes it slow",
            )


def _rights(plan: Plan, catalog: Catalog) -> Iterator[Hazard]:
    """A trigger of a new table is called with the rights of whoever writes that: here of whoever switched."""
    role = catalog.role
    for flow, member in mapped_tables(plan):
        if as_invoker(member.table):
            continue
        name, new = member.table.name, [m.table for m in flow.new.members if m.placed]
        if fired := [trigger.name for table in new for trigger in table.triggers]:
            yield Hazard(
                "old-shape-trigger",
                "warn",
                str(name),
                f"where the old application writes {name}, {', '.join(fired)} is called with the rights of "
                f"'{role.name}', and current_user is that role there",
                "see whether the triggers ask who writes; session_user is who is connected",
            )
        owners = {table.owner for table in (member.table, *new) if table.owner} - {role.name}
        if owners and role.superuser:
            yield Hazard(
                "old-shape-rights",
                "warn",
                str(name),
                f"where the old application writes {name}, all triggers of the new table are called with the rights of "
                f"'{role.name}', a superuser, also those that {', '.join(sorted(owners))} may put on it, and with "
                "functions and operators that others made in the schemas of the search_path",
                "let a role carry out the migration that is no superuser and has the rights of the owner, or trust "
                "whoever owns the table and those schemas",
            )


def _functions(plan: Plan, catalog: Catalog) -> Iterator[Hazard]:
    away = {moved.signature for moved in plan.moved if moved.kind in ("function", "procedure")}
    anew = {thing.name for define in plan.defines for thing in define.objects}
    carried = {function.signature for function in plan.functions}
    for function in catalog.functions:
        if function.extension or function.name.schema.startswith("ecluse"):
            continue
        if function.signature in away:
            what = "is made again on the new tables" if function.signature in carried else "goes with the switch"
            why = "is made anew by the migration" if function.name in anew else what
            yield _warn(function, f"{why}: the old application has no other")
        elif why := _bound(plan, function):
            yield _warn(function, f"{why}: it meets the new shape, also where the old application calls it")


def _warn(function: Function, why: str) -> Hazard:
    return Hazard(
        "old-shape-function",
        "warn",
        str(function.name),
        f"function {function.name} {why}",
        "see whether the old application calls it, and whether it works for both shapes",
    )


def _bound(plan: Plan, function: Function) -> str:
    """Why the text of a function names new tables, whoever calls it; empty where it follows its caller."""
    _, _, body = function.definition.partition("\nAS ")
    tables = [table.name for table in switch_sql.old_tables(plan) if word_in(table.name.name, body)]
    pinned = any(setting.startswith("search_path=") for setting in function.settings)
    if tables and pinned and not function.atomic:
        return f"has a search_path of its own and names {', '.join(map(str, tables))}"
    qualified = [name for name in tables if _qualified(name, body)]
    return f"names {', '.join(map(str, qualified))} with the schema" if qualified else ""


def _qualified(name: Name, text: str) -> bool:
    schema, table = (rf"(?:{re.escape(part)}|{re.escape(ident(part))})" for part in (name.schema, name.name))
    return re.search(rf"(?<![\w\"]){schema}\s*\.\s*{table}(?![\w\"])", text) is not None


def _views(plan: Plan, catalog: Catalog) -> Iterator[Hazard]:
    """The application's own views of the old tables, which are shown in their old shape as far as views can be."""
    secured = [str(member.table.name) for _, member in mapped_tables(plan) if as_invoker(member.table)]
    for moved in plan.moved:
        view = catalog.views.get(moved.name) if moved.kind in _VIEWS else None
        if view is None:
            continue
        lost = []
        if view.materialised:
            lost.append("is no materialised view there, but read anew each time")
        if view.triggers or view.rules:
            lost.append("can only be read there: its triggers and rules are not made for the old shape")
        if secured and "security_invoker=true" not in view.options:
            lost.append(f"shows there only what the policies of {', '.join(secured)} let its reader see")
        if lost:
            yield Hazard("old-shape-view", "warn", str(view.name), f"view {view.name} {'; '.join(lost)}")
