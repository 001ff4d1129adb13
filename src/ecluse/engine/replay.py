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
from ecluse.engine import evidence, journal, remains, seals
from ecluse.engine.context import Connection
from ecluse.engine.journal import RunRecord
from ecluse.engine.runner import Engine
from ecluse.engine.verify import failures
from ecluse.model.report import CHANGED, NO, UNKNOWN, YES, Check, Comparison, Replay, Verification

_FIGURES = ("left_rows", "right_rows", "left_sum", "right_sum", "pending", "equal")

Report = Mapping[str, Any]


def replay(engine: Engine, report: Report) -> Replay:
    """Hold a report against itself, the journal and the tables; a proof that is made for it is recorded as any.

    Raises what `Engine.verify` raises.
    """
    migration = str(report["migration"])
    with engine.looking("verify", migration) as conn:
        record = next((run for run in journal.runs(conn, migration) if run.id == report["run"]), None)
        checks = [of_itself(report), *of_the_journal(conn, report, record)]
        last = journal.last_run(conn, migration)
        if record is None or last is None or checks[1].answer == NO:
            return Replay(record.status if record else "unknown", tuple(checks))
        if record.status not in ("ready", "switched"):
            checks += of_what_stands(partial(engine.session_for, "verify"), conn, report, record, last)
            return Replay(record.status, tuple(checks))
    return Replay(record.status, (*checks, *of_the_proof(report, engine.verify(migration))))


# --- the report against itself and against the journal ----------------------------------------------


def of_itself(report: Report) -> Check:
    """Whether it is what it was when it was made."""
    title = "the report is as it was made"
    if intact(report):
        return Check(title, YES, f"sha256 {report['sha256']}")
    return Check(title, NO, "its content does not have the sha256 that it bears: it was edited, or cut off")


def of_the_journal(conn: Connection, report: Report, record: RunRecord | None) -> Iterator[Check]:
    """Whether the journal knows the run, its plan, its proofs and its seals as the report has them."""
    title = f"the journal has run {report['run']} of '{report['migration']}', with this plan"
    if record is None or record.fingerprint != report["plan"]["fingerprint"]:
        yield Check(title, NO, "it is another database, another run, or the journal was dropped")
        return
    plan = sha256(journal.plan_text(conn, record.id).encode()).hexdigest()
    same = plan == report["plan"]["sha256"]
    yield Check(title, YES if same else NO, "" if same else "the plan in the journal has another sha256")
    yield _told(conn, report, record)
    yield from _proofs(conn, report, record)
    recorded, claimed = seals.recorded(conn, record.id), report.get("seals")
    if claimed:
        same = recorded == claimed
        yield Check("the seals of the new tables are those of the journal", YES if same else NO)


def _told(conn: Connection, report: Report, record: RunRecord) -> Check:
    """Whether what it tells in words is what the journal tells. Another version may choose others."""
    title = "what was asked, the catalogue and the timeline are those of the journal"
    if report.get("made_by") != evidence.MADE_BY:
        return Check(title, UNKNOWN, f"the report was made by {report.get('made_by')}, this is {evidence.MADE_BY}")
    ours = evidence.settled(journal.stored_plan(conn, record.id), journal.plan_text(conn, record.id))
    wrong = [part for part, said in ours.items() if report.get(part) != said]
    known = evidence.moments(conn, record.id, values=bool(report.get("shows_values")))
    if any(moment not in known for moment in report["timeline"] if moment["ended"]):
        wrong.append("timeline")
    return Check(title, NO if wrong else YES, f"not those of the journal: {', '.join(wrong)}" if wrong else "")


def _proofs(conn: Connection, report: Report, record: RunRecord) -> Iterator[Check]:
    known = {proof.id: proof for proof in journal.proofs(conn, record.id)}
    wrong = []
    for claimed in report["proofs"]:
        proof = known.get(claimed["id"])
        if proof is None or proof.result.passed != claimed["passed"]:
            wrong.append(claimed["at"])
        elif "comparisons" in claimed:
            ours = [evidence.comparison(c) for c in proof.result.comparisons]
            wrong += [claimed["at"]] if _figures(ours) != _figures(claimed["comparisons"]) else []
    accounts = [{k: a[k] for k in ("table", "rows_in", "carried", "merged", "quarantined")} for a in report["accounts"]]
    if accounts and not any(_accounts(proof.result) == accounts for proof in known.values()):
        wrong.append(f"the account of {report['accounts_at']}")
    number = len(report["proofs"])
    details = f"not those of {', '.join(wrong)}" if wrong else f"{number} recorded"
    yield Check("its proofs are those of the journal, figure by figure", NO if wrong else YES, details)


def _figures(found: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {(c["table"], c["direction"]): tuple(c[key] for key in _FIGURES) for c in found}


def _accounts(result: Verification) -> list[dict[str, Any]]:
    return [
        {
            "table": a.table,
            "rows_in": a.rows_in,
            "carried": a.carried,
            "merged": a.merged,
            "quarantined": a.quarantined,
        }
        for a in result.accounts
    ]


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
