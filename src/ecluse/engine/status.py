"""How the runs of a database stand, read from the journal while they go on; nothing here changes anything."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ecluse.engine import drain, journal, old_shape, quarantine
from ecluse.engine.context import Connection, Run
from ecluse.engine.journal import RunRecord
from ecluse.engine.moving.closing import half_closed
from ecluse.model.plan import Plan
from ecluse.model.report import Account
from ecluse.planning import flow_sql
from ecluse.planning.old_shape import told
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.failures import translate
from ecluse.postgres.locks import Blocker, run_lock_holders


@dataclass(frozen=True, slots=True)
class Proof:
    """The last recorded proof of a run."""

    at: str
    moment: str  # apply | verify | probes
    passed: bool


@dataclass(frozen=True, slots=True)
class OldShape:
    """The old shape that is kept beside the new one: where, since when, and how much each role has used it."""

    schema: str
    since: str
    uses: tuple[old_shape.Use, ...]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One run. `rows` are copied rows, `total` is what there will be, an estimate until all pages are read."""

    id: int
    migration: str
    fingerprint: str
    status: str
    stage: str
    restarts: int
    started_at: str
    updated_at: str
    rows: int = 0
    total: int | None = None
    total_is: str = "estimate"
    rate: float | None = None
    pending: int | None = None  # log entries that wait to be drained, None where there is no log
    quarantine: dict[str, dict[str, int]] = field(default_factory=dict)  # table -> reason -> rows
    parked: dict[str, dict[str, int]] = field(default_factory=dict)
    proof: Proof | None = None
    closed: tuple[str, ...] = ()  # tables that nobody can write to, because a switch or a rollback died half way
    old_shape: OldShape | None = None  # what the old application uses after the switch
    without_rehearsal: str = ""  # why a protected database was changed by a plan that nobody rehearsed
    archive: str = ""  # where `finish` wrote the old shape
    next: tuple[str, ...] = ()  # commands that fit this state

    @property
    def unfinished(self) -> bool:
        """Whether something is still to be done or undone."""
        return self.status in journal.UNFINISHED


@dataclass(frozen=True, slots=True)
class Status:
    """All runs of a database, the newest first, and who works on it now."""

    runs: tuple[RunStatus, ...]
    working: tuple[str, ...]  # the session that holds the lock of runs


def look(database: Database, before: Status | None = None, pause: float = 0.0) -> Status:
    """Look at a database, where wanted after a pause: with the look before it, the rate of a copy is known."""
    time.sleep(pause)
    with open_session(database, role="status") as conn:
        try:
            return read_status(conn, before, pause)
        except psycopg.Error as error:
            raise translate(error, "a look at the journal changes nothing") from None


def read_status(conn: Connection, before: Status | None = None, seconds: float = 0.0) -> Status:
    """Look at the runs. With an earlier look, and the seconds since, the rate of the copy is known too."""
    earlier = {run.id: run.rows for run in before.runs} if before else {}
    found = []
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for record in journal.runs(conn):
            rate = None
            one = _run(conn, record)
            if record.id in earlier and seconds > 0 and record.stage == "copy":
                rate = (one["rows"] - earlier[record.id]) / seconds
            found.append(RunStatus(**one, rate=rate))
        return Status(tuple(found), tuple(map(_worker, run_lock_holders(conn))))


def _worker(holder: Blocker) -> str:
    return str(holder)


def last_run(database: Database, migration: str) -> RunRecord | None:
    """The latest run of this migration, however it stands."""
    with open_session(database, role="status") as conn:
        return journal.last_run(conn, migration)


def old_shape_of(database: Database, migration: str) -> OldShape | None:
    """The old shape that this migration's unfinished run keeps beside the new one."""
    with open_session(database, role="status") as conn:
        record = journal.unfinished(conn, migration)
        return _old_shape(conn, record) if record else None


def unfinished_plan(database: Database, migration: str) -> tuple[int, Plan] | None:
    """The number and the plan of this migration's unfinished run."""
    with open_session(database, role="status") as conn:
        record = journal.unfinished(conn, migration)
        return (record.id, journal.stored_plan(conn, record.id)) if record else None


def proved_accounts(database: Database, run: int) -> tuple[Account, ...]:
    """The accounts of the last proof of this run that has any."""
    with open_session(database, role="status") as conn:
        return journal.last_accounts(conn, run)


def _run(conn: Connection, record: RunRecord) -> dict[str, Any]:
    aside = quarantine.summary(conn, record.id)
    rows, total, exact = _copied(conn, record)
    return {
        "id": record.id,
        "migration": record.migration,
        "fingerprint": record.fingerprint,
        "status": record.status,
        "stage": record.stage,
        "restarts": record.restarts,
        "started_at": record.started_at,
        "updated_at": record.updated_at,
        "rows": rows,
        "total": total,
        "total_is": "exact" if exact else "estimate",
        "pending": _pending(conn, record) if record.unfinished else None,
        "quarantine": aside["quarantine"],
        "parked": aside["parked"],
        "proof": _proof(conn, record.id),
        "closed": (closed := _closed(conn, record)),
        "old_shape": (kept := _old_shape(conn, record)),
        "without_rehearsal": journal.steps_done(conn, record.id).get(journal.NOT_REHEARSED, {}).get("reason", ""),
        "archive": record.note if record.status == "finished" else "",
        "next": next_commands(record, old_shape=kept is not None)
        or ((f"ecluse rollback {record.migration}",) if closed or _untidy(conn, record) else ()),
    }


def _untidy(conn: Connection, record: RunRecord) -> bool:
    """Whether a rollback died after its commit: what it leaves is tidied by the next one."""
    return record.status == "rolled_back" and "cleaned" not in journal.steps_done(conn, record.id)


def _old_shape(conn: Connection, record: RunRecord) -> OldShape | None:
    if record.status != "switched" or not old_shape.armed(conn, record.id):
        return None
    plan = journal.stored_plan(conn, record.id)
    return OldShape(plan.before_schema, record.switched_at or "", old_shape.uses(conn, record.id, plan))


def _closed(conn: Connection, record: RunRecord) -> tuple[str, ...]:
    if record.status not in ("ready", "rolled_back") or not half_closed(journal.steps_done(conn, record.id)):
        return ()
    moves = journal.stored_plan(conn, record.id).moves
    return tuple(f"{move.old.table.name} in '{move.origin}'" for move in moves)


def _copied(conn: Connection, record: RunRecord) -> tuple[int, int | None, bool]:
    row = conn.execute(
        "SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(hi - lo), 0)::bigint FROM ecluse.chunk WHERE run = %s",
        (record.id,),
    ).fetchone()
    assert row is not None
    rows, pages = int(row[0]), int(row[1])
    if record.stage not in ("prepare", "capture", "seed", "copy"):
        return rows, rows, True
    plan = journal.stored_plan(conn, record.id)
    anchors = [flow.old.anchor.alias for flow in plan.builds]
    row = conn.execute(
        "SELECT coalesce(sum(pages), 0)::bigint FROM ecluse.watch WHERE run = %s AND alias = ANY(%s)",
        (record.id, anchors),
    ).fetchone()
    whole = int(row[0]) if row else 0
    return rows, round(rows * whole / pages) if pages else None, bool(whole) and pages >= whole


def _pending(conn: Connection, record: RunRecord) -> int | None:
    plan = journal.stored_plan(conn, record.id)
    run = Run(record.id, plan, _no_session, lambda _: None)
    direction = drain.HOME if record.status == "switched" else drain.FORWARD
    # What waits in the origin of a move is not asked for: a look at the journal needs no other server.
    flows = plan.builds if direction.home else plan.flows
    logs = [flow_sql.log_name(run.id, f.member(alias)) for f in flows for alias in direction.captured(f)]
    logs += [told.table(run.id)] if drain.is_told(conn, run.id, direction) else []
    row = conn.execute("SELECT bool_and(to_regclass(l) IS NOT NULL) FROM unnest(%s::text[]) l", (logs,)).fetchone()
    return drain.entries(conn, logs) if row and row[0] else None


def _no_session(what: str, origin: str) -> Connection:
    raise AssertionError(what)


def _proof(conn: Connection, run: int) -> Proof | None:
    row = conn.execute(
        "SELECT at::text, moment, passed FROM ecluse.proof WHERE run = %s ORDER BY id DESC LIMIT 1", (run,)
    ).fetchone()
    return Proof(*row) if row else None


def next_commands(record: RunRecord, *, old_shape: bool = False) -> tuple[str, ...]:
    """What can be done with a run in this state; `old_shape` says whether it is kept beside the new one."""
    name = record.migration
    end = f"ecluse retire {name}" if old_shape else f"ecluse finish {name}"
    return {
        "building": (f"ecluse apply {name}", f"ecluse rollback {name}"),
        "ready": (f"ecluse switch {name}", f"ecluse verify {name}", f"ecluse rollback {name}"),
        "switched": (f"ecluse verify {name}", f"ecluse rollback {name}", end),
    }.get(record.status, ())
