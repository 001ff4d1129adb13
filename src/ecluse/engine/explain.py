"""A plan as the steps that carry it out: the exact SQL, made by the very functions that the engine runs.

What only the run knows is written as it would be for run 0: the number in the names of logs, page ranges, literals
that are read when the step comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ecluse.engine import build, copy, estimates, joining, old_shape_steps, prepare
from ecluse.engine.context import Connection, Run
from ecluse.engine.finish import drop_statements
from ecluse.engine.moving import steps as moving
from ecluse.model.catalog import Table
from ecluse.model.flow import Flow, Side
from ecluse.model.names import Name, ident
from ecluse.model.plan import Enum, Plan, SqlChange, Step
from ecluse.planning import ddl_objects, enum_sql, flow_sql, roster_sql, switch_sql
from ecluse.planning.elsewhere import prebuilt
from ecluse.proof.pairs import Scope, pairs

_NO_LOCK = "none on your tables"
_HASHED = "-- the rows of these queries, two by two: the wire form of each row is hashed twice, counted and summed"
_REPEATABLE = "BEGIN ISOLATION LEVEL REPEATABLE READ"


def steps(plan: Plan, run_id: int = 0) -> list[Step]:
    """Every step in the order in which it is done."""
    run = Run(run_id, plan, _no_session, lambda _: None)
    return [
        *_expand(run),
        *moving.expand_steps(run),
        *_copy(run),
        *moving.copy_steps(run),
        *_index(run),
        *_drain(run),
        *moving.drain_steps(run),
        *_verify(run),
        *moving.verify_steps(run),
        *old_shape_steps.ready_steps(run),
        *moving.switch_steps(run),
        *_join(run),
        *_switch(run),
        *old_shape_steps.arm_steps(run),
        *_after(run),
        *old_shape_steps.retire_steps(run),
        *moving.finish_steps(run),
        *_finish(run),
    ]


def _no_session(what: str, origin: str) -> Connection:
    raise AssertionError(f"explaining opens no session, not even for '{what}'")


# --- names ------------------------------------------------------------------------------------------


def _old(flow: Flow) -> list[Table]:
    return [member.table for member in flow.old.members]


def _seen(flow: Flow) -> list[Name]:
    """The new tables, and those that rows join, without those that only the engine uses."""
    return [m.table.name for m in flow.new.members if m.role != "aside"]


def _named(tables: Iterable[Name]) -> str:
    return ", ".join(str(name) for name in tables)


# --- expand -----------------------------------------------------------------------------------------


def _enum(enum: Enum) -> Step:
    if enum.made:
        title = f"create enum {enum.name} ({', '.join(enum.labels)})"
        return Step("expand", title, tuple(enum_sql.create(enum)), _NO_LOCK, enum_sql.drop(enum.name))
    words = ", ".join(f"'{label}'" for label in enum.added)
    title = f"add {words} to enum {enum.name}, in a transaction of its own"
    return Step("expand", title, tuple(enum_sql.extend(enum)), _NO_LOCK, _script(enum_sql.way_back(enum)))


def _expand(run: Run) -> Iterator[Step]:
    plan = run.plan
    yield from (_enum(enum) for enum in plan.enums if enum.made or enum.added)
    new = [name for f in plan.builds for name in _seen(f)]
    schemas = (f"DROP SCHEMA {ident(s)} CASCADE" for s in (plan.next_schema, plan.kept_schema))
    logs = (s for f in plan.flows for m in f.old.members for s in flow_sql.drop_log(run.id, m))
    title = f"create {_named(new)} empty in {plan.next_schema}" if new else f"create schema {plan.kept_schema}"
    yield Step("expand", title, prepare.prepare_statements(run), _NO_LOCK, _script([*logs, *schemas]))
    for script in plan.scripts:
        if script.phase == "before":
            yield _own(script, "expand")
    members = [m for f in plan.flows for m in f.old.members]
    if not members:
        return
    names = sorted({m.table.name for m in members})
    lock = f"LOCK TABLE {', '.join(n.sql for n in names)} IN SHARE ROW EXCLUSIVE MODE"
    create = [s for m in members for s in flow_sql.create_capture(run.id, m, m.table.name)]
    drop = [s for m in members for s in flow_sql.drop_capture(run.id, m, m.table.name)]
    yield Step(
        "expand",
        f"capture writes on {_named(names)} (triggers)",
        (lock, *create),
        f"SHARE ROW EXCLUSIVE on {_named(names)}: waits for writers, and new ones wait a moment",
        _script(drop),
        seconds=0.0,
    )


def _own(script: SqlChange, phase: str) -> Step:
    return Step(phase, f"run '{script.title}'", (script.up,), "whatever the script takes", script.down)


def _script(statements: Iterable[str]) -> str:
    return ";\n".join(statements)


# --- copy, index, drain -----------------------------------------------------------------------------


def _copy(run: Run) -> Iterator[Step]:
    yield from _rosters(run)
    for flow in run.plan.flows:
        anchor = flow.old.anchor
        if not flow.old.find:
            yield _unit_index(run, flow)
        if flow.old.several:
            yield Step(
                "copy",
                f"log the rows of {anchor.table.name} that share a unit: no range of pages may cut one",
                (flow_sql.seed_log(run.id, flow, run.building),),
                f"ACCESS SHARE on {anchor.table.name}",
            )
        yield Step(
            "copy",
            f"copy {_named(m.table.name for m in flow.old.members)} into {_named(_seen(flow))}, by ranges of pages",
            tuple(copy.chunk_statements(run, flow, 0, estimates.SOME_PAGES)),
            f"ACCESS SHARE on {_named(m.table.name for m in flow.old.members)}",
            rows=estimates.rows(_old(flow)),
            seconds=estimates.octets(_old(flow)) / estimates.COPY,
        )


def _rosters(run: Run) -> Iterator[Step]:
    for roster in run.plan.rosters:
        source = roster_sql.source_of(run.plan, roster)
        kin = roster_sql.source_indexes(roster, source)
        indexes = (f"CREATE INDEX CONCURRENTLY {ident(name.name)} {tail}" for name, tail in kin)
        yield Step(
            "copy",
            f"decide for each row of {source.table.name} what becomes of it",
            (*indexes, roster_sql.refill(roster, run.building), *roster_sql.indexes(roster)),
            f"SHARE UPDATE EXCLUSIVE, then ACCESS SHARE on {source.table.name}",
            rows=estimates.rows([source.table]),
        )


def _unit_index(run: Run, flow: Flow) -> Step:
    name, table = prepare.unit_index_name(flow, "old"), flow.old.anchor.table
    return Step(
        "copy",
        f"index the units of {table.name}",
        (
            f"CREATE INDEX CONCURRENTLY {ident(name)} {prepare.unit_index(flow, flow.old, run.building)}",
            f"ANALYZE {table.name.sql}",
        ),
        f"SHARE UPDATE EXCLUSIVE on {table.name}: reads and writes go on",
        f"DROP INDEX {Name(table.name.schema, name).sql}",
        rows=estimates.rows([table]),
        seconds=estimates.octets(_old(flow)) / estimates.INDEX,
    )


def _index(run: Run) -> Iterator[Step]:
    for flow in run.plan.flows:
        units = [
            f"INSERT INTO {flow_sql.UNITS} SELECT DISTINCT unit FROM "
            f"({flow_sql.units_of_log(run.id, flow.old, m, run.building, taken=False)}) l WHERE unit IS NOT NULL "
            "ON CONFLICT DO NOTHING"
            for m in flow.old.members
        ]
        title = f"delete from the new tables what was written in {flow.old.anchor.table.name} meanwhile"
        yield Step("index", title, (*units, flow_sql.clear_units(flow.new, run.building)), _NO_LOCK)
    yield from (_indexes(run, flow) for flow in run.plan.builds)
    yield from _views(run)
    logs = [s for m in switch_sql.captured(run.plan) for s in flow_sql.create_log(run.id, m)]
    if logs:
        undo = _script(s for m in switch_sql.captured(run.plan) for s in flow_sql.drop_log(run.id, m))
        yield Step("index", "create the logs of the way back", tuple(logs), _NO_LOCK, undo)


def _indexes(run: Run, flow: Flow) -> Step:
    tasks = [build.member_tasks(run, flow, member) for member in flow.new.members]
    number = sum(len(first) for first, _ in tasks)
    return Step(
        "index",
        f"build indexes ({number}), constraints, rights and statistics of {_named(_seen(flow))}",
        (*(sql for first, _ in tasks for sql in first), *(sql for _, after in tasks for sql in after)),
        _NO_LOCK,
        rows=estimates.rows(_old(flow)),
        seconds=number * estimates.octets(_old(flow)) / estimates.INDEX / 4,
    )


def _views(run: Run) -> Iterator[Step]:
    for view in run.plan.views:
        if view.name in run.plan.prebuilt:
            sql = ddl_objects.view_sql(prebuilt(run.plan, view), run.plan.default_grantees)
            yield Step("index", f"build materialised view {view.name} beside", tuple(sql), _NO_LOCK)


def _drain_sql(run: Run, flow: Flow, target: Side, source: Side, at: flow_sql.Places) -> list[str]:
    return [flow_sql.clear_units(target, at), *flow_sql.rebuild_units(target, source, at)]


def _drain(run: Run) -> Iterator[Step]:
    for flow in run.plan.flows:
        yield Step(
            "drain",
            f"bring the new tables up to date with {flow.old.anchor.table.name}, again and again",
            (_REPEATABLE, *_drain_sql(run, flow, flow.new, flow.old, run.building), "COMMIT"),
            f"ACCESS SHARE on {_named(m.table.name for m in flow.old.members)}",
        )


def _verify(run: Run) -> Iterator[Step]:
    for flow in run.plan.flows:
        scope = Scope(run.building, (), {}, 1)
        sql = [_HASHED]
        for pair in pairs(flow, scope):
            sql += [*pair.left.parts, *pair.right.parts]
        yield Step(
            "verify",
            f"compare {_named(m.table.name for m in flow.old.members)} with the new tables, every column, both ways",
            tuple(sql),
            f"ACCESS SHARE on {_named(m.table.name for m in flow.old.members)}",
            rows=estimates.rows(_old(flow)),
            seconds=4 * estimates.octets(_old(flow)) / estimates.HASH,
        )


# --- switch, after, finish --------------------------------------------------------------------------


def _join(run: Run) -> Iterator[Step]:
    """Within the switch, and before its locks."""
    plan = run.plan
    if plan.joining:
        names = _named(m.table.name for m in plan.joining)
        yield Step(
            "switch",
            f"let the rows join {names}: in the switch's transaction, so that nobody sees them before its commit",
            tuple(joining.insert(plan, member) for member in plan.joining),
            f"ROW EXCLUSIVE on {names}, as any INSERT",
        )


def _switch(run: Run) -> Iterator[Step]:
    plan = run.plan
    ours, used = switch_sql.lock_order(plan, switched=False)
    sql = [switch_sql.lock_sql(names) for names in (ours, used) if names]
    for flow in plan.flows:
        sql += _drain_sql(run, flow, flow.new, flow.old, run.building)
    sql += [*switch_sql.leave(plan, run.id), *switch_sql.arrive(plan)]
    sql += [d.up for d in plan.defines if d.up] + [s.up for s in plan.scripts if s.phase == "switch"]
    for member in switch_sql.captured(plan):
        sql += flow_sql.create_capture(run.id, member, member.table.name)
    yield Step(
        "switch",
        f"put the new shape in the place of the old, which goes to {plan.kept_schema}",
        tuple(sql),
        _exclusive(run.plan),
        _way_back(run),
        seconds=0.1,
    )


def _exclusive(plan: Plan) -> str:
    views = [m.name for m in plan.moved if m.kind == "view"]
    names = [*views, *sorted({t.name for t in switch_sql.old_tables(plan)} | {k.table for k in plan.outside_keys})]
    names += [a.table for a in plan.added if a.table not in names]
    return f"ACCESS EXCLUSIVE on {_named(names)}: everybody waits, at most for the budget" if names else ""


def _way_back(run: Run) -> str | None:
    plan = run.plan
    if any(s.down is None and s.phase != "before" for s in plan.scripts):
        return None
    sql = []
    for flow in plan.flows:
        sql += _drain_sql(run, flow, flow.old, flow.new, run.switched)
    return _script([*sql, *switch_sql.withdraw(plan, run.id), *switch_sql.come_back(plan)])


def _after(run: Run) -> Iterator[Step]:
    plan = run.plan
    keys = tuple(switch_sql.validate_keys((*plan.foreign_keys, *plan.outside_keys)))
    if keys:
        tables = sorted({k.table for k in (*plan.foreign_keys, *plan.outside_keys)})
        lock = f"SHARE UPDATE EXCLUSIVE on {_named(tables)}: reads and writes go on"
        yield Step("after", f"validate foreign keys ({len(keys)})", keys, lock)
    for script in plan.scripts:
        if script.phase == "after":
            yield _own(script, "after")
    probes = [(d.title, d.verify) for d in plan.defines] + [(s.title, s.verify) for s in plan.scripts]
    for title, verify in probes:
        if verify:
            yield Step("after", f"probe '{title}', rolled back", ("BEGIN", verify, "ROLLBACK"), "as the probe takes")


def _finish(run: Run) -> Iterator[Step]:
    plan = run.plan
    kept = [t.name.within(plan.kept_schema) for t in switch_sql.old_tables(plan)]
    if kept:
        yield Step(
            "finish",
            f"write {_named(t.name for t in switch_sql.old_tables(plan))} into an archive, and check it",
            tuple(f"COPY {name.sql} TO STDOUT" for name in kept),
            f"SHARE on {_named(kept)}, which nobody uses",
            rows=estimates.rows(switch_sql.old_tables(plan)),
            seconds=estimates.octets(switch_sql.old_tables(plan)) / estimates.COPY,
        )
    yield Step(
        "finish",
        "drop the old shape",
        drop_statements(run),
        f"ACCESS EXCLUSIVE on {_named(m.table.name for m in switch_sql.visible(plan))}, a moment"
        if plan.builds
        else "",
        None,
    )


def counts(found: list[Step]) -> dict[str, int]:
    """How many steps there are, and of how many there is a way back."""
    return {"steps": len(found), "undoable": sum(s.undo is not None for s in found)}
