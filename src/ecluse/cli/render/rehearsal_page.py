"""The page of a rehearsal: the values that --json prints, in sections of its own, for `certificate.html`."""

from __future__ import annotations

from typing import Any

from ecluse.certificate.blocks import Block, answer, listed, section, table, text
from ecluse.cli.render import human, rehearsals


def page(value: dict[str, Any]) -> dict[str, Any]:
    """The report that `certificate.html` makes a page of: the same values, in sections of a rehearsal's own."""
    passed = value["passed"]
    words = "The rehearsal passed" if passed else "The rehearsal failed"
    return {
        "title": f"Rehearsal of '{value['migration']}'",
        "verdict": {"tone": "good" if passed else "bad", "words": words, "more": f"It was {rehearsals.what(value)}."},
        "facts": [
            ["Plan", value["fingerprint"]],
            ["Database", value["database"]],
            ["Rehearsed at", value["at"]],
            ["Rows copied", human.count(value["rows"])],
        ],
        "accounts": value["accounts"],
        "sections": [_page_failures(value), _page_steps(value), _page_estimate(value), _page_notes(value)],
        "made_by": "ecluse rehearse",
        "made_at": value["at"],
    }


def _page_failures(value: dict[str, Any]) -> dict[str, Any]:
    blocks: list[Block | None] = []
    for one in value["failures"]:
        blocks.append(text(f"{one['step']}: {one['message']}", "bad"))
        blocks.append(listed([*one["details"].splitlines(), *one["rows"]]))
    return section("failures", "What failed", blocks)


def _page_steps(value: dict[str, Any]) -> dict[str, Any]:
    head = ("Step", "Time", "Rows/s", "Log", "Disk", "Longest lock", "Worst stall", "Usual statement", "")
    rows = [(*rehearsals.figures(step), answer(not step["failed"], "done", "failed")) for step in value["steps"]]
    written = listed([line.strip() for line in rehearsals.written(value["written"])])
    return section("steps", "What was done", [table("Each step, as it was measured", head, rows, range(1, 8)), written])


def _page_estimate(value: dict[str, Any]) -> dict[str, Any]:
    rows = [
        (step["step"], human.duration(step["low"]), human.duration(step["high"]), step["basis"])
        for step in value["steps"]
        if step["high"] is not None
    ]
    shown = table("Expected of the real database", ("Step", "From", "To", "Why"), rows, (1, 2))
    return section("estimate", "What it would take", [shown], value["basis"])


def _page_notes(value: dict[str, Any]) -> dict[str, Any]:
    return section("notes", "To know", [listed([*value["notes"], *rehearsals.parked(value)])])
