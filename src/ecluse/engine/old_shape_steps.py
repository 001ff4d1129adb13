"""What keeps the old shape beside the new one, as steps of `plan` and `explain`."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.engine.context import Run
from ecluse.engine.old_indexes import index_statements
from ecluse.model.names import ident
from ecluse.model.plan import Plan, Step
from ecluse.planning.old_shape import script
from ecluse.planning.old_shape.place import shown_tables

_NO_LOCK = "none on your tables"


def ready_steps(run: Run) -> Iterator[Step]:
    """Before the switch: the schema, empty, in front of the roles' search_path."""
    plan = run.plan
    if not plan.old_shape_for:
        return
    schema, roles = ident(plan.before_schema), [ident(role) for role in plan.old_shape_for]
    place = [f"ALTER ROLE {role} IN DATABASE {ident(plan.database)}" for role in roles]
    yield Step(
        "switch",
        f"before it: put schema {plan.before_schema}, empty, in front of the search_path of "
        f"{', '.join(plan.old_shape_for)}, and see that no session of theirs began earlier",
        (
            f"CREATE SCHEMA IF NOT EXISTS {schema}",
            *(f"GRANT USAGE ON SCHEMA {schema} TO {role}" for role in roles),
            "-- and after it whatever is in force for the role now",
            *(f'{altered} SET search_path TO {schema}, "$user", "public"' for altered in place),
            *index_statements(plan),
        ),
        _NO_LOCK,
        _restored(plan),
        seconds=0.0,
    )


def arm_steps(run: Run) -> Iterator[Step]:
    """Within the switch, when the new tables are in their place."""
    plan = run.plan
    if not plan.old_shape_for:
        return
    statements = list(script.create(plan, plan.old_shape_for, run.id, {}, frozenset()))
    statements += ["-- and the writers get the search_path of the new shape: triggers of the new tables inherit it"]
    statements += [f"-- and a view of {added.table} without its new columns" for added in plan.added]
    statements += [
        f"-- and view {moved.name} as it was, on the views above"
        for moved in plan.moved
        if moved.kind in ("view", "materialized view")
    ]
    yield Step(
        "switch",
        f"within it: show the old shape of {', '.join(map(str, shown_tables(plan)))} by views in {plan.before_schema}",
        tuple(statements),
        "none but those of the switch",
        _away(plan),
    )


def retire_steps(run: Run) -> Iterator[Step]:
    """When nobody uses it any more."""
    if run.plan.old_shape_for:
        title = "take the old shape's views away when nobody uses them (ecluse retire); a rollback remains possible"
        yield Step("after", title, tuple(_away(run.plan).split(";\n")), _NO_LOCK)


def _away(plan: Plan) -> str:
    gone = f"-- everything in it is dropped first, one by one\nDROP SCHEMA IF EXISTS {ident(plan.before_schema)}"
    return ";\n".join([gone, _restored(plan)])


def _restored(plan: Plan) -> str:
    place = (f"ALTER ROLE {ident(role)} IN DATABASE {ident(plan.database)}" for role in plan.old_shape_for)
    return ";\n".join(f"{altered} RESET search_path -- or to what it had set" for altered in place)
