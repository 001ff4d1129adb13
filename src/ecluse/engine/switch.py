"""The switch: one short transaction in which the new shape takes the place of the old."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psycopg

from ecluse.engine import drain, joining, journal, old_shape, prepare, quarantine, shape, timeline
from ecluse.engine.context import Connection, Run
from ecluse.errors import LockNotTaken, ProofFailed
from ecluse.model.names import Name, literal
from ecluse.model.plan import Plan
from ecluse.model.report import Event, Probe
from ecluse.planning import flow_sql, switch_sql
from ecluse.planning.old_shape import place

_PROBE_ATTEMPTS = 5
_THERE = (
    "SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS t (name, n) WHERE to_regclass(name) IS NOT NULL ORDER BY n"
)


class OverBudget(Exception):
    """The time under lock passed its budget; the transaction is rolled back and tried again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds * 1000:.0f} ms under lock")
        self.seconds = seconds


def switch(run: Run, conn: Connection) -> float:
    """Carry the switch out; returns the seconds that its locks were held.

    Locks: ACCESS EXCLUSIVE on every old table, its views, and the tables that foreign keys join it to.
    Raises DatabaseChanged when old tables were altered, LockNotTaken when the locks do not come or the work under
    them does not fit the budget.
    """
    drain.drain(run, conn, drain.FORWARD, run.building)
    quarantine.refuse_held(run, conn)
    seen = shape.check(run, conn)

    def work(conn: Connection, budget: float) -> None:
        if shape.signature(run, conn) != seen:
            shape.check(run, conn)
        _switch(run, conn, budget)

    with joining.brought(run, conn):
        seconds = short_transaction(run, conn, "switch", work)
    run.journaled("switched")
    run.emit(Event("note", "switch", f"locks were held for {seconds * 1000:.0f} ms"))
    return seconds


def short_transaction(run: Run, conn: Connection, name: str, work: Callable[[Connection, float], None]) -> float:
    """Run `work(conn, budget)` under all locks, again and again until one attempt fits the budget."""
    switched = name == "rollback"
    ours, used = switch_sql.lock_order(run.plan, switched=switched)
    if switched:
        # A view that the migration made may have been dropped by hand since; a rollback must not stumble over that.
        views = [name.sql for name in place.view_names(run.plan)]
        used = tuple(row[0] for row in conn.execute(_THERE, ([*views, *used],)).fetchall())
    last = 0.0
    for _ in range(run.options.switch_attempts):
        run.stop.check(f"stopped before the {name}; nothing was changed")
        held = [0.0]

        def attempt(conn: Connection, held: list[float] = held) -> None:
            if ours:
                _lock_patiently(conn, ours)
            if used:
                conn.execute(switch_sql.lock_sql(used))
            began = time.monotonic()
            work(conn, run.options.switch_budget)
            held[0] = time.monotonic() - began
            if held[0] > run.options.switch_budget:
                raise OverBudget(held[0])
            timeline.mark(conn, run.id, "attempt", name, seconds=held[0], outcome="done")

        try:
            prepare.with_locks(run, conn, name, attempt, within=bool(run.plan.joining) and not switched)
        except OverBudget as over:
            last = over.seconds
            run.emit(Event("warn", name, f"{over}, more than the budget; released, will try again"))
            run.mark("attempt", name, seconds=over.seconds, outcome="over the budget; released")
            _catch_up(run, conn, switched)
            continue
        return held[0]
    raise LockNotTaken(
        f"the {name} did not fit into {run.options.switch_budget * 1000:.0f} ms under lock",
        details=f"the last of {run.options.switch_attempts} attempts took {last * 1000:.0f} ms",
        hint=f"ecluse {name} {run.plan.migration} --switch-budget {max(1.0, last * 2):.1f}",
        state="nothing was changed; both shapes are in step",
    )


def _lock_patiently(conn: Connection, ours: tuple[str, ...]) -> None:
    """Lock what no application uses: nobody queues behind us, and autovacuum gives way after a deadlock_timeout."""
    short = conn.execute("SELECT current_setting('lock_timeout')").fetchone()
    conn.execute(
        "SELECT set_config('lock_timeout', greatest(2000, 2 * setting::int)::text, true) FROM pg_settings "
        "WHERE name = 'deadlock_timeout'"
    )
    conn.execute(switch_sql.lock_sql(ours))
    conn.execute("SELECT set_config('lock_timeout', %s, true)", short)


def _catch_up(run: Run, conn: Connection, switched: bool) -> None:
    direction, at = (drain.HOME, run.switched) if switched else (drain.FORWARD, run.building)
    if run.plan.joining and not switched:
        joining.keep_up(run, conn)
    else:
        drain.drain(run, conn, direction, at)
    time.sleep(0.2)


def execute_all(conn: Connection, statements: list[str]) -> None:
    """Send many statements in one go: under lock, round trips are somebody's waiting time."""
    if statements:
        conn.execute(";\n".join(statements))


def _switch(run: Run, conn: Connection, budget: float) -> None:
    plan = run.plan
    began = time.monotonic()
    for flow in plan.flows:
        prepare.check_watch(conn, run, flow)
    drain.drain_here(run, conn, drain.FORWARD, run.building, locked=True)
    quarantine.refuse_held(run, conn)
    joining.catch_up(run, conn)
    if time.monotonic() - began > budget:
        raise OverBudget(time.monotonic() - began)
    execute_all(conn, list(switch_sql.leave(plan, run.id)))
    execute_all(conn, list(switch_sql.arrive(plan)))
    _same_views(conn, plan)
    for was, column, now, becomes in switch_sql.identity_columns(plan):
        carry_identity(conn, (was.within(plan.kept_schema), column), (now, becomes))
    for define in plan.defines:
        prepare.run_script(conn, define.title, define.up)
    for script in plan.scripts:
        if script.phase == "switch":
            prepare.run_script(conn, script.title, script.up)
    old_shape.arm(run, conn)
    for member in switch_sql.captured(plan):
        execute_all(conn, list(flow_sql.create_capture(run.id, member, member.table.name)))
    journal.advance(conn, run.id, status="switched", stage="switched")


def _same_views(conn: Connection, plan: Plan) -> None:
    """A view that was built beside, from a rewritten text, must now read exactly as the old one did."""
    for view in plan.views:
        if view.name in plan.prebuilt:
            row = conn.execute(f"SELECT pg_get_viewdef({literal(view.name.sql)}::regclass)").fetchone()
            if row is None or row[0].rstrip().rstrip(";") != view.definition.rstrip():
                raise ProofFailed(
                    f"materialized view {view.name} would not be what it was",
                    hint=f'drop it in the migration (drop = ["{view.name}"]) and define it anew',
                    state="nothing was switched",
                )


def carry_identity(conn: Connection, source: tuple[Name, str], target: tuple[Name, str]) -> None:
    """Let the sequence of the target, a table and its column, go on where the source's stands."""
    asked = ", ".join(f"pg_get_serial_sequence({literal(t.sql)}, {literal(c)})" for t, c in (source, target))
    row = conn.execute(f"SELECT {asked}").fetchone()
    if row and row[0] and row[1]:
        conn.execute(f"SELECT setval({literal(row[1])}, s.last_value, s.is_called) FROM {row[0]} s")


# --- after the commit -------------------------------------------------------------------------------


def after_switch(run: Run, conn: Connection) -> None:
    """Validate foreign keys, run the scripts that come after, and end stale clients where that was asked for."""
    if run.options.recycle_clients:
        ended = recycle_clients(run, conn)
        timeline.mark(conn, run.id, "recycled", "switch", outcome=f"{ended} sessions", sessions=ended)
        run.emit(Event("note", "switch", f"{ended} client sessions were ended, so that their pools reconnect"))
    done = journal.steps_done(conn, run.id)
    for number, statement in enumerate(switch_sql.validate_keys((*run.plan.foreign_keys, *run.plan.outside_keys))):
        _once(run, conn, done, f"validate {number}", statement)
    for number, script in enumerate(s for s in run.plan.scripts if s.phase == "after"):
        _once(run, conn, done, f"after {number}", "SET LOCAL search_path TO DEFAULT;\n" + script.up)


def _once(run: Run, conn: Connection, done: dict[str, dict[str, object]], name: str, statement: str) -> None:
    if name not in done:
        with conn.transaction():
            conn.execute(statement)
            journal.record_step(conn, run.id, name)
        run.journaled(name)


def recycle_clients(run: Run, conn: Connection) -> int:
    """End the other sessions that may use the new tables: statements that they prepared fit the old types."""
    tables = [m.table.name.sql for m in switch_sql.visible(run.plan)]
    roles = list(old_shape.armed(conn, run.id))  # their sessions found the views in the switch
    row = conn.execute(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_stat_activity a "
        "WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() "
        "AND a.application_name NOT LIKE 'ecluse%%' AND a.usename <> ALL (%s::name[]) "
        "AND EXISTS (SELECT 1 FROM unnest(%s::text[]) t "
        "WHERE has_table_privilege(a.usesysid, t::regclass, 'SELECT, INSERT, UPDATE, DELETE'))",
        (roles, tables),
    ).fetchone()
    return int(row[0]) if row else 0


def probes(run: Run, conn: Connection) -> tuple[Probe, ...]:
    """Call what the migration defined, each in a transaction that is rolled back."""
    found = []
    for define in run.plan.defines:
        if define.verify:
            found.append(_probe(conn, define.title, define.verify, answer=False))
    for script in run.plan.scripts:
        if script.verify:
            found.append(_probe(conn, script.title, script.verify, answer=True))
    return tuple(found)


def _probe(conn: Connection, title: str, script: str, *, answer: bool) -> Probe:
    """Applications go on writing: a probe that met one of them half way is tried again."""
    for _ in range(_PROBE_ATTEMPTS):
        with contextlib.suppress(psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            return _probe_once(conn, title, script, answer=answer)
    return Probe(title, passed=False, ran=False, details="writers were in its way each time: ecluse verify tries again")


def _probe_once(conn: Connection, title: str, script: str, *, answer: bool) -> Probe:
    try:
        with conn.transaction(force_rollback=True):
            # A probe counts twice, as two roles; what is written in between must not make a difference.
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            conn.execute("SET LOCAL search_path TO DEFAULT")
            cursor = conn.execute(script)
            if not answer:
                return Probe(title, passed=True)
            row = cursor.fetchone()
            return Probe(title, passed=bool(row and row[0]), ran=row is not None)
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except psycopg.Error as error:
        return Probe(title, passed=False, details=error.diag.message_primary or "failed")


def require(found: tuple[Probe, ...], migration: str) -> None:
    """Raise ProofFailed where a probe did not pass."""
    failed = [p for p in found if not (p.ran and p.passed)]
    if failed:
        raise ProofFailed(
            f"{len(failed)} of {len(found)} probes failed after the switch",
            details="; ".join(f"{p.title}: {p.details}" for p in failed),
            hint=f"ecluse {'rollback' if any(p.ran for p in failed) else 'verify'} {migration}",
            state="the new shape is in place; the old one is kept and a rollback carries new writes back",
        )
