"""The replay of a report: whether it says what it said, whether the journal says the same, and the proof once more.

What can be proved depends on where the run stands. As long as old and new tables stand side by side, all of it can.
Rows that the applications wrote since are no fault of the report: they are told as a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

from ecluse.certificate.content import intact
from ecluse.engine import claims, journal, remains, seals
from ecluse.engine.context import Connection
from ecluse.engine.journal import RunRecord
from ecluse.engine.runner import Engine
from ecluse.engine.verify import failures
from ecluse.model.report import CHANGED, NO, UNKNOWN, YES, Check, Comparison, Replay, Verification
from ecluse.postgres.connect import Database

Report = Mapping[str, Any]


def replay(engine: Engine, report: Report) -> Replay:
    """Hold a report against itself, the journal and the tables; a proof that is made for it is recorded as any.

    Raises what `Engine.verify` raises.
    """
    migration = str(report["migration"])
    with engine.looking("verify", migration) as conn:
        record = next((run for run in journal.runs(conn, migration) if run.id == report["run"]), None)
        checks = [of_itself(report), *of_the_journal(conn, engine.database, report, record)]
        last = journal.last_run(conn, migration)
        if record is None or last is None or checks[1].answer == NO:
            return Replay(record.status if record else "unknown", tuple(checks))
        # What is forged is not held against the tables as well.
        sound = report if all(check.answer != NO for check in checks) else {"proofs": [], "accounts": []}
        if record.status not in ("ready", "switched"):
            checks += of_what_stands(partial(engine.session_for, "verify"), conn, sound, record, last)
            return Replay(record.status, tuple(checks))
    return Replay(record.status, (*checks, *of_the_proof(sound, engine.verify(migration))))


# --- the report against itself and against the journal ----------------------------------------------


def of_itself(report: Report) -> Check:
    """Whether it is what it was when it was made."""
    title = "the report is as it was made"
    if intact(report):
        return Check(title, YES, f"sha256 {report['sha256']}")
    return Check(title, NO, "its content does not have the sha256 that it bears: it was edited, or cut off")


def of_the_journal(conn: Connection, database: Database, report: Report, record: RunRecord | None) -> Iterator[Check]:
    """Whether the journal knows the run, and says of it what the report says."""
    title = f"the journal has run {report['run']} of '{report['migration']}', with this plan"
    if record is None or record.fingerprint != report["plan"].get("fingerprint"):
        yield Check(title, NO, "it is another database, another run, or the journal was dropped")
        return
    text = journal.plan_text(conn, record.id)
    same = sha256(text.encode()).hexdigest() == report["plan"].get("sha256")
    yield Check(title, YES if same else NO, "" if same else "the plan in the journal has another sha256")
    plan = journal.stored_plan(conn, record.id)
    yield from claims.told(conn, database, report, record, plan)
    yield claims.proofs(report, plan, journal.proofs(conn, record.id))
    recorded, claimed = seals.recorded(conn, record.id), report.get("seals")
    if claimed or (recorded and report.get("status") == "finished"):
        same = recorded == claimed
        yield Check("the seals of the new tables are those of the journal", YES if same else NO)


# --- the proof again --------------------------------------------------------------------------------


def of_the_proof(report: Report, now: Verification) -> Iterator[Check]:
    """The usual proof as it is now, and beside it what the report has for each table."""
    yield Check("the proof holds now", YES if now.passed else NO, failures(now))
    full = [proof for proof in report["proofs"] if proof.get("comparisons")]
    then = {(c["table"], c["direction"]): c for c in full[-1]["comparisons"]} if full else {}
    for found in now.comparisons:
        was = then.get((found.table, found.direction))
        if was is not None:
            yield _since(found, was)


def _since(found: Comparison, was: Mapping[str, Any]) -> Check:
    title = f"{found.table}, {found.direction}: the rows that were proved"
    waiting = f"; left out, since they were just written: {found.pending:,} units" if found.pending else ""
    if (found.left_sum, found.right_sum) == (was["left_sum"], was["right_sum"]):
        return Check(title, YES, f"{found.right_rows:,} rows with the same checksum{waiting}")
    told = f"changed since: {found.right_rows:,} rows now, {was['right_rows']:,} then{waiting}"
    return Check(title, CHANGED if found.equal else NO, told)


def of_what_stands(
    connect: Callable[[], Connection], conn: Connection, report: Report, record: RunRecord, last: RunRecord
) -> Iterator[Check]:
    """What can be told of a run that is not unfinished any more."""
    title = "old and new, compared again"
    if record.status == "building":
        yield Check(title, UNKNOWN, f"the new shape is not complete: the run stands at '{record.stage}'")
    elif last.id != record.id:
        told = f"run {last.id} of the same migration came since, and is '{last.status}': the tables are its business"
        yield Check(title, UNKNOWN, told)
    elif record.status == "rolled_back":
        yield Check(title, UNKNOWN, "the run is rolled back: the new tables are gone")
        yield from remains.after_rollback(conn, report, record)
    else:
        yield Check(title, UNKNOWN, "the run is finished: the old tables are gone, but for their archive")
        yield from remains.after_finish(connect, conn, report, record)
