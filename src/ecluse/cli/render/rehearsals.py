"""Human text of a rehearsal: what was done, what it took, what it would take, and what failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human, runs


def rehearsed(value: dict[str, Any]) -> Iterator[str]:
    """All of it, the verdict last."""
    yield f"{human.heading(value['migration'])}, rehearsed on {what(value)}"
    yield from _figures(value["steps"])
    yield from written(value["written"])
    yield from runs.account(value["accounts"])
    yield from parked(value, "  ")
    yield from _estimate(value)
    for note in value["notes"]:
        yield f"  {human.level('note')}: {note}"
    for failure in value["failures"]:
        yield from _failure(failure)
    if value["look"]:
        *look, remove = value["look"]
        yield "The server of the copies is kept:"
        yield from (f"  {command}" for command in look)
        yield f"  remove it: {remove}"
    yield f"record: {value['record']}"
    yield f"report: {value['report']}"
    verdict = "passed." if value["passed"] else "it FAILED."
    yield f"{human.heading(value['migration'])}, plan {value['fingerprint']}: {verdict}"


def what(value: dict[str, Any]) -> str:
    """What was rehearsed, in words."""
    names = ", ".join(f"'{one['name']}'" for one in value["copied"])
    sample = "all rows" if value["sample"] >= 100 else f"{value['sample']:g} % of the rows"
    where = f", beside '{value['on']}'" if value["on"] else ""
    writers = human.many(value["load"], "writer")
    return f"a copy of {names}: {human.many(value['rows'], 'row')} ({sample}){where}, under {writers}"


def _figures(steps: list[dict[str, Any]]) -> Iterator[str]:
    head = ("step", "time", "rows/s", "log", "disk", "longest lock", "worst stall", "usual", "")
    rows = [(*figures(step), human.answer(not step["failed"])) for step in steps]
    yield from human.table([head, *rows], right=range(1, 8))


def figures(step: dict[str, Any]) -> tuple[str, ...]:
    """A step, and what was measured of it; nothing where that was not measured."""
    return (
        step["step"],
        human.duration(step["seconds"]),
        human.count(step["rows_per_second"]) if step["rows_per_second"] else "",
        *("" if step[octets] is None else human.size(step[octets]) for octets in ("wal_bytes", "disk_bytes")),
        *(human.duration(step[t]) if step[t] else "" for t in ("longest_lock", "worst_stall", "median")),
    )


def written(all_: list[dict[str, Any]]) -> Iterator[str]:
    """What the load did."""
    for one in all_:
        refused = f", {human.many(one['refused'], 'statement')} refused by constraints" if one["refused"] else ""
        failed = f", {one['failed']:,} FAILED" if one["failed"] else ""
        yield f"  writes of the application, {one['shape']} shape: {one['committed']:,} committed{refused}{failed}"


def parked(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Rows of the new shape that the rollback could not carry home."""
    yield from runs.aside("parked by the rollback", value["parked"], indent)


def _estimate(value: dict[str, Any]) -> Iterator[str]:
    known = [step for step in value["steps"] if step["high"] is not None]
    if not known:
        return
    yield f"{human.heading('what it would take on the real database')}: {value['basis']}"
    rows = [(s["step"], f"{human.duration(s['low'])} to {human.duration(s['high'])}", s["basis"]) for s in known]
    yield from human.table(rows)


def _failure(failure: dict[str, Any]) -> Iterator[str]:
    code = f"  [{failure['code']}]" if failure["code"] else ""
    yield f"{human.answer(False)} {failure['step']}: {failure['message']}{code}"
    yield from human.indented(failure["details"])
    for row in failure["rows"]:
        yield f"  {row}"
