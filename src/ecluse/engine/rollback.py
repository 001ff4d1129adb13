"""Rollback: before the switch the new shape is dropped; after it new writes are carried home first."""

from __future__ import annotations

import time

import psycopg

from ecluse.engine import drain, enums, journal, old_shape, orphans, prepare, shape, withdrawal
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving import home
from ecluse.engine.moving.closing import OPENED, reopen
from ecluse.engine.moving.ending import require_origins
from ecluse.engine.moving.expand import forget_origins
from ecluse.engine.moving.sequences import sequences_home
from ecluse.engine.switch import carry_identity, execute_all, short_transaction
from ecluse.errors import WrongState
from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import AddColumns
from ecluse.model.report import Event
from ecluse.planning import flow_sql, roster_sql, switch_sql
from ecluse.planning.old_shape import told


def rollback(run: Run, conn: Connection, status: str) -> float:
    """Take the run back; returns the seconds that locks on the application's tables were held (0 before the switch)."""
    if run.plan.moves:
        with conn.transaction():
            status = journal.settled_status(conn, run.id)
    if status in ("building", "ready"):
        enums.refuse_used(run, conn, switched=False)
        forget_origins(run)
        prepare.forget(run, conn)
        with conn.transaction():
            old_shape.leave(run, conn)
            _undo_before(run, conn)
            journal.advance(conn, run.id, status="rolled_back", stage="rolled_back")
        run.journaled("rolled back")
        _cleaned(run, conn)
        return 0.0
    if status != "switched":
        raise WrongState(f"a run that is '{status}' cannot be rolled back")
    _refuse_without_way_back(run)
    enums.refuse_used(run, conn, switched=True)
    require_origins(run)
    drain.drain(run, conn, drain.HOME, run.switched)
    home.drain_home(run, conn)
    enums.refuse_used(run, conn, switched=True, home=True)
    seconds = short_transaction(run, conn, "rollback", lambda c, budget: _back(run, c))
    run.journaled("rolled back")
    run.emit(Event("note", "rollback", f"locks were held for {seconds * 1000:.0f} ms"))
    clean_up(run, conn)
    return seconds


def _refuse_without_way_back(run: Run) -> None:
    for script in run.plan.scripts:
        if script.down is None and script.phase != "before":
            raise WrongState(
                f"'{script.title}' has no way back",
                details="the migration declares no `down` for it, and it ran with the switch",
                hint="write its `down` into a migration of its own and apply that",
                state="nothing was changed",
            )


def _back(run: Run, conn: Connection) -> None:
    plan = run.plan
    began = time.monotonic()
    drain.drain_here(run, conn, drain.HOME, run.switched, locked=True)
    home.carry_last_home(run, conn)
    orphans.withhold_orphans(run, conn)
    for added in plan.added:
        conn.execute(_park_columns(run, added))
    run.emit(Event("progress", "rollback", f"last writes carried home in {time.monotonic() - began:.2f} s"))
    for script in reversed(plan.scripts):
        if script.phase == "after" and script.down:
            prepare.run_script(conn, script.title, script.down)
    old_shape.leave(run, conn)
    statements = list(switch_sql.withdraw(plan, run.id))
    execute_all(conn, statements)
    _refuse_strangers(run, conn)
    execute_all(conn, list(switch_sql.come_back(plan)))
    for was, column, now, becomes in switch_sql.identity_columns(plan):
        carry_identity(conn, (now.within(plan.next_schema), becomes), (was, column))
    journal.advance(conn, run.id, status="rolled_back", stage="rolled_back")


def _refuse_strangers(run: Run, conn: Connection) -> None:
    found = shape.strangers(run, conn)
    if found:
        raise WrongState(
            f"{len(found)} things were made on the new tables after the switch, and would go with them",
            details="\n".join(found),
            hint="drop them, or move what they hold elsewhere, and roll back again",
            state="nothing was changed; the new shape is in use",
        )


def _park_columns(run: Run, added: AddColumns) -> str:
    """Park what the new application wrote into columns that leave."""
    table = added.table
    pairs = ", ".join(f"{literal(c.name)}, m.{ident(c.name)}::text" for c in added.columns)
    return (
        "INSERT INTO ecluse.parked (run, flow, alias, source, unit, key, reason, row) "
        f"SELECT {run.id}, 'add_columns', {literal(str(table))}, {literal(str(table))}, NULL, m.ctid::text, "
        f"'the old shape has no such columns', to_jsonb(m) || jsonb_build_object({pairs}) "
        f"FROM {table.sql} m WHERE {written(added)}"
    )


def written(added: AddColumns) -> str:
    """A condition over a row `m` that somebody wrote into one of the columns."""
    columns = ((ident(column.name), column.default or "NULL") for column in added.columns)
    return " OR ".join(f"m.{name} IS DISTINCT FROM ({default})" for name, default in columns)


def _stands(conn: Connection, schema: str) -> bool:
    row = conn.execute("SELECT to_regnamespace(%s) IS NOT NULL", (ident(schema),)).fetchone()
    return bool(row and row[0])


def clean_up(run: Run, conn: Connection) -> None:
    """After the commit of a rollback: park, validate the old keys again, drop what is left of the new shape."""
    done = journal.steps_done(conn, run.id)
    if OPENED not in done and run.plan.moves:
        # First of all: until then nobody can write to what moved, neither here nor there.
        sequences_home(run, conn)
        reopen(run)
        journal.record_step(conn, run.id, OPENED)
        run.journaled(OPENED)
    if "parked" not in done and _stands(conn, run.plan.next_schema):
        with conn.transaction():
            drain.park_left(run, conn)
            home.park_left(run, conn)
            journal.record_step(conn, run.id, "parked")
        run.journaled("parked")
    if _stands(conn, run.plan.next_schema):
        withdrawal.withdraw(run, conn)
    for number, statement in enumerate(switch_sql.validate_before(run.plan)):
        if f"revalidate {number}" not in done:
            _revalidate(run, conn, number, statement)
    forget_origins(run)
    with conn.transaction():
        for flow in run.plan.builds:
            for member in flow.members:
                for statement in flow_sql.drop_log(run.id, member):
                    conn.execute(statement)
        conn.execute(told.drop(run.id))
        for flow in run.plan.flows:
            if not flow.old.find:
                schema = flow.old.anchor.table.name.schema
                conn.execute(f"DROP INDEX IF EXISTS {Name(schema, prepare.unit_index_name(flow, 'old')).sql}")
        prepare.drop_indexes(conn, roster_sql.index_names(run.plan))
        for name in run.plan.loaded:
            conn.execute(f"DROP TABLE IF EXISTS {name.sql}")
        conn.execute(f"DROP SCHEMA IF EXISTS {ident(run.plan.next_schema)} CASCADE")
        conn.execute(f"DROP SCHEMA IF EXISTS {ident(run.plan.kept_schema)}")
        _undo_before(run, conn)
    _cleaned(run, conn)


def _cleaned(run: Run, conn: Connection) -> None:
    """Take the enums back, and record that nothing is left; where labels stay, the next rollback tries again."""
    if enums.depart(run, conn):
        with conn.transaction():
            journal.record_step(conn, run.id, "cleaned")
        run.journaled("cleaned")


def _revalidate(run: Run, conn: Connection, number: int, statement: str) -> None:
    with conn.transaction():
        try:
            with conn.transaction():
                conn.execute(statement)
        except psycopg.errors.ForeignKeyViolation as error:
            # The new application deleted what rows refer to that only the old shape has: they are not ours to delete.
            key, table = error.diag.constraint_name, f"{error.diag.schema_name}.{error.diag.table_name}"
            told = f"foreign key {key} of {table} stays NOT VALID: rows refer to some that the new application deleted"
            run.emit(Event("warn", "rollback", told))
        journal.record_step(conn, run.id, f"revalidate {number}")


def _undo_before(run: Run, conn: Connection) -> None:
    """Undo what scripts did before the copy, the last first, in the transaction at hand."""
    done = journal.steps_done(conn, run.id)
    before = [s for s in run.plan.scripts if s.phase == "before"]
    for number, script in reversed(list(enumerate(before))):
        if script.down and f"before {number}" in done and f"undone {number}" not in done:
            prepare.run_script(conn, script.title, script.down)
            journal.record_step(conn, run.id, f"undone {number}")
