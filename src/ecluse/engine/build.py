"""After the copy: repair what was sloppy, then indexes and constraints, then owners, rights and policies."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ecluse.engine import drain, journal, prepare
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving import carry
from ecluse.model.catalog import Constraint
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident
from ecluse.model.report import Event
from ecluse.planning import ddl_objects, ddl_table, flow_sql, held_sql
from ecluse.planning.elsewhere import prebuilt

_BUILD_MEMORY = "SET maintenance_work_mem = '128MB'"


def source_indexes(run: Run, conn: Connection) -> None:
    """Index the unit expressions of old tables, without blocking writers; a left-over INVALID one is made again."""
    for flow in run.plan.flows:
        if flow.old.find:
            continue
        table = flow.old.anchor.table.name
        name = prepare.unit_index_name(flow, "old")
        row = conn.execute(
            "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
            (table.schema, name),
        ).fetchone()
        if row and not row[0]:
            conn.execute(f"DROP INDEX CONCURRENTLY {Name(table.schema, name).sql}")
        if not (row and row[0]):
            conn.execute(f"CREATE INDEX CONCURRENTLY {ident(name)} {prepare.unit_index(flow, flow.old, run.building)}")
        # Without statistics of the expression, the planner takes each unit for a 200th of the table and reads it whole.
        conn.execute(f"ANALYZE {table.sql}")


def repair(run: Run, conn: Connection) -> None:
    """Delete all captured units from the new tables: what remains is unique. The log keeps them for the drain."""
    at = run.building
    with conn.transaction():
        for flow in run.plan.flows:
            drain.refuse_truncated(conn, run, flow)
            conn.execute(f"DELETE FROM {flow_sql.UNITS}")
            for member in flow.old.members:
                units = flow_sql.units_of_log(run.id, flow.old, member, at, taken=False)
                conn.execute(
                    f"INSERT INTO {flow_sql.UNITS} SELECT DISTINCT unit FROM ({units}) l WHERE unit IS NOT NULL "
                    "ON CONFLICT DO NOTHING"
                )
            conn.execute(f"ANALYZE {flow_sql.UNITS}")
            row = conn.execute(f"SELECT count(*) FROM {flow_sql.UNITS}").fetchone()
            if row and row[0]:
                # Of tables that were never analysed and have no index, the planner would sort every row.
                conn.execute("SET LOCAL enable_mergejoin = off")
                conn.execute(flow_sql.clear_units(flow.new, at, sloppy=True))
                conn.execute(held_sql.clear_quarantine(run.id, flow))
        for move in run.plan.moves:
            carry.repair(run, conn, move)
        journal.advance(conn, run.id, stage="index")
    run.journaled("repaired")


# --- indexes and constraints ------------------------------------------------------------------------


def index_tasks(run: Run, member: Member) -> tuple[list[str], list[str]]:
    """Statements that may run beside each other (indexes), and those that come after them (constraints, rights)."""
    table, target = member.table, member.table.name.within(run.plan.next_schema)
    first, after = [], []
    behind = {i.constraint: i for i in table.indexes if i.constraint}
    for constraint in ddl_table.later_constraints(table):
        if constraint.kind in "pu" and constraint.name in behind:
            index = behind[constraint.name]
            first.append(f"CREATE UNIQUE INDEX {ident(index.name)} ON {target.sql} {index.tail}")
            after.append(_using_index(target, constraint, index.name))
        elif constraint.kind != "f":
            after.append(ddl_table.constraint_sql(target, constraint))
    first += [ddl_table.index_sql(target, i) for i in table.indexes if not i.constraint]
    return first, after


def member_tasks(run: Run, flow: Flow, member: Member) -> tuple[list[str], list[str]]:
    """`index_tasks` with what the engine itself needs, and with owners, rights and statistics at the end."""
    tasks, later = index_tasks(run, member)
    if not flow.new.find and member is flow.new.anchor:
        name = prepare.unit_index_name(flow, "new")
        tasks.append(f"CREATE INDEX {ident(name)} {prepare.unit_index(flow, flow.new, run.building)}")
    if run.plan.everything_published:
        later.append(f"ALTER TABLE {member.table.name.within(run.plan.next_schema).sql} REPLICA IDENTITY DEFAULT")
    if member.placed:
        # Policies and rules wait for the switch: they bind to whatever bears a name when they are made.
        where, grantees = run.plan.next_schema, run.plan.default_grantees
        later += ddl_table.table_settings(member.table, where, grantees)
        later += ddl_objects.sequences_of(member.table, run.plan.sequences, where, grantees)
    later.append(f"ANALYZE {member.table.name.within(run.plan.next_schema).sql}")
    return tasks, later


def _using_index(target: Name, constraint: Constraint, index: str) -> str:
    kind = "PRIMARY KEY" if constraint.kind == "p" else "UNIQUE"
    tail = " DEFERRABLE" if constraint.deferrable else ""
    tail += " INITIALLY DEFERRED" if "INITIALLY DEFERRED" in constraint.definition else ""
    return f"ALTER TABLE {target.sql} ADD CONSTRAINT {ident(constraint.name)} {kind} USING INDEX {ident(index)}{tail}"


def index(run: Run, conn: Connection) -> None:
    """Build all indexes in parallel, then constraints, then everything else that hangs on a table."""
    done = journal.steps_done(conn, run.id)
    first: list[tuple[str, str]] = []
    after: list[tuple[str, str]] = []
    for flow in run.plan.builds:
        for member in flow.new.members:
            tasks, later = member_tasks(run, flow, member)
            first += [(f"index {member.alias} {n}", sql) for n, sql in enumerate(tasks)]
            after += [(f"finish {member.alias} {n}", sql) for n, sql in enumerate(later)]
    _in_parallel(run, [task for task in first if task[0] not in done])
    for task in after:
        if task[0] not in done:
            _build(run, conn, *task)
    with conn.transaction():
        _reverse_logs(run, conn)
        journal.advance(conn, run.id, stage="drain")
    run.journaled("indexed")


def _reverse_logs(run: Run, conn: Connection) -> None:
    """The logs of the way back, ready before the switch so that it only has triggers to make."""
    for flow in run.plan.builds:
        for member in flow.new.members:
            if member.role != "aside":
                for statement in flow_sql.create_log(run.id, member):
                    conn.execute(statement)


def fill_views(run: Run, conn: Connection) -> None:
    """Build the materialised views beside, or refresh those that are built. Locks nothing of the application's."""
    done = journal.steps_done(conn, run.id)
    for view in run.plan.views:
        if view.name not in run.plan.prebuilt:
            continue
        name = f"matview {view.name}"
        beside = prebuilt(run.plan, view)
        if name in done:
            conn.execute(f"REFRESH MATERIALIZED VIEW {beside.name.sql}")
            continue
        with conn.transaction():
            for statement in ddl_objects.view_sql(beside, run.plan.default_grantees):
                conn.execute(statement)
            journal.record_step(conn, run.id, name)
        run.journaled(name)


def _in_parallel(run: Run, tasks: list[tuple[str, str]]) -> None:
    """Run index builds, several at a time: on one table they share a lock, and each is a sort of its own."""
    waiting = list(reversed(tasks))
    lock = threading.Lock()
    total = len(tasks)

    def work() -> None:
        with run.session("index") as conn:
            conn.execute(_BUILD_MEMORY)
            while not run.stop.soft.is_set():
                with lock:
                    if not waiting:
                        return
                    task = waiting.pop()
                    done = total - len(waiting)
                run.emit(Event("progress", "index", task[1].split(" ON ")[0], done=done, total=total))
                _build(run, conn, *task)

    with ThreadPoolExecutor(run.options.workers) as pool:
        for future in [pool.submit(work) for _ in range(min(run.options.workers, len(tasks)))]:
            future.result()
    run.stop.check("stopped between two indexes; nothing is lost")


def _build(run: Run, conn: Connection, name: str, statement: str) -> None:
    began = time.monotonic()
    with conn.transaction():
        conn.execute(statement)
        journal.record_step(conn, run.id, name, time.monotonic() - began)
    run.journaled(name)
