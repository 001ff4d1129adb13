"""The drain: captured units are cleared and rebuilt from the other side as it is now, and proved in the same snapshot.

Forward it brings the new tables up to date before the switch; backward it carries the new application's writes home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psycopg

from ecluse.engine import journal, prepare, rosters
from ecluse.engine.context import Connection, Restart, Run
from ecluse.errors import ProofFailed
from ecluse.model.flow import Flow, Follow, Member, Side
from ecluse.model.names import literal
from ecluse.model.report import Event
from ecluse.planning import flow_sql, held_sql, roster_sql
from ecluse.planning.flow_sql import Places
from ecluse.planning.old_shape import told


@dataclass(frozen=True, slots=True)
class Direction:
    """Which side is read and which is rebuilt. `home`: back to the old shape."""

    home: bool

    def source(self, flow: Flow) -> Side:
        """The side that applications write."""
        return flow.new if self.home else flow.old

    def target(self, flow: Flow) -> Side:
        """The side that is rebuilt."""
        return flow.old if self.home else flow.new

    def captured(self, flow: Flow) -> list[str]:
        """The aliases whose logs are read."""
        return [m.alias for m in self.source(flow).members if m.role != "aside"]


_TRICKLE = 500  # entries that may be left to the switch
_STUCK = 6  # rounds that did not get smaller

BLOCKED = "units were kept from going home"

FORWARD, HOME = Direction(home=False), Direction(home=True)


def pending(conn: Connection, run: Run, direction: Direction) -> int:
    """How many log entries wait."""
    flows = run.plan.flows
    logs = [flow_sql.log_name(run.id, f.member(alias)) for f in flows for alias in direction.captured(f)]
    return entries(conn, [*logs, *([told.table(run.id)] if is_told(conn, run.id, direction) else [])])


def is_told(conn: Connection, run: int, direction: Direction) -> bool:
    """Whether an old application notes what it writes after the switch."""
    if not direction.home:
        return False
    row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", (told.table(run),)).fetchone()
    return bool(row and row[0])


def entries(conn: Connection, logs: list[str]) -> int:
    """How many entries these logs hold."""
    if not logs:
        return 0
    row = conn.execute("SELECT " + " + ".join(f"(SELECT count(*) FROM {log})" for log in logs)).fetchone()
    return int(row[0]) if row else 0


def drain(run: Run, conn: Connection, direction: Direction, at: Places) -> int:
    """Drain until little is left, or no less than before; returns how many entries were done."""
    return until_little(run, lambda: pending(conn, run, direction), lambda: drain_once(run, conn, direction, at))


def until_little(run: Run, waiting: Callable[[], int], once: Callable[[], int]) -> int:
    """Do one batch after the other until little waits, or no less than before; returns how many entries were done.

    Stops between batches when asked to.
    """
    total, small, stuck, before = 0, 0, 0, waiting()
    # What keeps coming in while we work is the switch's business, not a reason to go on for ever: neither a
    # trickle, nor an application that writes as fast as we read.
    while small < 2 and stuck < _STUCK:
        done = once()
        total += done
        small = small + 1 if done < _TRICKLE else 0
        left = waiting()
        stuck = stuck + 1 if left > 0.9 * before else 0
        before = left
        run.emit(Event("progress", "drain", done=total, total=total + left))
        run.stop.check("stopped between two drains; nothing is lost")
        if done == 0:
            break
    if stuck == _STUCK:
        run.emit(Event("note", "drain", "the application writes about as fast as the drain reads"))
    return total


def drain_once(run: Run, conn: Connection, direction: Direction, at: Places) -> int:
    """One batch in a transaction of its own; where it trips over a unique key or a link, everything at once.

    A value that moved from one unit to another may collide half way, and a row may be linked to one that is not
    there yet; the whole log at one snapshot cannot, because the source itself holds no such pair.
    """
    try:
        return _transaction(run, conn, direction, at, run.options.unit_batch)
    except (psycopg.errors.UniqueViolation, ProofFailed):
        return _transaction(run, conn, direction, at, None)


def _transaction(run: Run, conn: Connection, direction: Direction, at: Places, limit: int | None) -> int:
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        done = drain_here(run, conn, direction, at, limit)
    if done:
        run.journaled("drained")
    return done


def drain_here(
    run: Run, conn: Connection, direction: Direction, at: Places, limit: int | None = None, *, locked: bool = False
) -> int:
    """Drain in the transaction at hand (REPEATABLE READ, or with the tables locked). Raises Restart, ProofFailed."""
    total = 0
    conn.execute(f"DELETE FROM {flow_sql.TAKEN}")
    noted = is_told(conn, run.id, direction)
    # Flows come with referenced tables first, so that one may read what another has set aside.
    touched = {flow.name for flow in run.plan.flows if _take(run, conn, direction, flow, limit, noted=noted)}
    shaken = frozenset() if direction.home else rosters.judge_again(run, conn, at)
    for flow in run.plan.flows:
        followed = [follow for follow in flow.follows if follow.roster in shaken]
        if flow.name not in touched and not followed:
            continue
        taken = _collect(run, conn, direction, flow, at, noted=noted)
        if followed:
            taken = max(taken, _follow(conn, flow, followed, at))
        few = run.prepared.settle(conn, taken, locked=locked)
        rebuild(run, conn, flow, at, direction, few=few, locked=locked)
        total += taken
        for alias in direction.captured(flow):
            forget_taken(conn, run, flow.member(alias))
        if noted:
            conn.execute(told.forget(run.id, flow))
    return total


def _follow(conn: Connection, flow: Flow, followed: Iterable[Follow], at: Places) -> int:
    """Take in hand what follows a roster that says something else now; returns how many units are in hand."""
    for follow in followed:
        conn.execute(roster_sql.following(flow, follow, at))
    row = conn.execute(f"SELECT count(*) FROM {flow_sql.UNITS}").fetchone()
    return int(row[0]) if row else 0


def forget_taken(conn: Connection, run: Run, member: Member) -> None:
    """Delete the entries in hand from a log."""
    conn.execute(
        f"DELETE FROM {flow_sql.log_name(run.id, member)} l USING {flow_sql.TAKEN} t "
        "WHERE t.alias = %s AND t.seq = l.seq",
        (member.alias,),
    )


def rebuild(
    run: Run, conn: Connection, flow: Flow, at: Places, direction: Direction, *, few: bool, locked: bool = False
) -> None:
    """Clear the units in hand on the target side, make them anew, set aside what does not fit, and prove the rest.

    Going home under lock (`locked`), what is to be parked is left to `park_left`, after the commit.
    """
    target, source = direction.target(flow), direction.source(flow)

    def execute(statements: Iterable[str]) -> None:
        for statement in statements:
            run.prepared.execute(conn, statement, few=few)

    # Before anything is cleared: what a blocked unit was in the old shape stays as it is, with all that refers to it.
    blocked = _take_blocked(run, conn, flow, at, few=few) if direction.home else []
    execute([flow_sql.clear_units(target, at)])
    execute(flow_sql.rebuild_units(target, source, at))
    if not direction.home:
        execute(_quarantine(run, flow, at))
    _prove(run, conn, flow, at, direction, few=few)
    if direction.home:
        _note_homeless(run, conn, flow, at, few=few)
        conn.execute(f"INSERT INTO {flow_sql.UNITS} SELECT unnest(%s::text[])", (blocked,))
        later = f"INSERT INTO ecluse.to_park SELECT {run.id}, {literal(flow.name)}, unit FROM {flow_sql.UNITS}"
        # What joined other tables is out of reach after the commit.
        left = locked and not flow.joining
        execute([later] if left else _park(run, flow, rosters.as_they_are(run, conn, flow, at)))


def park_left(run: Run, conn: Connection) -> None:
    """Park what the last units of a rollback, and satellites without an anchor, have that the old shape cannot hold.

    The new tables are out of reach in the next schema by then, and complete.
    """
    at = run.returned
    for flow in run.plan.flows:
        conn.execute(f"DELETE FROM {flow_sql.UNITS}")
        conn.execute(
            f"INSERT INTO {flow_sql.UNITS} SELECT DISTINCT unit FROM ecluse.to_park WHERE run = %s AND flow = %s",
            (run.id, flow.name),
        )
        conn.execute(f"ANALYZE {flow_sql.UNITS}")
        for statement in _park(run, flow, rosters.as_they_are(run, conn, flow, at)):
            conn.execute(statement)
        for member in flow.new.satellites:
            if member.placed:
                conn.execute(held_sql.park_orphans(run.id, flow, member, at))
        conn.execute("DELETE FROM ecluse.to_park WHERE run = %s AND flow = %s", (run.id, flow.name))


def _take_blocked(run: Run, conn: Connection, flow: Flow, at: Places, *, few: bool) -> list[str]:
    """Take out of hand the units that would fall upon rows in quarantine, or that the old tables would refuse.

    They are parked instead.
    """
    held = conn.execute(
        "SELECT EXISTS (SELECT FROM ecluse.quarantine WHERE run = %s AND flow = %s AND state <> 'carried')",
        (run.id, flow.name),
    ).fetchone()
    beside = held_sql.blocked_units(run.id, flow, at) if held and held[0] else ""
    found: list[str] = []
    for units in filter(None, (held_sql.refused_units(flow, at), beside)):
        blocked = f"DELETE FROM {flow_sql.UNITS} u WHERE u.unit IN ({units}) RETURNING u.unit"
        found += [str(unit) for (unit,) in run.prepared.execute(conn, blocked, few=few)]
    if found:
        journal.record_step(conn, run.id, BLOCKED)
    return found


def _note_homeless(run: Run, conn: Connection, flow: Flow, at: Places, *, few: bool) -> None:
    """Record that units in hand have no old rows, where rows of other flows may refer to these."""
    names = {member.table.name for member in flow.old.members}
    others = (member.table for other in run.plan.flows if other is not flow for member in other.old.members)
    if not any(key.references in names for table in others for key in table.foreign_keys):
        return
    asked = f"{held_sql.homeless_units(flow, at)} LIMIT 1"
    if list(run.prepared.execute(conn, asked, few=few)):
        journal.record_step(conn, run.id, BLOCKED)


def _take(run: Run, conn: Connection, direction: Direction, flow: Flow, limit: int | None, *, noted: bool) -> bool:
    if not direction.home:
        prepare.check_watch(conn, run, flow)
        refuse_truncated(conn, run, flow)
    found = [_take_log(conn, run, flow.member(alias), limit) for alias in direction.captured(flow)]
    if noted:
        found.append(conn.execute(told.take(run.id, flow, limit)).rowcount)
    return any(found)


def take(conn: Connection, run: Run, member: Member, limit: int | None) -> int:
    """Take entries of one log in hand, at most `limit`, and nothing else; returns how many."""
    conn.execute(f"DELETE FROM {flow_sql.TAKEN}")
    return _take_log(conn, run, member, limit)


def _take_log(conn: Connection, run: Run, member: Member, limit: int | None) -> int:
    cut = f" ORDER BY seq LIMIT {limit}" if limit else ""
    log = flow_sql.log_name(run.id, member)
    return conn.execute(f"INSERT INTO {flow_sql.TAKEN} SELECT %s, seq FROM {log}{cut}", (member.alias,)).rowcount


def refuse_truncated(conn: Connection, run: Run, flow: Flow) -> None:
    """Raise Restart where a log of the old side holds the mark of a TRUNCATE."""
    for member in flow.old.members:
        row = conn.execute(
            f"SELECT EXISTS (SELECT 1 FROM {flow_sql.log_name(run.id, member)} WHERE op = 'T')"
        ).fetchone()
        if row and row[0]:
            raise Restart(f"{member.table.name} was truncated")


def _collect(run: Run, conn: Connection, direction: Direction, flow: Flow, at: Places, *, noted: bool) -> int:
    conn.execute(f"DELETE FROM {flow_sql.UNITS}")
    members = [flow.member(alias) for alias in direction.captured(flow)]
    if direction.home and any(truncated(conn, run, member) for member in members):
        for statement in flow_sql.all_units(flow, at):
            conn.execute(statement)
    for member in members:
        _units_of(conn, run, direction.source(flow), member, at, taken=True)
    if noted:
        conn.execute(f"INSERT INTO {flow_sql.UNITS} {told.units(run.id, flow)} ON CONFLICT DO NOTHING")
    row = conn.execute(
        f"SELECT count(*) FROM {flow_sql.TAKEN} WHERE alias = ANY(%s)",
        ([*direction.captured(flow), told.alias(flow)],),
    ).fetchone()
    return int(row[0]) if row else 0


def units_of(conn: Connection, run: Run, side: Side, member: Member, at: Places, *, taken: bool = True) -> None:
    """Take the units in hand that a log names, or the entries of it that are in hand, and no others."""
    conn.execute(f"DELETE FROM {flow_sql.UNITS}")
    _units_of(conn, run, side, member, at, taken=taken, once=True)


def _units_of(
    conn: Connection, run: Run, side: Side, member: Member, at: Places, *, taken: bool, once: bool = False
) -> None:
    units = flow_sql.units_of_log(run.id, side, member, at, taken=taken, once=once)
    conn.execute(
        f"INSERT INTO {flow_sql.UNITS} SELECT DISTINCT unit FROM ({units}) l WHERE unit IS NOT NULL "
        "ON CONFLICT DO NOTHING"
    )


def truncated(conn: Connection, run: Run, member: Member) -> bool:
    """Whether the entries in hand hold the mark of a TRUNCATE."""
    row = conn.execute(
        f"SELECT EXISTS (SELECT 1 FROM {flow_sql.log_name(run.id, member)} l JOIN {flow_sql.TAKEN} t USING (seq) "
        f"WHERE l.op = 'T' AND t.alias = {literal(member.alias)})"
    ).fetchone()
    return bool(row and row[0])


def _park(run: Run, flow: Flow, at: Places) -> list[str]:
    visible = [m for m in flow.new.members if m.role != "aside"]
    return [held_sql.unpark(run.id, flow), *(held_sql.park_unheld(run.id, flow, m, at) for m in visible)]


def _quarantine(run: Run, flow: Flow, at: Places) -> list[str]:
    rows = flow_sql.rows_of_units(flow.old, at, with_rejected=True)
    statements = []
    if held_sql.quarantines(flow):
        statements.append(held_sql.clear_quarantine(run.id, flow))
        if flow.old.anchor.rejects:
            statements.append(held_sql.quarantine_anchor(run.id, flow, at, rows))
        statements += [held_sql.quarantine_satellite(run.id, flow, m, at, rows) for m in flow.old.satellites]
    return [*statements, *orphans(run, flow, at)]


def orphans(run: Run, flow: Flow, at: Places) -> list[str]:
    """Statements that look anew for satellite rows that hang on nothing."""
    return [
        statement
        for member in flow.old.satellites
        if flow_sql.may_orphan(flow, member)
        for statement in held_sql.quarantine_orphans(run.id, flow, member, at)
    ]


def _prove(run: Run, conn: Connection, flow: Flow, at: Places, direction: Direction, *, few: bool) -> None:
    """Both directions, for the units in hand: what was just written is read again and compared."""
    target, source = direction.target(flow), direction.source(flow)
    pairs: list[tuple[Side, Side]] = [(target, source)]
    if not direction.home:
        pairs.append((source, target))  # going home, what the old shape cannot hold is parked instead
    for side, other in pairs:
        for member in side.members:
            have = flow_sql.member_of_units(side, member, at)
            should = flow_sql.mapped(member, other, at, flow_sql.rows_of_units(other, at))
            if not run.prepared.equal(conn, should, f"SELECT * FROM {have} h", member.columns, few=few):
                raise ProofFailed(
                    f"rows of {member.table.name} that were drained are not what the mapping says",
                    details="the drain was rolled back; the capture log still holds its keys",
                    hint="look at the mapping's exactness with `ecluse verify --show-values`",
                )
