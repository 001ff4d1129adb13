"""Verify: conservation, forward and inverse equality, at one snapshot while writes go on; structure, foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from ecluse.engine import drain, joining, journal, rosters, seals, structure
from ecluse.engine.context import Connection, Run
from ecluse.engine.journal import RunRecord
from ecluse.engine.moving.proving import Alone, verify_moves
from ecluse.errors import AnotherRun, ProofFailed
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, literal
from ecluse.model.plan import ForeignKey
from ecluse.model.report import Account, Comparison, Event, Probe, Verification
from ecluse.planning import flow_sql, roster_sql, switch_sql
from ecluse.planning.flow_sql import Places, column_list
from ecluse.planning.foreign_keys import orphans
from ecluse.planning.old_shape import told
from ecluse.proof.joint import prove
from ecluse.proof.pairs import Scope, not_pending
from ecluse.proof.readers import Readers, readers


def verify_run(run: Run, conn: Connection, status: str, stage: str, alone: Alone = nullcontext) -> Verification:
    """Prove a run as it stands: before the switch against what it builds, after it against what it kept.

    Takes ACCESS SHARE locks only. Units that wait in a capture log are left out on both sides, and counted. Where a
    foreign key can only be judged after a drain, `alone` keeps other runs away meanwhile, or raises AnotherRun.
    """
    switched = status == "switched"
    at = run.switched if switched else run.building
    if stage not in ("drain", "verify", "gate", "switched"):
        return Verification(probes=(Probe("the copy is complete", passed=False, details=f"it stands at '{stage}'"),))
    with readers(lambda: run.connect("verify", ""), run.options.workers, stop=run.stop.soft) as both:
        scopes = {flow.name: _scope(run, both, flow, at, switched) for flow in run.plan.flows}
        found = prove(
            run.plan.flows,
            scopes,
            both,
            show_values=run.options.show_values,
            progress=lambda done, total: run.emit(Event("progress", "verify", done=done, total=total)),
        )
        accounts = _accounts(run, both, found, scopes)
        snapshot, seen_at = seals.moment(both)
    moved = verify_moves(run, alone, switched=switched)
    stands = structure.probes(run, conn, switched=switched)
    said = () if switched else rosters.probes(run, conn)
    probes = (*moved.probes, *stands, *said, *_keys(run, conn, switched, alone))
    return Verification((*found, *moved.comparisons), (*accounts, *moved.accounts), probes, snapshot, seen_at)


def _scope(run: Run, both: Readers, flow: Flow, at: Places, switched: bool) -> Scope:
    session = both.first
    side = flow.new if switched else flow.old
    units: set[str] = set()
    for member in side.members:
        if member.role != "aside":
            query = flow_sql.units_of_log(run.id, side, member, at, taken=False)
            units |= {row[0] for row in session.execute(query.encode()) if row[0] is not None}
    if switched and drain.is_told(session, run.id, drain.HOME):
        units |= {row[0] for row in session.execute(told.units(run.id, flow, taken=False).encode())}
    for query in _carried_home(run, flow, at) if switched else ():
        units |= {row[0] for row in session.execute(query.encode())}
    pages = {}
    for member in flow.members:
        row = session.execute(
            f"SELECT pg_relation_size({literal(at.sql(member.alias))}) / current_setting('block_size')::bigint".encode()
        ).fetchone()
        pages[member.alias] = int(row[0]) if row else 0
    return Scope(at, tuple(sorted(units)), pages, run.options.workers, switched)


def _carried_home(run: Run, flow: Flow, at: Places) -> Iterator[str]:
    """The units of which a rollback that was given up has left the old shape another idea than the new one has."""
    for table in ("parked", "to_park"):
        mine = f"run = {run.id} AND flow = {literal(flow.name)} AND unit IS NOT NULL"
        yield f"SELECT unit FROM {flow_sql.JOURNAL}.{table} WHERE {mine}"
    for follow in flow.follows:
        roster = next(roster for roster in run.plan.rosters if roster.alias == follow.roster)
        if roster.live:
            yield roster_sql.units_judged_otherwise(flow, follow, roster, at)


# --- conservation -----------------------------------------------------------------------------------


def _accounts(run: Run, both: Readers, found: tuple[Comparison, ...], scopes: dict[str, Scope]) -> tuple[Account, ...]:
    """rows in = carried + merged + quarantined, each counted where it is and not derived from the others.

    Rows in are counted in the old table; what is carried or merged by reading the old rows back out of the new
    tables; the quarantine in the journal. Merged are those beyond one for each new anchor row.
    """
    by_name = {(c.direction, c.table): c for c in found}
    members = [(flow, scopes[flow.name], member) for flow in run.plan.flows for member in flow.old.members]
    rows_in = _rows_in(both, members)
    accounts = []
    for (flow, scope, member), there in zip(members, rows_in, strict=True):
        name = str(member.table.name)
        held = by_name["inverse", name].right_rows
        carried = held
        if member is flow.old.anchor:
            carried = min(held, by_name["forward", str(flow.new.anchor.table.name)].right_rows)
        reasons = _reasons(run, both, flow, member.alias, scope)
        accounts.append(Account(name, there, carried, held - carried, sum(reasons.values()), reasons))
    return tuple(accounts)


def _rows_in(both: Readers, members: list[tuple[Flow, Scope, Member]]) -> list[int]:
    """The rows of each old table, without those of pending units."""
    queries = [
        f"SELECT count(*) FROM {scope.at.sql(member.alias)} m WHERE true{not_pending(flow.old, member, scope)}"
        for flow, scope, member in members
    ]
    return [int(rows[0][0]) for rows in both.run(queries)]


def _reasons(run: Run, both: Readers, flow: Flow, alias: str, scope: Scope) -> dict[str, int]:
    left_out = f" AND (q.unit IS NULL OR q.unit NOT IN (SELECT unit FROM {scope.units}))" if scope.pending else ""
    query = (
        f"SELECT q.reason, count(*) FROM ecluse.quarantine q WHERE q.run = {run.id} "
        f"AND q.flow = {literal(flow.name)} AND q.alias = {literal(alias)} AND q.state <> 'carried'{left_out} "
        "GROUP BY 1"
    )
    return {reason: int(count) for reason, count in both.first.execute(query.encode())}


# --- foreign keys --------------------------------------------------------------------------------------


def _keys(run: Run, conn: Connection, switched: bool, alone: Alone) -> list[Probe]:
    """Every foreign key that the switch makes would hold: no row refers to one that is merged or in quarantine.

    One that is NOT VALID says nothing of the rows that were there: it may have as many orphans as it had.
    """
    found = []
    for key in (*run.plan.foreign_keys, *run.plan.outside_keys):
        if key.now is None or key.now.references is None:
            continue
        title = f"foreign key {key.now.name} of {key.table}"
        without = _orphans(run, conn, key, switched)
        if without and not switched:
            try:
                with alone():
                    without = _orphans_drained(run, conn, key)
            except AnotherRun:
                found.append(Probe(title, passed=False, ran=False, details="another run works; verify again after it"))
                continue
        details = f"{without:,} rows refer to no row of {key.now.references}" if without else ""
        found.append(Probe(title, passed=not without, details=details))
    return found


def _orphans_drained(run: Run, conn: Connection, key: ForeignKey) -> int:
    """Count again with nothing pending: the drain and the count see the same snapshot, however busy the writers are."""
    drain.drain(run, conn, drain.FORWARD, run.building)
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        drain.drain_here(run, conn, drain.FORWARD, run.building)
        return _orphans(run, conn, key, switched=False)


def _orphans(run: Run, conn: Connection, key: ForeignKey, switched: bool) -> int:
    """Rows without the row that they refer to, beyond those that a key that is NOT VALID had before."""
    assert key.now is not None and key.now.references is not None
    new = set() if switched else {m.table.name for m in switch_sql.visible(run.plan)}
    beside = {m.table.name: m for m in run.plan.joining} if not switched else {}
    referred = column_list(key.now.referenced_columns)

    def where(name: Name) -> str:
        if name in beside:
            also = joining.staged(run.plan, beside[name]).sql
            return f"(SELECT {referred} FROM {name.sql} UNION ALL SELECT {referred} FROM {also})"
        return (name.within(run.plan.next_schema) if name in new else name).sql

    found = _count(conn, orphans(key.now, where(key.table), where(key.now.references)))
    was = key.before
    if not found or key.now.valid or was is None or was.valid or was.references is None:
        return found
    kept = {m.table.name for flow in run.plan.flows for m in flow.old.members} if switched else set()
    table, references = (
        (name.within(run.plan.kept_schema) if name in kept else name).sql for name in (key.table, was.references)
    )
    return max(0, found - _count(conn, orphans(was, table, references)))


def _count(conn: Connection, query: str) -> int:
    row = conn.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


# --- what a proof says ------------------------------------------------------------------------------


def failures(result: Verification) -> str:
    """What did not hold, a line each."""
    lines = [
        f"{c.table}, {c.direction}: {len(c.differences) + c.more} rows differ ({c.left_rows:,} and {c.right_rows:,})"
        for c in result.comparisons
        if not c.equal
    ]
    lines += [
        f"{a.table}: {a.rows_in:,} rows in, {a.carried + a.merged + a.quarantined:,} accounted for"
        for a in result.accounts
        if not a.balanced
    ]
    lines += [f"{p.title}: {p.details or 'did not run'}" for p in result.probes if not (p.ran and p.passed)]
    return "\n".join(lines)


def refuse_disproved(conn: Connection, record: RunRecord) -> None:
    """Raise ProofFailed where the last proof of a run says that it does not hold."""
    last = journal.last_proof(conn, record.id)
    if last is not None and not last.passed:
        raise ProofFailed(
            f"the last proof of '{record.migration}' says that it does not hold",
            details=failures(last),
            hint=f"ecluse verify {record.migration} --show-values; where it holds now, switch again; "
            f"else: ecluse rollback {record.migration}",
            state="the old shape is in place and in use; nothing was switched",
        )
