"""Human text of an import of users, whichever way it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human


def imported(value: dict[str, Any]) -> Iterator[str]:
    """What becomes, or became, of everybody, and whether that adds up to the rows."""
    yield human.heading(f"users of {value['database']}")
    rows = [(human.count(g["users"]), g["outcome"], _what(g)) for g in value["groups"]]
    yield from human.table(rows, right=[0])
    parts = [f"{human.count(value[name])} {name}" for name in ("created", "matched", "quarantined", "failed")]
    shown = parts if value["failed"] else parts[:3]
    yield f"{human.many(value['rows'], 'row')}: {', '.join(shown)}."
    for check in value["checks"]:
        wrong = f": {human.many(check['wrong'], 'user')} not" if check["wrong"] else ""
        yield f"{human.answer(not check['wrong'])} {check['title']}{wrong}"
    yield from _changed(value)
    for note in value["notes"]:
        yield f"note: {note}"


def _what(group: dict[str, Any]) -> str:
    said = ", ".join(text for text in (group["password"], group["reason"]) if text)
    if group["outcome"] == "matched":
        said = "the account that has the e-mail address; it stays as it is"
    there = f" ({human.count(group['there'])} by an earlier run)" if group["outcome"] == "created" else ""
    return said + (there if group["there"] else "")


def _changed(value: dict[str, Any]) -> Iterator[str]:
    if value["dry_run"]:
        time = f", {human.about(value['to_create'] / value['rate'])}" if value.get("rate") else ""
        yield f"{human.many(value['to_create'], 'account')} to make{time}. Nothing was changed."
    else:
        made = human.many(value["to_create"], "account")
        yield f"{made} made, {human.many(value['mapped'], 'row')} written to {value['mapping']}."
    if value["outcomes"]:
        yield f"Each user is in {value['outcomes']}, which only you can read."
    if value["map"]:
        yield f"The map for remap_ids is {value['map']}: {human.many(value['map_lines'], 'line')}."
