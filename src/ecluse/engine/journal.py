"""The journal: runs, steps and their arrows, in the database they concern.

A record and its effect are written in the same transaction: every function here takes the connection of the work
that it records, and none of them commits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import psycopg
from pydantic import TypeAdapter

from ecluse.engine import timeline
from ecluse.errors import WrongState
from ecluse.model.plan import Plan
from ecluse.model.report import Account, Verification

Connection = psycopg.Connection[Any]

# What may follow what. A stage is the next thing to do while a run is being built.
STAGES = ("prepare", "capture", "seed", "copy", "repair", "index", "drain", "verify", "gate")
ARROWS: dict[str, frozenset[str]] = {
    "building": frozenset({"building", "ready", "rolled_back"}),
    "ready": frozenset({"building", "ready", "switched", "rolled_back"}),
    "switched": frozenset({"switched", "finished", "rolled_back"}),
    "finished": frozenset(),
    "rolled_back": frozenset(),
}
NOT_REHEARSED = "without rehearsal"  # the step that keeps the reason
UNFINISHED = ("building", "ready", "switched")

_plans: TypeAdapter[Plan] = TypeAdapter(Plan)
_verifications: TypeAdapter[Verification] = TypeAdapter(Verification)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as the journal holds it."""

    id: int
    migration: str
    fingerprint: str
    status: str
    stage: str
    restarts: int
    started_at: str
    updated_at: str
    note: str
    switched_at: str | None = None
    ended_at: str | None = None

    @property
    def unfinished(self) -> bool:
        """Whether something is still to be done or undone."""
        return self.status in UNFINISHED


_COLUMNS = (
    "id, migration, fingerprint, status, stage, restarts, started_at::text, updated_at::text, note, "
    "switched_at::text, ended_at::text"
)


@cache
def _ddl() -> bytes:
    return resources.files("ecluse.engine").joinpath("journal.sql").read_bytes()


def installed(conn: Connection) -> bool:
    """Whether this database has a journal."""
    row = conn.execute("SELECT to_regclass('ecluse.to_park') IS NOT NULL AND to_regclass('ecluse.proof') IS NOT NULL")
    found = row.fetchone()
    return bool(found and found[0])


def install(conn: Connection) -> None:
    """Create the journal where it is missing, and what a journal of an earlier version lacks."""
    if not (installed(conn) and timeline.installed(conn)):
        conn.execute(_ddl())


def open_run(conn: Connection, plan: Plan, without_rehearsal: str = "") -> RunRecord:
    """Record a new run of this plan, and why it was not rehearsed where it should have been.

    A run with moves takes its number from the clock: what it leaves in an origin bears that number, and the journal of
    another database, which moves tables from there as well, counts from one too.
    """
    if plan.moves:
        conn.execute(
            "SELECT setval(pg_get_serial_sequence('ecluse.run', 'id'), "
            "greatest(max(id), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)) FROM ecluse.run"
        )
    row = conn.execute(
        "INSERT INTO ecluse.run (migration, fingerprint, plan, status, stage) "
        f"VALUES (%s, %s, %s, 'building', 'prepare') RETURNING {_COLUMNS}",
        (plan.migration, plan.fingerprint, _plans.dump_json(plan).decode()),
    ).fetchone()
    assert row is not None
    record = RunRecord(*row)
    timeline.enter(conn, record.id, "prepare")
    if without_rehearsal:
        record_step(conn, record.id, NOT_REHEARSED, reason=without_rehearsal)
    return record


def runs(conn: Connection, migration: str | None = None) -> list[RunRecord]:
    """All runs, the newest first; of one migration where it is named."""
    if not installed(conn):
        return []
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM ecluse.run WHERE %s::text IS NULL OR migration = %s ORDER BY id DESC",
        (migration, migration),
    ).fetchall()
    return [RunRecord(*row) for row in rows]


def last_run(conn: Connection, migration: str) -> RunRecord | None:
    """The latest run of this migration, however it stands."""
    return next(iter(runs(conn, migration)), None)


def unfinished(conn: Connection, migration: str) -> RunRecord | None:
    """The run of this migration that is neither finished nor rolled back: only the latest can be."""
    last = last_run(conn, migration)
    return last if last is not None and last.unfinished else None


def stored_plan(conn: Connection, run: int) -> Plan:
    """The plan that a run began with."""
    return _plans.validate_json(plan_text(conn, run))


def plan_text(conn: Connection, run: int) -> str:
    """The same as the journal has it: jsonb, which every server prints alike, so that its hash is one."""
    row = conn.execute("SELECT plan::text FROM ecluse.run WHERE id = %s", (run,)).fetchone()
    if row is None:
        raise WrongState(f"the journal has no run {run}")
    return str(row[0])


def settled_status(conn: Connection, run: int) -> str:
    """The status of a run, once no transaction is about to change it: a commit whose answer was lost may still come."""
    row = conn.execute("SELECT status FROM ecluse.run WHERE id = %s FOR UPDATE", (run,)).fetchone()
    return row[0] if row else "unknown"


def advance(conn: Connection, run: int, *, status: str | None = None, stage: str | None = None, note: str = "") -> None:
    """Move a run along an arrow. Raises WrongState where there is none: another process has moved it."""
    now = settled_status(conn, run)
    target = status or now
    if target not in ARROWS.get(now, frozenset()):
        raise WrongState(f"run {run} is '{now}' and cannot become '{target}'")
    conn.execute(
        "UPDATE ecluse.run SET status = %s, stage = coalesce(%s, stage), note = %s, updated_at = clock_timestamp(), "
        "switched_at = CASE WHEN %s = 'switched' AND status <> 'switched' THEN clock_timestamp() ELSE switched_at END, "
        "ended_at = CASE WHEN %s IN ('finished', 'rolled_back') THEN clock_timestamp() END WHERE id = %s",
        (target, stage, note, target, target, run),
    )
    if stage:
        timeline.enter(conn, run, stage, last=target in ("finished", "rolled_back"))


def count_restart(conn: Connection, run: int, why: str) -> int:
    """Count one more restart of the copy, and return how many there were."""
    timeline.mark(conn, run, "restart", "copy", outcome=why)
    row = conn.execute(
        "UPDATE ecluse.run SET restarts = restarts + 1 WHERE id = %s RETURNING restarts", (run,)
    ).fetchone()
    return int(row[0]) if row else 0


def record_step(conn: Connection, run: int, name: str, seconds: float | None = None, **detail: object) -> None:
    """Record a step as done."""
    conn.execute(
        "INSERT INTO ecluse.step (run, name, seconds, detail) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (run, name) DO UPDATE SET at = clock_timestamp(), seconds = EXCLUDED.seconds, "
        "detail = EXCLUDED.detail",
        (run, name, seconds, json.dumps(detail)),
    )


def forget_step(conn: Connection, run: int, name: str) -> None:
    """Take back the record of a step that was undone."""
    conn.execute("DELETE FROM ecluse.step WHERE run = %s AND name = %s", (run, name))


def steps_done(conn: Connection, run: int) -> dict[str, dict[str, Any]]:
    """The recorded steps of a run, by name."""
    rows = conn.execute("SELECT name, detail FROM ecluse.step WHERE run = %s ORDER BY at", (run,)).fetchall()
    return dict(rows)


def record_proof(conn: Connection, run: int, moment: str, result: Verification) -> None:
    """Keep what a proof found."""
    conn.execute(
        "INSERT INTO ecluse.proof (run, moment, passed, result) VALUES (%s, %s, %s, %s)",
        (run, moment, result.passed, _verifications.dump_json(result).decode()),
    )


def last_proof(conn: Connection, run: int) -> Verification | None:
    """The latest recorded proof of a run."""
    row = conn.execute(
        "SELECT result::text FROM ecluse.proof WHERE run = %s ORDER BY id DESC LIMIT 1", (run,)
    ).fetchone()
    return _verifications.validate_json(row[0]) if row else None


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof as it is recorded."""

    id: int
    at: str
    moment: str
    result: Verification


def proofs(conn: Connection, run: int) -> tuple[Proved, ...]:
    """All recorded proofs of a run, in order."""
    rows = conn.execute(
        "SELECT id, at::text, moment, result::text FROM ecluse.proof WHERE run = %s ORDER BY id", (run,)
    ).fetchall()
    return tuple(Proved(id_, at, moment, _verifications.validate_json(text)) for id_, at, moment, text in rows)


def last_accounts(conn: Connection, run: int) -> tuple[Account, ...]:
    """The accounts of the latest proof of a run that holds any: the probes after a switch hold none."""
    rows = conn.execute("SELECT result::text FROM ecluse.proof WHERE run = %s ORDER BY id DESC", (run,))
    return next((found for (text,) in rows if (found := _verifications.validate_json(text).accounts)), ())


def forget_build(conn: Connection, run: int) -> None:
    """Forget chunks, watches, build steps and quarantine of a run whose copy starts again or is undone."""
    for table in ("chunk", "watch", "quarantine"):
        conn.execute(f"DELETE FROM ecluse.{table} WHERE run = %s", (run,))
    # What users' scripts did before the copy is not undone by a restart of it, and neither are enums and their labels.
    # What roles were given stays known, so that it can be taken back.
    kept = "name NOT LIKE 'before %%' AND name NOT LIKE 'enum %%' AND name NOT LIKE 'old shape%%'"
    kept += f" AND name <> '{NOT_REHEARSED}'"
    conn.execute(f"DELETE FROM ecluse.step WHERE run = %s AND {kept}", (run,))
