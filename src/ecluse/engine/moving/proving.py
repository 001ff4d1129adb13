"""The proof of what moved: each server sums its own rows at a snapshot of its own, and only the sums meet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace

from ecluse.engine import shape
from ecluse.engine.context import Connection, Run
from ecluse.errors import AnotherRun, DatabaseChanged
from ecluse.model.flow import Member, Side
from ecluse.model.names import literal
from ecluse.model.plan import Move
from ecluse.model.report import Account, Comparison, Event, Probe, Verification
from ecluse.planning import closing_sql, flow_sql
from ecluse.planning.flow_sql import Places
from ecluse.postgres.catalog import read_catalog
from ecluse.proof.joint import prove
from ecluse.proof.pairs import Scope, not_pending
from ecluse.proof.readers import Readers, readers

Alone = Callable[[], AbstractContextManager[object]]


def verify_moves(run: Run, alone: Alone, *, switched: bool) -> Verification:
    """Forward and inverse equality and the accounts of all moves, while applications write.

    Takes ACCESS SHARE locks only. `alone` keeps other runs away while the two snapshots are taken: what a drain brings
    over between them would look like a difference. Where it raises AnotherRun, a probe that did not run says so.
    """
    comparisons: list[Comparison] = []
    accounts: list[Account] = []
    probes: list[Probe] = []
    for move in run.plan.moves:
        with ExitStack() as stack:
            try:
                with alone():
                    there = stack.enter_context(_readers(run, move.origin))
                    here = stack.enter_context(_readers(run, ""))
            except AnotherRun:
                title = f"{move.new.table.name} against '{move.origin}'"
                probes.append(Probe(title, passed=False, ran=False, details="another run works; verify again after it"))
                continue
            found, account = _one(run, move, there, here, switched)
            comparisons += found
            accounts.append(account)
    return Verification(tuple(comparisons), tuple(accounts), tuple(probes))


def _readers(run: Run, origin: str) -> AbstractContextManager[Readers]:
    return readers(lambda: run.connect("verify", origin), run.options.workers, stop=run.stop.soft)


def _one(run: Run, move: Move, there: Readers, here: Readers, switched: bool) -> tuple[tuple[Comparison, ...], Account]:
    at = run.switched if switched else run.building
    scope = _scope(run, move, there, here, at, switched)
    found = prove(
        (move.flow,),
        {move.flow.name: scope},
        there,
        here,
        show_values=run.options.show_values,
        progress=lambda done, total: run.emit(Event("progress", "verify", done=done, total=total)),
    )
    old = move.old
    free = not_pending(move.flow.old, old, scope)
    rows_in = there.run([f"SELECT count(*) FROM {at.sql(old.alias)} m WHERE true{free}"])[0][0][0]
    carried = next(c.right_rows for c in found if c.direction == "inverse")
    return found, Account(str(old.table.name), int(rows_in), carried, 0, 0, {})


def _scope(run: Run, move: Move, there: Readers, here: Readers, at: Places, switched: bool) -> Scope:
    side, member, log = (move.flow.new, move.new, here) if switched else (move.flow.old, move.old, there)
    pages = {
        move.old.alias: _pages(there, at.sql(move.old.alias)),
        move.new.alias: _pages(here, at.sql(move.new.alias)),
    }
    return Scope(at, _pending(run, side, member, log, at), pages, run.options.workers, switched)


def _pending(run: Run, side: Side, member: Member, log: Readers, at: Places) -> tuple[str, ...]:
    query = flow_sql.units_of_log(run.id, side, member, at, taken=False)
    return tuple(sorted({row[0] for row in log.first.execute(query.encode()) if row[0] is not None}))


def _pages(where: Readers, name: str) -> int:
    row = where.first.execute(
        f"SELECT pg_relation_size({literal(name)}) / current_setting('block_size')::bigint".encode()
    ).fetchone()
    return int(row[0]) if row else 0


def check_origins(run: Run) -> None:
    """Raise DatabaseChanged, naming each change, where an old table is not that of the plan."""
    found: list[str] = []
    for move in run.plan.moves:
        with run.session("look", move.origin) as there:
            found += _changes(run, there, move)
    _refuse_changed(run, found)


def check_origin(run: Run, there: Connection, move: Move) -> None:
    """The same for one old table, in a session that may hold it locked."""
    _refuse_changed(run, _changes(run, there, move))


def _changes(run: Run, there: Connection, move: Move) -> list[str]:
    now, table = read_catalog(there, measure=False), move.old.table
    stands = now.tables.get(table.name)
    if stands is not None and any(t.name == closing_sql.TRIGGER for t in stands.triggers):
        table = replace(table, triggers=tuple(replace(t, enabled="D") for t in table.triggers))
    changes = (*shape.altered(run.plan, (table,), now), *shape.standing((table,), move.dependents, now))
    return [f"in '{move.origin}': {change}" for change in changes]


def _refuse_changed(run: Run, found: list[str]) -> None:
    if found:
        raise DatabaseChanged(
            f"{len(found)} definitions that '{run.plan.migration}' was planned for have changed since",
            details="\n".join(found),
            hint=f"ecluse rollback {run.plan.migration}, then plan and apply again; or undo the change",
            state="the old tables are in place and in use; nothing was switched",
        )
