"""What of a run cannot be taken back, and since when: read off the plan, whose steps each say what undoes them."""

from __future__ import annotations

from typing import Any

from ecluse.engine.explain import steps
from ecluse.engine.journal import RunRecord
from ecluse.model.plan import Plan

# When a step without a way back is done: the commands and records that a reader can find.
_AT_THE_SWITCH = ("switch", "after")


def no_way_back(plan: Plan, record: RunRecord) -> list[dict[str, Any]]:
    """Each thing in a sentence, with the command it comes with, and since when it is so: None as long as it is not."""
    found = [*_scripts(plan, record), *_labels(plan, record), *_kept_aside(plan, record)]
    ended = record.ended_at if record.status == "finished" else None
    found.append(_line("the old shape is archived and dropped: the run can be rolled back no more", "finish", ended))
    return found


def _scripts(plan: Plan, record: RunRecord) -> list[dict[str, Any]]:
    """Steps that have no undo: with one in the switch, or after it, the whole run stays."""
    found = []
    for step in steps(plan, record.id):
        if step.undo is not None or step.phase == "finish":
            continue
        late = step.phase in _AT_THE_SWITCH
        since = record.switched_at if late else record.started_at
        found.append(_line(f"{step.title}: the migration says no way back", "switch" if late else "apply", since))
    return found


def _labels(plan: Plan, record: RunRecord) -> list[dict[str, Any]]:
    return [
        _line(
            f"labels {', '.join(enum.added)} of enum {enum.name} stay where a row uses them: no rollback then",
            "apply",
            record.started_at,
        )
        for enum in plan.enums
        if enum.added
    ]


def _kept_aside(plan: Plan, record: RunRecord) -> list[dict[str, Any]]:
    """What the new application says and the old shape cannot: a rollback keeps it, but not in a table."""
    if not (plan.builds or plan.added):
        return []
    what = "what the new application writes and the old shape cannot hold comes back as parked rows only, at a rollback"
    return [_line(what, "switch", record.switched_at)]


def _line(what: str, by: str, since: str | None) -> dict[str, Any]:
    return {"what": what, "by": by, "since": since}
