"""From here back to the origin: what the new application wrote is carried home; what does not fit there is parked."""

from __future__ import annotations

import psycopg

from ecluse.engine import drain
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving.ends import Ends, both, types_of
from ecluse.engine.moving.relay import relay
from ecluse.errors import ProofFailed
from ecluse.model.names import literal
from ecluse.model.plan import Move
from ecluse.planning import flow_sql, held_sql, home_sql
from ecluse.planning.closing_sql import HOME_SETTING
from ecluse.proof.compare import Pair, Relation, compare_all, quick_equal
from ecluse.proof.readers import Readers

_AGAIN = "pg_temp.ecluse_again"


def drain_home(run: Run, here: Connection) -> None:
    """Carry home what the new application wrote, until little is left, while it goes on writing."""
    for move in run.plan.moves:
        with both(run, here, move, "carry home") as ends:
            drain.until_little(
                run,
                lambda ends=ends, move=move: _waiting(ends.here, run, move),  # type: ignore[misc]
                lambda ends=ends, move=move: _carry_home(run, ends, move, locked=False),  # type: ignore[misc]
            )


def carry_last_home(run: Run, here: Connection) -> None:
    """Carry home what is left, in the transaction at hand, which holds the new tables locked.

    What the origin commits here stays there should our transaction fail: the log keeps its keys, and it is done again.
    """
    for move in run.plan.moves:
        with both(run, here, move, "carry home") as ends:
            while _carry_home(run, ends, move, locked=True):
                pass


def park_left(run: Run, here: Connection) -> None:
    """Park what the last units of a rollback have that the old table cannot hold."""
    for move in run.plan.moves:
        with both(run, here, move, "park") as ends:
            here.execute(f"DELETE FROM {flow_sql.UNITS}")
            here.execute(
                f"INSERT INTO {flow_sql.UNITS} SELECT DISTINCT unit FROM ecluse.to_park WHERE run = %s AND flow = %s",
                (run.id, move.flow.name),
            )
            ends.units_there()
            _park(run, ends, move, run.building)
    here.execute("DELETE FROM ecluse.to_park WHERE run = %s", (run.id,))


def _waiting(here: Connection, run: Run, move: Move) -> int:
    return drain.entries(here, [flow_sql.log_name(run.id, move.new)])


def _carry_home(run: Run, ends: Ends, move: Move, *, locked: bool) -> int:
    """One batch; returns how many log entries were done.

    What collides half way, because a value moved between two rows, does not when everything is done at once. What
    collides even then is something that the old table does not take.
    """
    collides = (
        psycopg.errors.UniqueViolation,
        psycopg.errors.ExclusionViolation,
        psycopg.errors.ForeignKeyViolation,
    )
    try:
        return _batch(run, ends, move, run.options.unit_batch, locked=locked, apart=False)
    except collides:
        try:
            return _batch(run, ends, move, None, locked=locked, apart=False)
        except collides:
            return _batch(run, ends, move, None, locked=locked, apart=True)


def _batch(run: Run, ends: Ends, move: Move, limit: int | None, *, locked: bool, apart: bool) -> int:
    at, new = run.switched, move.new
    with ends.here.transaction():
        if not locked:
            ends.here.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        taken = drain.take(ends.here, run, new, limit)
        if not taken:
            return 0
        everything = drain.truncated(ends.here, run, new)
        drain.units_of(ends.here, run, move.flow.new, new, at)
        theirs, ours = flow_sql.all_units(move.flow, at)
        if everything:
            ends.here.execute(ours)
        with ends.there.transaction():
            ends.there.execute("SELECT set_config(%s, %s, true)", (HOME_SETTING, str(run.id)))
            ends.units_there()
            if everything:
                ends.there.execute(theirs)
            elif _take_kin(ends, home_sql.kin(move.flow.old, at)):
                ends.units_here()
            _rebuild(run, ends, move, apart)
            if locked:
                # What of them is to be parked is found after the commit.
                later = f"INSERT INTO ecluse.to_park SELECT {run.id}, {literal(move.flow.name)}, unit FROM "
                ends.here.execute(later + flow_sql.UNITS)
            else:
                _park(run, ends, move, at)
        run.journaled(f"carried home to {move.origin}")
        drain.forget_taken(ends.here, run, new)
    return taken


def _take_kin(ends: Ends, statements: tuple[str, ...]) -> bool:
    """Take rows that refer to those in hand in hand as well; whether there were any."""
    found = False
    while sum(ends.there.execute(statement).rowcount for statement in statements):
        found = True
    return found


def _rebuild(run: Run, ends: Ends, move: Move, apart: bool) -> None:
    """Clear the units in hand there and make them anew from here, but for rows that the old table does not take."""
    flow, at, old = move.flow, run.switched, move.old
    for conn in (ends.there, ends.here):
        conn.execute(f"ANALYZE {flow_sql.UNITS}")
    for statement in home_sql.stage(old.table):
        ends.there.execute(statement)
    columns = flow_sql.column_list(old.columns)
    mapped = flow_sql.mapped(old, flow.new, at, flow_sql.rows_of_units(flow.new, at))
    into = f"{home_sql.STAGED} ({columns})"
    relay(ends.here, f"SELECT {columns} FROM ({mapped}) q", ends.there, into, types_of(old))
    _prove_arrival(ends, move, mapped)
    ends.there.execute(flow_sql.clear_units(flow.old, at))
    while ends.there.execute(home_sql.leave_out(old, apart=apart)).rowcount and apart:
        pass
    staged = f"SELECT {columns} FROM {home_sql.STAGED}"
    ends.there.execute(flow_sql.insert(old, at, staged))
    rows = f"SELECT {columns} FROM {flow_sql.rows_of_units(flow.old, at)} h"
    if not quick_equal(ends.there, rows, staged, old.columns):
        raise _wrong(move)


def _prove_arrival(ends: Ends, move: Move, mapped: str) -> None:
    columns = move.old.columns
    sent, arrived = Relation((mapped,), columns), Relation((f"SELECT * FROM {home_sql.STAGED} s",), columns)
    pair = Pair(str(move.old.table.name), "inverse", sent, arrived)
    (found,) = compare_all([pair], Readers([ends.here]), Readers([ends.there]), narrow=False)
    if not found.equal:
        raise _wrong(move)


def _wrong(move: Move) -> ProofFailed:
    return ProofFailed(
        f"rows that came home to {move.old.table.name} in '{move.origin}' are not what the mapping says",
        details="the batch was rolled back; the capture log still holds its keys",
    )


def _park(run: Run, ends: Ends, move: Move, at: flow_sql.Places) -> None:
    """Park the rows of the units in hand that a second way forward would not give back."""
    new, columns = move.new, flow_sql.column_list(move.new.columns)
    olds = flow_sql.rows_of_units(move.flow.old, at)
    ends.here.execute(f"DROP TABLE IF EXISTS {_AGAIN}")
    ends.here.execute(f"CREATE TEMP TABLE ecluse_again AS SELECT {columns} FROM {at.sql(new.alias)} WITH NO DATA")
    query = f"SELECT {columns} FROM ({flow_sql.mapped(new, move.flow.old, at, olds)}) q"
    relay(ends.there, query, ends.here, f"{_AGAIN} ({columns})", types_of(new))
    ends.here.execute(held_sql.unpark(run.id, move.flow))
    ends.here.execute(held_sql.park_unheld(run.id, move.flow, new, at, f"SELECT * FROM {_AGAIN}"))
