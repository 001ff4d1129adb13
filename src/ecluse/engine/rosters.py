"""Rosters: what becomes of each user is decided once, and decided again where a write, or the world, changed it."""

from __future__ import annotations

from dataclasses import replace

from ecluse.engine import prepare
from ecluse.engine.context import Connection, Run
from ecluse.errors import ValueRefused
from ecluse.model.flow import Flow, InputTable, Member
from ecluse.model.names import Name, ident
from ecluse.model.report import Event, Probe
from ecluse.planning import flow_sql, roster_sql
from ecluse.planning.flow_sql import Places

AGAIN = "run the same command again: what came there meanwhile is looked at first"


def index_sources(run: Run, conn: Connection) -> None:
    """Index what the sources' rows have in common, without blocking writers; a left-over INVALID one is made again."""
    for roster in run.plan.rosters:
        source = roster_sql.source_of(run.plan, roster)
        made = [_index(conn, name, tail) for name, tail in roster_sql.source_indexes(roster, source)]
        if any(made) or _never_analysed(conn, source):
            conn.execute(f"ANALYZE {source.table.name.sql}")


def _index(conn: Connection, name: Name, tail: str) -> bool:
    """Make an index where there is none that is valid; whether it was made."""
    row = conn.execute(
        "SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(%s)", (name.sql,)
    ).fetchone()
    if row and row[0]:
        return False
    if row:
        conn.execute(f"DROP INDEX CONCURRENTLY {name.sql}")
    conn.execute(f"CREATE INDEX CONCURRENTLY {ident(name.name)} {tail}")
    return True


def _never_analysed(conn: Connection, source: Member) -> bool:
    row = conn.execute(
        "SELECT coalesce(last_analyze, last_autoanalyze) IS NULL FROM pg_stat_user_tables "
        "WHERE relid = to_regclass(%s)",
        (source.table.name.sql,),
    ).fetchone()
    return not row or bool(row[0])


def fill(run: Run, conn: Connection) -> None:
    """Fill all rosters in the transaction at hand. The capture must have begun, so that no later write is missed."""
    for roster in run.plan.rosters:
        conn.execute(f"DELETE FROM {roster.name.sql}")
        conn.execute(roster_sql.refill(roster, run.building))
        for statement in roster_sql.indexes(roster):
            conn.execute(statement)
        conn.execute(f"ANALYZE {roster.name.sql}")


def judge_again(run: Run, conn: Connection, at: Places) -> frozenset[str]:
    """Judge what the log entries in hand concern; returns the rosters in which something changed.

    What changed is in `roster_sql.SHAKEN` until the next call.
    """
    shaken = set()
    if run.plan.rosters:
        conn.execute(f"DELETE FROM {roster_sql.SHAKEN}")
    for roster in run.plan.rosters:
        source = roster_sql.source_of(run.plan, roster)
        taken = conn.execute(
            f"SELECT EXISTS (SELECT FROM {flow_sql.TAKEN} WHERE alias = %s)", (source.alias,)
        ).fetchone()
        if not (taken and taken[0]):
            continue
        for statement in roster_sql.ask(run.id, roster, source, at):
            conn.execute(statement)
        note, *write = roster_sql.shake(roster, at)
        if conn.execute(note).rowcount:
            shaken.add(roster.alias)
            for statement in write:
                conn.execute(statement)
    return frozenset(shaken)


def as_they_are(run: Run, conn: Connection, flow: Flow, at: Places) -> Places:
    """Where the mapping of a flow looks things up when it is asked whether the old shape holds a new row.

    What is read out of the old tables is read anew, for the new application's writes are among them by then. The
    roster itself stays as it was at the switch, by which all other rows are proved.
    """
    followed = {follow.roster for follow in flow.follows}
    names = {}
    for roster in run.plan.rosters:
        if roster.live and roster.alias in followed:
            names[roster.alias], statements = roster_sql.anew(roster, at)
            for statement in statements:
                conn.execute(statement)
    return replace(at, names={**at.names, **names}) if names else at


# --- what is given from outside ---------------------------------------------------------------------


def look_again(run: Run, conn: Connection) -> bool:
    """Read anew what rosters judge by, and log the rows of which they say something else now; whether there are any.

    Where an account was made, or went, since the run began, a user is mapped to it, or gets one.
    """
    logged = 0
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for roster in run.plan.rosters:
            given = next((table for table in run.plan.inputs if table.alias == roster.given), None)
            if given is None or not _differs(conn, given):
                continue
            conn.execute(f"DELETE FROM {given.name.sql}")
            prepare.load_input(conn, given)
            source = roster_sql.source_of(run.plan, roster)
            logged += conn.execute(roster_sql.log_deviating(run.id, roster, source, run.building)).rowcount
    if logged:
        run.emit(Event("note", "switch", f"accounts have changed since: {logged:,} users are looked at again"))
        run.journaled("looked again")
    return bool(logged)


def _differs(conn: Connection, given: InputTable) -> bool:
    names = flow_sql.column_list(tuple(name for name, _ in given.columns))
    there, now = f"SELECT {names} FROM {given.name.sql}", f"SELECT {names} FROM ({given.query}) q"
    row = conn.execute(f"SELECT EXISTS (({there} EXCEPT {now}) UNION ALL ({now} EXCEPT {there}))").fetchone()
    return bool(row and row[0])


def refuse_outdated(run: Run, conn: Connection) -> None:
    """Raise ValueRefused where what rosters judged by has changed since `look_again`; to be asked under lock."""
    for roster in run.plan.rosters:
        if not roster.still:
            continue
        row = conn.execute(f"SELECT count(*) FROM {roster.name.sql} r WHERE ({roster.still}) IS NOT TRUE").fetchone()
        if row and row[0]:
            source = roster_sql.source_of(run.plan, roster).table.name
            raise ValueRefused(
                f"{row[0]:,} rows of {source} would become what is not there any more",
                details="it was changed or deleted while the switch was prepared",
                hint=AGAIN,
                state="nothing was switched; the old shape is in place and in use",
            )


# --- proof --------------------------------------------------------------------------------------------


def probes(run: Run, conn: Connection) -> tuple[Probe, ...]:
    """Whether each roster says what its rule says, of all rows but those that wait in a log."""
    found = []
    for roster in run.plan.rosters:
        source = roster_sql.source_of(run.plan, roster)
        with conn.transaction(force_rollback=True):
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for statement in roster_sql.ask(run.id, roster, source, run.building, taken=False):
                conn.execute(statement)
            row = conn.execute(roster_sql.deviating(roster, run.building)).fetchone()
        wrong = int(row[0]) if row else 0
        details = f"of {wrong:,} rows something else is said than the rule says" if wrong else ""
        found.append(Probe(f"what becomes of the rows of {source.table.name}", passed=not wrong, details=details))
    return tuple(found)
