"""Human text of a rehearsal: what was done, what it took, what it would take, and what failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human


def rehearsed(value: dict[str, Any]) -> Iterator[str]:
    """All of it, the verdict last."""
    yield f"{human.heading(value['migration'])}, rehearsed on {what(value)}"
    yield from _figures(value["steps"])
    yield from written(value["written"])
    yield from _account(value)
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
    rows = [
        (
            step["step"],
            human.duration(step["seconds"]),
            human.count(step["rows_per_second"]) if step["rows_per_second"] else "",
            size(step["wal_bytes"]),
            size(step["disk_bytes"]),
            moment(step["longest_lock"]),
            moment(step["worst_stall"]),
            moment(step["median"]),
            human.answer(False) if step["failed"] else human.answer(True),
        )
        for step in steps
    ]
    yield from human.table([head, *rows], right=range(1, 8))


def size(octets: int | None) -> str:
    """A size, or nothing."""
    return "" if octets is None else human.size(octets)


def moment(seconds: float | None) -> str:
    """A time, or nothing."""
    return human.duration(seconds) if seconds else ""


def written(all_: list[dict[str, Any]]) -> Iterator[str]:
    """What the load did."""
    for one in all_:
        refused = f", {human.many(one['refused'], 'statement')} refused by constraints" if one["refused"] else ""
        failed = f", {one['failed']:,} FAILED" if one["failed"] else ""
        yield f"  writes of the application, {one['shape']} shape: {one['committed']:,} committed{refused}{failed}"


def _account(value: dict[str, Any]) -> Iterator[str]:
    if value["accounts"]:
        yield human.heading("account")
        head = ("old table", "rows in", "carried", "merged", "quarantined", "")
        names = ("rows_in", "carried", "merged", "quarantined")
        rows = [
            (one["table"], *(human.count(one[name]) for name in names), human.answer(one["balanced"]))
            for one in value["accounts"]
        ]
        yield from human.table([head, *rows], right=[1, 2, 3, 4])
        for one in value["accounts"]:
            for reason, number in one["reasons"].items():
                yield f"  {human.many(number, 'row')} of {one['table']} in quarantine: {reason}"
    for table, reasons in value["parked"].items():
        for reason, number in reasons.items():
            yield f"  {human.many(number, 'row')} of {table} parked by the rollback: {reason}"


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
