"""Expand: the next schema with its bare tables, the capture logs and triggers, and the watch over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import psycopg

from ecluse.engine import journal
from ecluse.engine.context import Connection, Restart, Run
from ecluse.errors import LockNotTaken
from ecluse.model.flow import Flow, InputTable, Member, Side
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.report import Event
from ecluse.operations.expressions import of_row
from ecluse.planning import flow_sql, roster_sql
from ecluse.planning.ddl_table import create_table
from ecluse.postgres.locks import Blocker, with_lock_retries

Answer = TypeVar("Answer")
_Tell = Callable[[Sequence[Blocker], int], None]


def prepare_statements(run: Run) -> tuple[str, ...]:
    """Create what does not touch the application: the next schema, its tables, the logs."""
    plan = run.plan
    statements = [f"CREATE SCHEMA {ident(plan.next_schema)}", f"CREATE SCHEMA {ident(plan.kept_schema)}"]
    for flow in plan.builds:
        for member in flow.new.members:
            statements.append(create_table(member.table, plan.next_schema))
            if plan.everything_published:
                # Without a key yet, a published table would refuse the deletes of `repair`.
                statements.append(f"ALTER TABLE {member.table.name.within(plan.next_schema).sql} REPLICA IDENTITY FULL")
    for flow in plan.flows:
        for member in flow.old.members:
            statements += flow_sql.create_log(run.id, member)
    statements += [f"CREATE TABLE {table.name.sql} {table.definition}" for table in plan.inputs]
    statements += [
        f"CREATE INDEX ON {table.name.sql} ({ident(column)})" for table in plan.inputs for column in table.indexed
    ]
    statements += [f"CREATE TABLE {roster.name.sql} {roster.definition}" for roster in plan.rosters]
    return tuple(statements)


def prepare(run: Run, conn: Connection) -> None:
    """Create all that, in one transaction with the record. Takes no lock on the application's tables."""
    with conn.transaction():
        for statement in prepare_statements(run):
            conn.execute(statement)
        for table in run.plan.inputs:
            load_input(conn, table)
        _scripts_before(run, conn)
        journal.advance(conn, run.id, stage="capture")
    run.journaled("prepared")


def _scripts_before(run: Run, conn: Connection) -> None:
    done = journal.steps_done(conn, run.id)
    for number, script in enumerate(s for s in run.plan.scripts if s.phase == "before"):
        if f"before {number}" not in done:
            run_script(conn, script.title, script.up)
            journal.record_step(conn, run.id, f"before {number}")


def run_script(conn: Connection, title: str, script: str) -> None:
    """Run a user's script under the search_path that the database gives them, not under our empty one."""
    conn.execute("SET LOCAL search_path TO DEFAULT")
    try:
        conn.execute(script)
    except psycopg.Error as error:
        error.add_note(f"in the script '{title}', as it was when the run began; a new text needs a new run: roll back")
        raise
    conn.execute("SET LOCAL search_path TO ''")


def load_input(conn: Connection, table: InputTable) -> None:
    """Fill an input table that is empty: with the rows of its file, or what its query gives now."""
    columns = flow_sql.column_list(tuple(name for name, _ in table.columns))
    if table.query:
        conn.execute(f"INSERT INTO {table.name.sql} ({columns}) {table.query}")
        conn.execute(f"ANALYZE {table.name.sql}")
        return
    with conn.cursor() as cursor, cursor.copy(f"COPY {table.name.sql} ({columns}) FROM STDIN") as copy:
        for row in table.rows:
            copy.write_row(row)


def add_input(conn: Connection, table: InputTable) -> None:
    """Add rows to an input table that is loaded already; those that are there stay as they are."""
    columns = flow_sql.column_list(tuple(name for name, _ in table.columns))
    places = ", ".join(["%s"] * len(table.columns))
    with conn.cursor() as cursor:
        statement = (
            f"INSERT INTO {table.name.sql} ({columns}, ecluse_added) VALUES ({places}, true) ON CONFLICT DO NOTHING"
        )
        cursor.executemany(statement, table.rows)


def capture(run: Run, conn: Connection) -> None:
    """Create the triggers of all flows in one transaction, and note what they watch.

    SHARE ROW EXCLUSIVE on each old table for the length of a few catalogue writes: reads go on, running writers are
    waited for, so that every row older than the trigger is visible to the copy.
    """

    def attempt(conn: Connection) -> None:
        tables = sorted({m.table.name for f in run.plan.flows for m in f.old.members})
        if tables:
            conn.execute(f"LOCK TABLE {', '.join(t.sql for t in tables)} IN SHARE ROW EXCLUSIVE MODE")
        for flow in run.plan.flows:
            for member in flow.old.members:
                for statement in flow_sql.create_capture(run.id, member, member.table.name):
                    conn.execute(statement)
                note_watch(conn, run, member, look(conn, member.table.name))
        journal.advance(conn, run.id, stage="seed")

    with_locks(run, conn, "capture", attempt)
    run.journaled("captured")


def with_locks(
    run: Run, conn: Connection, step: str, attempt: Callable[[Connection], Answer], *, within: bool = False
) -> Answer:
    """Run `attempt` in a transaction of its own, on the ladder of short lock timeouts, and tell who is waited for.

    `within`: in a savepoint of the transaction at hand.
    """
    budget, tell = run.options.lock_budget, _tell_wait(run, step)
    if within:
        tell = _no_circle(conn, tell)
    return with_lock_retries(conn, attempt, budget_seconds=budget, on_wait=tell, within=within)


def _no_circle(conn: Connection, tell: _Tell) -> _Tell:
    """Give up where a session that we wait for waits for us: it writes what the transaction at hand has written."""

    def checked(blockers: Sequence[Blocker], attempt: int) -> None:
        tell(blockers, attempt)
        row = conn.execute(
            "SELECT count(*) FROM unnest(%s::int[]) b(pid) WHERE pg_backend_pid() = ANY (pg_blocking_pids(b.pid))",
            ([blocker.pid for blocker in blockers],),
        ).fetchone()
        if row and row[0]:
            raise LockNotTaken(
                "another session waits for us, and we for its locks: it writes the same as rows that join",
                details="\n".join(map(str, blockers)),
                hint="run the same command again: what it wrote is looked at first",
                state="nothing was switched; the old shape is in place and in use",
            )

    return checked


def _tell_wait(run: Run, step: str) -> _Tell:
    """A callback for the lock ladder that tells who is waited for."""

    began = time.monotonic()

    def tell(blockers: Sequence[Blocker], attempt: int) -> None:
        nonlocal began
        who = "; ".join(map(str, blockers)) or "who holds it could not be seen"
        run.emit(Event("warn", step, f"waiting for a lock, attempt {attempt}: {who}"))
        run.mark("wait", step, seconds=time.monotonic() - began, outcome=who)
        began = time.monotonic()

    return tell


_WATCHED = """
SELECT c.oid::bigint, coalesce(pg_relation_filenode(c.oid), 0)::bigint,
       coalesce((SELECT string_agg(t.tgname || ':' || t.tgenabled::text || ':' || t.xmin::text, ',' ORDER BY t.tgname)
          FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname IN ('zz_ecluse_capture', 'zz_ecluse_capture_t')), ''),
       pg_relation_size(c.oid) / current_setting('block_size')::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""


Watched = tuple[int, int, str, int]
"""The table's oid, its file, the row versions of its capture triggers, its size in pages."""


def look(conn: Connection, table: Name) -> Watched | None:
    """What is watched of a table, as it is now."""
    found = conn.execute(_WATCHED, (table.schema, table.name)).fetchone()
    return (found[0], found[1], found[2], found[3]) if found else None


def note_watch(conn: Connection, run: Run, member: Member, found: Watched | None) -> None:
    """Record it, for `check_watched` to compare with."""
    assert found is not None
    conn.execute(
        "INSERT INTO ecluse.watch (run, alias, relation, filenode, trigger_xmins, pages) "
        "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (run, alias) DO UPDATE SET relation = EXCLUDED.relation, "
        "filenode = EXCLUDED.filenode, trigger_xmins = EXCLUDED.trigger_xmins, pages = EXCLUDED.pages",
        (run.id, member.alias, *found),
    )


def pages_of(conn: Connection, run: Run, member: Member) -> int:
    """How many pages the table had when its capture began: rows on later pages are in the log."""
    row = conn.execute(
        "SELECT pages FROM ecluse.watch WHERE run = %s AND alias = %s", (run.id, member.alias)
    ).fetchone()
    return int(row[0]) if row else 0


def check_watch(conn: Connection, run: Run, flow: Flow) -> None:
    """Raise Restart where an old table was rewritten or truncated, or its trigger touched, since capture began.

    Call it with a lock on the tables that outlives the work: ACCESS SHARE keeps rewrites away.
    """
    for member in flow.old.members:
        check_watched(conn, conn, run, member)


def check_watched(journal_conn: Connection, conn: Connection, run: Run, member: Member) -> None:
    """The same for one table, which may stand in another database than the journal."""
    name = member.table.name
    was = journal_conn.execute(
        "SELECT relation::bigint, filenode, trigger_xmins FROM ecluse.watch WHERE run = %s AND alias = %s",
        (run.id, member.alias),
    ).fetchone()
    now = look(conn, name)
    if now is None or was is None:
        raise Restart(f"{name} was dropped or renamed")
    if tuple(was[:2]) != now[:2]:
        raise Restart(f"{name} was rewritten or truncated")
    if was[2] != now[2]:
        raise Restart(f"the capture trigger on {name} was switched off or replaced")


def unit_index_name(flow: Flow, side: str) -> str:
    """The index on a side's unit expression."""
    return short(f"ecluse_unit_{flow.name}_{side}")


def unit_index(flow: Flow, side: Side, at: flow_sql.Places) -> str:
    """What follows `CREATE INDEX name` for a side whose `find` is not given; equality is all it serves."""
    return f"ON {at.sql(side.anchor.alias)} USING hash (({of_row(side.unit, '')}))"


def forget(run: Run, conn: Connection) -> None:
    """Undo the whole build in one transaction: triggers, logs, the next schema; the journal's chunks with it."""

    def attempt(conn: Connection) -> None:
        for flow in run.plan.flows:
            for member in flow.old.members:
                if exists(conn, member.table.name):
                    for statement in flow_sql.drop_capture(run.id, member, member.table.name):
                        conn.execute(statement)
                _drop_unit_index(conn, flow, member)
        drop_indexes(conn, roster_sql.index_names(run.plan))
        # Before the logs: a switch that failed leaves the capture of what joins on tables of this schema.
        conn.execute(f"DROP SCHEMA IF EXISTS {ident(run.plan.next_schema)} CASCADE")
        for flow in run.plan.builds:
            for member in flow.members:
                for statement in flow_sql.drop_log(run.id, member):
                    conn.execute(statement)
        for name in run.plan.loaded:
            conn.execute(f"DROP TABLE IF EXISTS {name.sql}")
        conn.execute(f"DROP SCHEMA IF EXISTS {ident(run.plan.kept_schema)}")
        journal.forget_build(conn, run.id)
        journal.advance(conn, run.id, status="building", stage="prepare")

    with_locks(run, conn, "undo", attempt)


def _drop_unit_index(conn: Connection, flow: Flow, member: Member) -> None:
    if member is flow.old.anchor and not flow.old.find:
        conn.execute(f"DROP INDEX IF EXISTS {Name(member.table.name.schema, unit_index_name(flow, 'old')).sql}")


def drop_indexes(conn: Connection, names: Iterable[Name]) -> None:
    """Drop indexes that may be gone already."""
    for name in names:
        conn.execute(f"DROP INDEX IF EXISTS {name.sql}")


def exists(conn: Connection, name: Name) -> bool:
    """Whether a table of that name is there."""
    row = conn.execute(f"SELECT to_regclass({literal(name.sql)}) IS NOT NULL").fetchone()
    return bool(row and row[0])
