"""Human text of who is who."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human

_TITLES = {"legacy": "legacy", "profile": "profile", "auth": "auth", "email": "e-mail"}  # by model.identity.Kind


def audit(value: dict[str, Any]) -> Iterator[str]:
    """Sources, columns with their numbers, and what is wrong."""
    yield human.heading("people")
    rows: list[tuple[str, ...]] = [("source", "rows", "ids")]
    for source in value["sources"]:
        ids = ", ".join(f"{_TITLES[kind]} {column}" for kind, column in source["ids"].items())
        people = "no answer" if source["people"] is None else human.count(source["people"])
        rows.append((source["source"], people, ids))
    yield from human.table(rows, right=[1])
    yield from _columns(value["columns"])
    for finding in value["findings"]:
        yield ""
        yield from _finding(finding)
    yield ""
    number = len(value["findings"])
    yield "Nothing is wrong." if value["clean"] else f"{human.many(number, 'finding')}: see above."


def _columns(columns: list[dict[str, Any]]) -> Iterator[str]:
    if not columns:
        yield "No column holds ids of people."
        return
    yield human.heading("columns that hold ids of people, in distinct values")
    head = (
        "column",
        "found by",
        "should hold",
        "values",
        *_TITLES.values(),
        "deleted",
        "ambiguous",
        "absent",
        "unknown",
    )
    rows: list[tuple[str, ...]] = [head]
    for one in columns:
        numbers = [one["values"], *one["resolved"].values()]
        numbers += [one["deleted"], one["ambiguous"], one["absent"], one["unreachable"]]
        holds = _TITLES[one["holds"]] if one["holds"] else "?"
        rows.append((one["column"], one["known_by"], holds, *map(human.count, numbers)))
    yield from human.table(rows, right=range(3, len(head)))
    if not all(one["judged"] for one in columns):
        yield "  What is found by values only is not judged; declare it under [[identity.column]] to have it judged."


def _finding(found: dict[str, Any]) -> Iterator[str]:
    rows = f" ({human.many(found['rows'], 'row')})" if found["rows"] is not None else ""
    number = f"{human.many(found['values'], 'value')}{rows} " if found["values"] else ""
    yield f"{human.answer(False)} {human.heading(found['fault'])}  {found['where']}"
    yield f"   {number}{found['message']}"
    for cause in found["causes"]:
        yield f"   likely: {cause}"
    if found["samples"]:
        yield f"   for example: {', '.join(found['samples'])}"


def mapped(value: dict[str, Any]) -> Iterator[str]:
    """What an id map holds, and what it does not."""
    yield f"{human.many(value['mapped'], 'value')} mapped in {value['file']}; {value['same']:,} are right already."
    if value["refused"]:
        yield human.heading(f"{human.many(len(value['refused']), 'value')} not mapped, for want of evidence")
        yield from human.table([(one["value"], one["reason"]) for one in value["refused"]])
