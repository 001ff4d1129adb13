"""The old shape after the switch: made ready before it, put beside the new one within it, and taken away again.

The roles that go on using it get its schema in front of their search_path *before* the switch, when it is still empty:
so names mean what they meant. In the switch its views come with the new tables, and the same sessions, and statements
that wait for its locks, find them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.engine import journal, prepare, search_path
from ecluse.engine.context import Connection, Run
from ecluse.engine.old_indexes import build_indexes, drop_indexes, even
from ecluse.engine.old_views import old_views
from ecluse.errors import InUse, WrongState
from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident
from ecluse.model.plan import Plan
from ecluse.model.report import Event
from ecluse.planning.old_shape import script, use
from ecluse.planning.old_shape.findings import refusals, warnings
from ecluse.planning.old_shape.place import shown_tables
from ecluse.postgres.catalog import read_catalog

READY, ARMED, READING = "old shape ready", "old shape", "old shape read"
_NOTHING = "nothing was switched; the old shape is in place and in use"


@dataclass(frozen=True, slots=True)
class Use:
    """How much one role used the old shape since the switch."""

    role: str
    statements: int
    sessions: int
    last: str | None  # when, where the server notes it (PostgreSQL 16)


def roles_of(run: Run) -> tuple[str, ...]:
    """For whom the old shape is kept: what the command says comes before what the migration says."""
    return tuple(dict.fromkeys(run.options.old_shape_for or run.plan.old_shape_for))


# --- before the switch ------------------------------------------------------------------------------


def make_ready(run: Run, conn: Connection) -> None:
    """Put the schema, empty yet, in front of the roles' search_path, and see that their sessions know it.

    Raises WrongState where a role is not there or the old shape cannot be kept, InUse where sessions are open that
    began before; `--recycle-clients` ends them.
    """
    roles = roles_of(run)
    done = journal.steps_done(conn, run.id).get(READY, {})
    if not roles:
        if done:  # an earlier attempt named some
            with conn.transaction():
                leave(run, conn)
        return
    _refuse_impossible(run)
    _refuse_hidden(run, conn, roles)
    if list(done.get("roles", [])) != list(roles):
        with conn.transaction():
            if done:
                _restore(run, conn, done)
            _announce(run, conn, roles)
        with conn.transaction():
            _note_since(run, conn)
        run.journaled(READY)
        _warn(run, conn)
    build_indexes(run, conn)
    _await_sessions(run, conn, roles)


def _refuse_impossible(run: Run) -> None:
    """For roles of the command: the plan knew of none."""
    found = list(refusals(run.plan))
    if found:
        raise WrongState(
            "the old shape cannot be kept",
            details="\n".join(hazard.message for hazard in found),
            hint="\n".join(dict.fromkeys(hazard.hint for hazard in found)),
            state=_NOTHING,
        )


def _refuse_hidden(run: Run, conn: Connection, roles: Sequence[str]) -> None:
    """Raise WrongState where a name means something else to a role, which a view of that name would stand before."""
    views = {moved.name for moved in run.plan.moved if moved.kind in ("view", "materialized view")}
    for role in roles:
        path = [role if part == "$user" else part for part in search_path.of(conn, role)[1]]
        for name in sorted({*shown_tables(run.plan), *views}):
            row = conn.execute(
                "SELECT n.nspname::text FROM unnest(%s::text[]) WITH ORDINALITY p (schema, n) "
                "JOIN pg_namespace n ON n.nspname = p.schema JOIN pg_class c ON c.relnamespace = n.oid "
                "WHERE c.relname = %s AND p.schema <> %s ORDER BY p.n LIMIT 1",
                (path, name.name, run.plan.before_schema),
            ).fetchone()
            if row and row[0] != name.schema:
                raise WrongState(
                    f"'{name.name}' without a schema means {Name(row[0], name.name)} to role '{role}'",
                    details=f"the old shape of {name} would be found in its place",
                    hint=f"name {name} first in the search_path of the role, rename one of the two, or leave the role "
                    "out of --old-shape-for",
                    state=_NOTHING,
                )


def _warn(run: Run, conn: Connection) -> None:
    """Tell what the plan would have told, had it known the roles."""
    if not run.plan.old_shape_for:
        for hazard in warnings(run.plan, read_catalog(conn, measure=False)):
            run.emit(Event("warn", "switch", hazard.message))


def _announce(run: Run, conn: Connection, roles: Sequence[str]) -> None:
    """The schema, and the settings of the roles; what these were is in the record."""
    schema = run.plan.before_schema
    conn.execute(f"CREATE SCHEMA IF NOT EXISTS {ident(schema)}")
    settings, told = {}, {}
    for role in roles:
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
            raise WrongState(f"there is no role '{role}'", hint="SELECT rolname FROM pg_roles", state=_NOTHING)
        own, effective = search_path.of(conn, role)
        settings[role] = own
        conn.execute(f"GRANT USAGE ON SCHEMA {ident(schema)} TO {ident(role)}")
        told[role] = [schema, *(part for part in effective if part != schema)]
        search_path.put(run, conn, role, told[role])
    journal.record_step(conn, run.id, READY, roles=list(roles), settings=settings, told=told)


def _note_since(run: Run, conn: Connection) -> str:
    """Sessions that begin from now on have the setting, which was committed."""
    now = conn.execute("SELECT clock_timestamp()::text").fetchone()
    since = str(now[0]) if now else ""
    journal.record_step(conn, run.id, READY, **{**journal.steps_done(conn, run.id)[READY], "since": since})
    return since


def _await_sessions(run: Run, conn: Connection, roles: Sequence[str]) -> None:
    """Sessions that began before do not know the schema: after the switch they would meet the new shape."""
    since = _since(run, conn)
    stale = _stale(conn, roles, since)
    if not stale:
        return
    if not run.options.recycle_clients:
        who = "; ".join(f"{role}: {len(pids)}" for role, pids in sorted(stale.items()))
        raise InUse(
            "sessions are open that do not know of the old shape's schema yet: after the switch they would meet the "
            "new one",
            details=who,
            hint=f"ecluse switch {run.plan.migration} --recycle-clients, or restart the application and switch then",
            state=_NOTHING,
        )
    for attempt in range(100):
        ended = conn.execute(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ANY (%s)",
            ([pid for pids in stale.values() for pid in pids],),
        ).fetchone()
        if attempt == 0:
            run.emit(Event("note", "switch", f"{ended[0] if ended else 0} client sessions were ended to reconnect"))
        stale = _stale(conn, roles, since)
        if not stale:
            return
        time.sleep(0.05)
    raise InUse("sessions of the old application do not end", hint="look at pg_stat_activity", state=_NOTHING)


def _stale(conn: Connection, roles: Sequence[str], since: str) -> dict[str, list[int]]:
    """The sessions of these roles that began before that moment, or of which that cannot be seen: pids, by role."""
    rows = conn.execute(
        "SELECT a.usename::text, array_agg(a.pid) FROM pg_stat_activity a WHERE a.datname = current_database() "
        "AND a.usename = ANY (%s::name[]) AND a.pid <> pg_backend_pid() AND a.application_name NOT LIKE 'ecluse%%' "
        "AND coalesce(a.backend_start <= %s::timestamptz, true) GROUP BY 1",
        (list(roles), since),
    ).fetchall()
    return dict(rows)


def _since(run: Run, conn: Connection) -> str:
    noted = journal.steps_done(conn, run.id)[READY].get("since")
    return str(noted) if noted else _note_since(run, conn)


# --- within the switch ------------------------------------------------------------------------------


def arm(run: Run, conn: Connection) -> None:
    """Make the views and their writers, in the transaction of the switch, when the new tables are in their place."""
    roles = roles_of(run)
    if not roles:
        return
    conn.execute("SET LOCAL check_function_bodies TO off")
    # In one go: under lock, round trips are somebody's waiting time.
    conn.execute(";\n".join(script.create(run.plan, roles, run.id, _staying(run, conn), even(run, conn))))
    _let_triggers_resolve(run, conn, roles[0])
    for name in old_views(run, conn):
        run.emit(Event("warn", "switch", f"view {name} has no old shape: it needs what only a table has"))
    conn.execute("SET LOCAL check_function_bodies TO DEFAULT")
    journal.record_step(conn, run.id, ARMED, roles=list(roles))


def _let_triggers_resolve(run: Run, conn: Connection, role: str) -> None:
    """Give writers the search_path of the new shape where they fire triggers of the new tables, which inherit it."""
    path = [part for part in search_path.of(conn, role)[1] if part != run.plan.before_schema]
    told = ", ".join(map(ident, [*path, "pg_temp"]))
    for signature in script.firing(run.plan):
        conn.execute(f"ALTER FUNCTION {signature} SET search_path TO {told}")


def _staying(run: Run, conn: Connection) -> dict[Name, Table]:
    added = {each.table for each in run.plan.added}
    if not added:
        return {}
    tables = read_catalog(conn, sorted({name.schema for name in added}), measure=False).tables
    return {name: tables[name] for name in added if name in tables}


# --- afterwards -------------------------------------------------------------------------------------


def armed(conn: Connection, run: int) -> tuple[str, ...]:
    """The roles for whom the old shape of a run is there; empty where it is not."""
    found = journal.steps_done(conn, run).get(ARMED, {}).get("roles", [])
    return tuple(str(role) for role in found)


def uses(conn: Connection, run: int, plan: Plan) -> tuple[Use, ...]:
    """How much each role has used the old shape. Counts come a second late, as the server's statistics do."""
    found = []
    last = "s.last_seq_scan::text" if conn.info.server_version >= 160000 else "NULL"
    for position, role in enumerate(armed(conn, run)):
        row = conn.execute(
            f"SELECT coalesce(s.seq_scan, 0), {last}, (SELECT count(*) FROM pg_stat_activity a WHERE a.usename = %s "
            "AND a.datname = current_database() AND a.application_name NOT LIKE 'ecluse%%') "
            "FROM pg_stat_all_tables s WHERE s.relid = to_regclass(%s)",
            (role, use.counter(plan, position).sql),
        ).fetchone()
        statements, when, sessions = row or (0, None, 0)
        found.append(Use(role, int(statements), int(sessions), when))
    return tuple(found)


def leave(run: Run, conn: Connection) -> None:
    """Take the views away, and give the roles their search_path back, in the transaction at hand."""
    done = journal.steps_done(conn, run.id)
    if READY not in done:
        return
    schema = run.plan.before_schema
    drop_indexes(run, conn)
    for statement in script.drop_checks(run.plan):
        conn.execute(statement)
    for kind, name in _objects(conn, schema):
        conn.execute(f"DROP {kind} IF EXISTS {name}")
    conn.execute(f"DROP SCHEMA IF EXISTS {ident(schema)}")
    _restore(run, conn, done[READY])
    for step in (READY, ARMED, READING):
        journal.forget_step(conn, run.id, step)


def _restore(run: Run, conn: Connection, record: dict[str, object]) -> None:
    """Give each role the setting that it had; one that somebody changed meanwhile only loses our schema."""
    settings, told = record.get("settings"), record.get("told") or {}
    assert isinstance(settings, dict)
    assert isinstance(told, dict)
    for role, path in settings.items():
        if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
            continue
        now = search_path.of(conn, role)[0]
        if now == told.get(role, now):
            search_path.put(run, conn, role, path)
        elif now and run.plan.before_schema in now:
            search_path.put(run, conn, role, [part for part in now if part != run.plan.before_schema])


def _objects(conn: Connection, schema: str) -> list[tuple[str, str]]:
    """What we made there, what stands on others first. Views of views were made last, so they go first."""
    rows = conn.execute(
        "SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass::text FROM pg_class c "
        "WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind IN ('v', 'r') ORDER BY c.relkind DESC, c.oid DESC",
        (ident(schema),),
    ).fetchall()
    # Functions of rows take a view's row; they go before it, and trigger functions after.
    functions = conn.execute(
        "SELECT 'FUNCTION', p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = to_regnamespace(%s) "
        "ORDER BY p.prorettype = 'trigger'::regtype",
        (ident(schema),),
    ).fetchall()
    rows_of = [f for f in functions if "ecluse_rows_" in f[1]]
    rest = [f for f in functions if f not in rows_of]
    return [*rows_of, *rows, *rest]


def refuse_used(run: Run, conn: Connection, what: str) -> None:
    """Raise InUse where the old shape has not been retired."""
    roles = armed(conn, run.id)
    if roles:
        raise InUse(
            f"the old shape is still kept for {', '.join(roles)}",
            details=f"{what} would take it from them",
            hint=f"ecluse status, and when nobody uses it: ecluse retire {run.plan.migration}",
            state="the new shape is in use, and the old one through its views; nothing was changed",
        )


def retire(run: Run, conn: Connection, unused_for: float) -> tuple[Use, ...]:
    """Remove the old shape where no role has used it for so many seconds; returns the uses that were counted.

    Raises InUse otherwise. A server before PostgreSQL 16 does not note when a table was last read, so there the count
    is noted by the first call and compared by the next.
    """
    found = uses(conn, run.id, run.plan)
    if not found:
        raise WrongState("no old shape is kept", hint="ecluse status", state="nothing was changed")
    busy = [one for one in found if _recent(run, conn, one, unused_for)]
    if busy:
        said = "; ".join(f"{one.role}: {one.statements:,} statements, {one.sessions} sessions" for one in busy)
        raise InUse(
            f"the old shape is still used by {', '.join(one.role for one in busy)}",
            details=said,
            hint=f"ecluse status; what is no use any more: ecluse retire {run.plan.migration} --unused-for 0",
            state="the new shape is in use, and the old one through its views; nothing was changed",
        )
    prepare.with_locks(run, conn, "retire", lambda c: leave(run, c))
    run.journaled("retired")
    return found


def _recent(run: Run, conn: Connection, one: Use, unused_for: float) -> bool:
    if unused_for <= 0 or not one.statements:
        return False
    if one.last is not None:
        row = conn.execute(
            "SELECT %s::timestamptz > clock_timestamp() - make_interval(secs => %s)", (one.last, unused_for)
        ).fetchone()
        return bool(row and row[0])
    record = dict(journal.steps_done(conn, run.id).get(READING, {}))
    before = record.get(one.role)
    same = isinstance(before, list) and before[0] == one.statements
    if same:
        assert isinstance(before, list)
        row = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8 - %s", (before[1],)).fetchone()
        return not row or row[0] < unused_for
    now = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    with conn.transaction():
        journal.record_step(conn, run.id, READING, **{**record, one.role: [one.statements, now[0] if now else 0.0]})
    return True
