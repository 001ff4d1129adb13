"""From the origin to here: ranges of pages for the copy, then the units that its log names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ecluse.engine import copy, drain, prepare
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving.ends import Ends, both, types_of
from ecluse.engine.moving.relay import relay, relayed
from ecluse.errors import ProofFailed
from ecluse.model.plan import Move
from ecluse.planning import flow_sql
from ecluse.proof.compare import Pair, Relation, compare_all
from ecluse.proof.readers import Readers

_ROUNDS = 100  # of a drain that nobody writes against; more is a fault of ours


# --- the copy ---------------------------------------------------------------------------------------


def copy_move(run: Run, here: Connection, move: Move, crew: copy.Crew | None = None) -> None:
    """Copy the old table into the bare new one, by parallel workers; may be sloppy about what capture knows."""
    with run.session("watch", move.origin) as there:
        crew = crew or copy.Crew(lambda: hire(run, move), run.options.workers)
        copy.carry(run, here, move.flow, crew, minding=there)


@contextmanager
def hire(run: Run, move: Move) -> Iterator[copy.Worker]:
    """A worker with a session at either end."""
    with run.session("copy") as here, both(run, here, move, "copy") as ends:
        yield copy.Worker(ends.there.info.backend_pid, lambda lo, hi: _chunk(run, ends, move, lo, hi))


def _chunk(run: Run, ends: Ends, move: Move, lo: int, hi: int) -> tuple[int, float]:
    began = time.monotonic()
    rows = flow_sql.rows_range(move.old, run.building, lo, hi)
    with ends.there.transaction():
        ends.there.execute(f"LOCK TABLE {move.old.table.name.sql} IN ACCESS SHARE MODE")
        prepare.check_watched(ends.here, ends.there, run, move.old)
        with ends.here.transaction():
            count = _relay(run, ends, move, rows)
            seconds = time.monotonic() - began
            copy.record_chunk(ends.here, run, move.flow, lo, hi, count, seconds)
    run.journaled(f"chunk {move.flow.name} {lo}")
    return count, seconds


def _relay(run: Run, ends: Ends, move: Move, anchors: str) -> int:
    query, into, types = _way(run, move, anchors)
    return relay(ends.there, query, ends.here, into, types)


def relay_statements(run: Run, move: Move, anchors: str) -> tuple[str, ...]:
    """What is sent to either end so that the rows of the given old rows arrive."""
    return relayed(*_way(run, move, anchors))


def _way(run: Run, move: Move, anchors: str) -> tuple[str, str, tuple[str, ...]]:
    columns = flow_sql.column_list(move.new.columns)
    query = f"SELECT {columns} FROM ({flow_sql.mapped(move.new, move.flow.old, run.building, anchors)}) q"
    return query, f"{run.building.sql(move.new.alias)} ({columns})", types_of(move.new)


# --- repair and drain -------------------------------------------------------------------------------


def repair(run: Run, here: Connection, move: Move) -> None:
    """Delete all captured units here: what remains is unique. The log keeps them for the drain."""
    with both(run, here, move, "repair") as ends:
        prepare.check_watched(here, ends.there, run, move.old)
        drain.refuse_truncated(ends.there, run, move.flow)
        drain.units_of(ends.there, run, move.flow.old, move.old, run.building, taken=False)
        ends.units_here()
    here.execute(f"ANALYZE {flow_sql.UNITS}")
    here.execute("SET LOCAL enable_mergejoin = off")
    here.execute(flow_sql.clear_units(move.flow.new, run.building, sloppy=True))


def drain_moves(run: Run, here: Connection) -> None:
    """Bring the new tables up to date until little is left, while applications go on writing in the origins."""
    for move in run.plan.moves:
        with both(run, here, move, "drain") as ends:
            prepare.check_watched(here, ends.there, run, move.old)  # a run that died may have taken the log off
            drain.until_little(
                run,
                lambda ends=ends, move=move: _waiting(ends.there, run, move),  # type: ignore[misc]
                lambda ends=ends, move=move: _once(run, ends, move),  # type: ignore[misc]
            )


def drain_to_zero(run: Run, here: Connection, move: Move) -> None:
    """The same until nothing is left; the old table must be closed."""
    with both(run, here, move, "drain") as ends:
        for _ in range(_ROUNDS):
            if not _once(run, ends, move, closed=True):
                return
    raise ProofFailed(
        f"the log of {move.old.table.name} in '{move.origin}' does not become empty, though the table is closed",
        state="nothing was switched",
    )


def _waiting(there: Connection, run: Run, move: Move) -> int:
    return drain.entries(there, [flow_sql.log_name(run.id, move.old)])


def _once(run: Run, ends: Ends, move: Move, *, closed: bool = False) -> int:
    """One batch; where it trips over a unique key, everything at once, as the drain within a server does."""
    try:
        return _batch(run, ends, move, run.options.unit_batch, closed)
    except psycopg.errors.UniqueViolation:
        return _batch(run, ends, move, None, closed)


def _batch(run: Run, ends: Ends, move: Move, limit: int | None, closed: bool) -> int:
    with ends.there.transaction():
        ends.there.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if not closed:
            ends.there.execute(f"LOCK TABLE {move.old.table.name.sql} IN ACCESS SHARE MODE")
            prepare.check_watched(ends.here, ends.there, run, move.old)
        drain.refuse_truncated(ends.there, run, move.flow)
        taken = drain.take(ends.there, run, move.old, limit)
        if not taken:
            return 0
        drain.units_of(ends.there, run, move.flow.old, move.old, run.building)
        with ends.here.transaction():
            ends.units_here()
            _rebuild(run, ends, move)
        run.journaled(f"drained from {move.origin}")
        drain.forget_taken(ends.there, run, move.old)
    return taken


def _rebuild(run: Run, ends: Ends, move: Move) -> None:
    """Clear the units in hand here, make them anew from there, and prove both directions."""
    flow, at = move.flow, run.building
    for conn in (ends.there, ends.here):
        conn.execute(f"ANALYZE {flow_sql.UNITS}")
    ends.here.execute(flow_sql.clear_units(flow.new, at))
    _relay(run, ends, move, flow_sql.rows_of_units(flow.old, at))
    pairs = _unit_pairs(move, at)
    found = compare_all(pairs, Readers([ends.there]), Readers([ends.here]), narrow=False)
    if not all(each.equal for each in found):
        raise ProofFailed(
            f"rows of {move.new.table.name} that came from '{move.origin}' are not what the mapping says",
            details="the batch was rolled back; the capture log still holds its keys",
            hint="look at the mapping's exactness with `ecluse verify --show-values`",
        )


def _unit_pairs(move: Move, at: flow_sql.Places) -> list[Pair]:
    """Forward and inverse equality of the units in hand, the origin on the left."""
    flow = move.flow
    olds, news = flow_sql.rows_of_units(flow.old, at), flow_sql.rows_of_units(flow.new, at)
    there = Relation((flow_sql.mapped(move.new, flow.old, at, olds),), move.new.columns)
    here = Relation((f"SELECT * FROM {news} h",), move.new.columns)
    kept = Relation((f"SELECT * FROM {olds} h",), move.old.columns)
    back = Relation((flow_sql.mapped(move.old, flow.new, at, news),), move.old.columns)
    name = str(move.new.table.name)
    return [Pair(name, "forward", there, here), Pair(name, "inverse", kept, back)]
