"""What a report claims, part by part, held against what the journal says of the same run.

Most of a report can only grow: moments, proofs, a status that comes after another. So an older report is the beginning
of what the journal tells now, and everything in it can be checked. What was otherwise then, and cannot be read off the
journal any more (rows set aside, ranges copied), is told beside what it is now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ecluse.engine import evidence
from ecluse.engine.context import Connection
from ecluse.engine.journal import ARROWS, Proved, RunRecord
from ecluse.engine.no_way_back import no_way_back
from ecluse.engine.states import describe
from ecluse.model.plan import Plan
from ecluse.model.report import CHANGED, NO, UNKNOWN, YES, Check
from ecluse.postgres.connect import Database

Report = Mapping[str, Any]

# As they are when a report is made, and nowhere kept as they were: of these an older report may say something else.
_STANDING = ("quarantine", "parked", "rows", "copy")
_ALWAYS = ("format", "migration", "run", "asked", "plan", "structure", "started_at", "without_rehearsal")
_LASTS = ("stage", "command")  # kinds of moments that are recorded when they begin
_FIGURES = ("table", "direction", "left_rows", "right_rows", "left_sum", "right_sum", "pending", "equal")
_COUNTS = ("table", "rows_in", "carried", "merged", "quarantined")


def told(conn: Connection, database: Database, report: Report, record: RunRecord, plan: Plan) -> Iterator[Check]:
    """Whether it says of the run what the journal says. Another version may choose other words."""
    title = "what was asked, what happened and what stands are those of the journal"
    if report.get("made_by") != evidence.MADE_BY:
        yield Check(title, UNKNOWN, f"the report was made by {report.get('made_by')}, this is {evidence.MADE_BY}")
        return
    ours = _plain(evidence.of_run(conn, database, record, values=bool(report.get("shows_values"))))
    wrong = sorted({*_other_keys(report, ours), *_wrong(report, ours, record, plan)})
    details = f"not those of the journal: {', '.join(wrong)}" if wrong else ""
    yield Check(title, NO if wrong else YES, details)
    yield from _standing(report, ours)


def _plain(value: Any) -> Any:
    """As it is when it was written to a file and read again."""
    return json.loads(json.dumps(value))


def _other_keys(report: Report, ours: Report) -> Iterator[str]:
    """A page shows parts that no report of a run has: they are not its own."""
    yield from (str(key) for key in report if key not in ours and key != "sha256")
    yield from (key for key in ours if key not in report)


def _wrong(report: Report, ours: Report, record: RunRecord, plan: Plan) -> Iterator[str]:
    yield from (part for part in _ALWAYS if report.get(part) != ours[part])
    yield from _status(report, record, plan)
    yield from _archive(report, ours)
    moments = report["timeline"]
    if not _is_list(moments) or _tells_otherwise(moments, ours["timeline"]):
        yield "timeline"
        return
    if report.get("error") != evidence.last_error(moments):
        yield "error"
    if report.get("command") != evidence.last_command(moments):
        yield "command"


def _status(report: Report, record: RunRecord, plan: Plan) -> Iterator[str]:
    """A status that the run has, or had before: with its moments, its sentence, and what it cannot take back."""
    status, switched, ended = (report.get(key) for key in ("status", "switched_at", "ended_at"))
    if not isinstance(status, str) or record.status not in _after(status):
        yield "status"
        return
    if switched != (record.switched_at if status in ("switched", "finished", "rolled_back") else None):
        yield "switched_at"
    if ended != (record.ended_at if status in ("finished", "rolled_back") else None):
        yield "ended_at"
    restarts = report.get("restarts")
    if not isinstance(restarts, int) or restarts > record.restarts:
        yield "restarts"
    then = replace(record, status=status, stage=str(report.get("stage")), switched_at=switched, ended_at=ended)
    if report.get("state") not in [describe(then, record.migration, closed=closed) for closed in (False, True)]:
        yield "state"
    if report.get("no_way_back") != _plain(no_way_back(plan, then)):
        yield "no_way_back"


def _after(status: str) -> set[str]:
    """What a run may be later that has this status now."""
    found, wanted = {status}, [status]
    while wanted:
        new = ARROWS.get(wanted.pop(), frozenset()) - found
        found |= new
        wanted += new
    return found


def _archive(report: Report, ours: Report) -> Iterator[str]:
    """The files: where the same manifest is at hand. Another one is told beside the archive itself."""
    said, known = report.get("archive"), ours["archive"]
    if report.get("status") != "finished":
        known = None
    if said is None or known is None:
        if said != known:
            yield "archive"
    elif not isinstance(said, Mapping) or said.get("folder") != known["folder"]:
        yield "archive"
    elif said.get("manifest_sha256") in ("", known["manifest_sha256"]):
        empty = {**known, "manifest_sha256": "", "tables": []}
        if said not in (known, empty):
            yield "archive"


# --- moments ----------------------------------------------------------------------------------------


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _tells_otherwise(said: list[Report], known: list[Report]) -> bool:
    """Whether moments are not those of the journal, or some before the last of them are left out."""
    begun = [_begun(moment) for moment in known]
    ended = [moment for moment in said if moment.get("ended") is not None]
    if any(moment not in known for moment in ended) or any(_begun(moment) not in begun for moment in said):
        return True
    latest = max((_time(moment["ended"]) for moment in ended), default=None)
    there = [_begun(moment) for moment in said]
    return latest is not None and any(_recorded(m) < latest and _begun(m) not in there for m in known)


def _begun(moment: Report) -> tuple[Any, ...]:
    return tuple(moment.get(key) for key in ("kind", "name", "began"))


def _recorded(moment: Report) -> datetime:
    """When the journal had it."""
    return _time(moment["began"] if moment["kind"] in _LASTS or moment["ended"] is None else moment["ended"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- proofs -----------------------------------------------------------------------------------------


def proofs(report: Report, plan: Plan, known: tuple[Proved, ...]) -> Check:
    """Whether it has the proofs that were recorded when it was made, none left out, figure by figure."""
    title = "its proofs are those of the journal, figure by figure"
    said = report["proofs"]
    if not _is_list(said) or len(said) > len(known):
        return Check(title, NO, "there are others than in the journal")
    then = known[: len(said)]
    same = report.get("made_by") == evidence.MADE_BY
    values = bool(report.get("shows_values"))
    ours = _plain(list(evidence.proved(plan, then, values=values)))
    look = _whole if same else _figures
    wrong = [p["at"] for p, claim in zip(ours, said, strict=True) if look(p) != look(claim)]
    if len(said) < len(known) and _left_out(report, known[len(said)]):
        wrong.append(f"{known[len(said)].at}, which is left out")
    at, accounts = evidence.counted(plan, then)
    wanted, claimed = (at, _plain(accounts)), (report["accounts_at"], report["accounts"])
    if not same:
        wanted, claimed = _only(wanted[1], _COUNTS), _only(claimed[1], _COUNTS)
    if wanted != claimed:
        wrong.append("the account of the rows")
    if report.get("passed") is not (then[-1].result.passed if then else None):
        wrong.append("what they came to")
    return Check(title, NO if wrong else YES, f"not those of {', '.join(wrong)}" if wrong else f"{len(said)} recorded")


def _whole(proof: Report) -> Any:
    return dict(proof)


def _figures(proof: Report) -> Any:
    """What every version tells; comparisons that were told in full."""
    return proof.get("id"), proof.get("passed"), _only(proof.get("comparisons", []), _FIGURES)


def _only(found: Any, keys: tuple[str, ...]) -> Any:
    return [[each.get(key) for key in keys] for each in found] if _is_list(found) else None


def _left_out(report: Report, proof: Proved) -> bool:
    """Whether a proof that the report has not was there before the last moment that it tells of."""
    moments = report["timeline"] if _is_list(report["timeline"]) else []
    ended = [moment["ended"] for moment in moments if isinstance(moment.get("ended"), str)]
    try:
        return any(_time(proof.at) < _time(text) for text in ended)
    except (ValueError, TypeError):
        return True  # that it is no moment is told with the timeline


# --- what stands ------------------------------------------------------------------------------------


def _standing(report: Report, ours: Report) -> Iterator[Check]:
    """What the journal knows only as it is now: where it is otherwise, nobody can tell whether it was so."""
    title = "rows set aside, and what was copied, are as they are now"
    other = [part for part in _STANDING if report.get(part) != ours.get(part)]
    if other:
        told = f"otherwise now, and what it was then is not kept: {', '.join(other)}"
        yield Check(title, CHANGED, told)
    else:
        yield Check(title, YES)
