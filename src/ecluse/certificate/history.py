"""The section of what happened when: stages, locks, waits, and the processes that were at work. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ecluse.certificate.blocks import Block, Cell, bar, section, table, text
from ecluse.certificate.words import count, duration, moment
from ecluse.words import many

_STAGES = {
    "prepare": "Prepare: new tables, empty, beside the old ones",
    "capture": "Capture: triggers log what is written from now on",
    "seed": "Seed: index the units, decide what becomes of each row",
    "copy": "Copy",
    "repair": "Repair: take out what was written meanwhile",
    "index": "Index: indexes, constraints, rights",
    "drain": "Drain: bring up to date and prove what changed",
    "verify": "Verify: compare old and new, both ways",
    "gate": "At the gate, ready to be switched",
    "switched": "In use, the old shape kept",
    "finished": "Finished",
    "rolled_back": "Rolled back",
    "undo": "The new shape is dropped",
}
_WAITING = ("gate", "switched")
_LOCKS = {"capture": "start of capture"}

Moment = Mapping[str, Any]


def history(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The section; None where the report has no timeline."""
    if "timeline" not in report:
        return None
    moments: list[Moment] = report["timeline"]
    by: dict[str, list[Moment]] = {}
    for each in moments:
        by.setdefault(each["kind"], []).append(each)
    if not moments:
        none = "The run is of an earlier version, which kept no timeline."
        return section("timeline", "What happened when", [text(none, "note"), _copied(report)])
    return section(
        "timeline",
        "What happened when",
        [
            _summary(report, by),
            _stages(_named(by.get("stage", []))),
            _copied(report),
            _locks(by),
            _commands(by.get("command", [])),
        ],
        "From the journal, so the same whoever carried a stage on. A stage that a process died in lasts until the next "
        "one has done it.",
    )


def _summary(report: Mapping[str, Any], by: Mapping[str, list[Moment]]) -> Block:
    held = max((m["seconds"] for m in by.get("attempt", []) if m["outcome"] == "done"), default=None)
    stall = max((m["seconds"] for m in by.get("stall", [])), default=None)
    killed = sum(m["ended"] is None for m in by.get("command", [])[:-1])
    parts = [
        f"Locks on the application's tables were held for {duration(held)}." if held is not None else "",
        f"The longest wait of another session for one of ours: {duration(stall)}." if stall is not None else "",
        f"The copy was started again {many(int(report.get('restarts') or 0), 'time')}."
        if report.get("restarts")
        else "",
        f"{killed} process{'es' * (killed > 1)} ended without a word, and another went on." if killed else "",
    ]
    return text(" ".join(part for part in parts if part) or "No lock had to be waited for.")


def _named(stages: Sequence[Moment]) -> Sequence[Moment]:
    """A build that is taken back passes through `prepare` on its way: that is no preparation."""
    found = [dict(stage) for stage in stages]
    for one, following in pairwise(found):
        if one["name"] == "prepare" and following["name"] == "rolled_back":
            one["name"] = "undo"
    return found


def _stages(stages: Sequence[Moment]) -> Block | None:
    longest = max((s["seconds"] or 0.0 for s in stages if s["name"] not in _WAITING), default=0.0)
    rows = [(_STAGES.get(s["name"], s["name"]), moment(s["began"]), _lasted(s, longest)) for s in stages]
    return table("Stages", ("Stage", "began", "took"), rows)


def _lasted(stage: Moment, longest: float) -> Cell:
    if stage["name"] in ("finished", "rolled_back"):
        return "–"
    if stage["ended"] is None:
        return "lasts"
    if stage["name"] in _WAITING or not longest:
        return duration(stage["seconds"])
    return bar(stage["seconds"] / longest, duration(stage["seconds"]))


def _copied(report: Mapping[str, Any]) -> Block | None:
    rows = [
        (c["flow"], int(c["rows"]), int(c["ranges"]), duration(c["seconds"]), _rate(c)) for c in report.get("copy", ())
    ]
    titles = ("Flow", "rows", "ranges", "work", "rows a second")
    return table("The copy: work of all sessions, added up", titles, rows, (1, 2, 3, 4))


def _rate(copied: Mapping[str, Any]) -> str:
    return count(copied["rows"] / copied["seconds"]) if copied["seconds"] else "–"


def _locks(by: Mapping[str, list[Moment]]) -> Block | None:
    rows: list[tuple[str, str, Cell, str]] = []
    for m in by.get("attempt", []):
        rows.append((m["began"], f"{m['name']}: under lock", duration(m["seconds"]), m["outcome"]))
    for m in by.get("wait", []):
        name = _LOCKS.get(m["name"], m["name"])
        rows.append((m["began"], f"{name}: waited for a lock", duration(m["seconds"]), m["outcome"]))
    for m in by.get("stall", []):
        waits = int(m["detail"].get("waits", 0))
        told = f"{many(waits, 'wait')} of others, the longest" if waits else "nobody was seen to wait"
        rows.append((m["began"], f"{m['name']}: {told}", duration(m["seconds"]), m["outcome"] or "–"))
    for m in by.get("restart", []):
        rows.append((m["began"], "the copy starts again", "–", m["outcome"]))
    for m in by.get("recycled", []):
        rows.append((m["began"], "clients were made to reconnect", "–", m["outcome"]))
    rows.sort(key=lambda row: row[0])
    shown = [(moment(began), *rest) for began, *rest in rows]
    return table("Locks, waits and restarts", ("When", "What", "seconds", "came to"), shown, (2,))


def _commands(commands: Iterable[Moment]) -> Block | None:
    rows = [(f"ecluse {c['name']}", moment(c["began"]), duration(c["seconds"]), _came_to(c)) for c in commands]
    return table("Commands that worked on it", ("Command", "began", "took", "came to"), rows, (2,))


def _came_to(command: Moment) -> Cell:
    if command["ended"] is None:
        return {"text": "its process ended without a word, or is still at work", "tone": "note"}
    if command["outcome"] != "failed":
        return {"text": command["outcome"], "tone": "good"}
    said = command["detail"]
    return {"text": f"failed: {said.get('message', '')} [{said.get('code', '')}]", "tone": "bad"}
