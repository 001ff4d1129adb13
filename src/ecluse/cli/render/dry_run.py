"""Human text of a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human, planned


def dry_run(value: dict[str, Any]) -> Iterator[str]:
    """What a run would do with the rows of each table; the verdict last."""
    yield f"{human.heading(value['migration'])} on {value['database']}: nothing is changed; counted at one snapshot"
    yield from _old_tables(value)
    yield from _new_tables(value)
    for title in value["before"]:
        yield f"  not counted: what '{title}' changes before the copy"
    yield from _values(value["census"])
    yield from planned.hazards(value["hazards"])
    yield ""
    yield _answer(value)


def brief(value: dict[str, Any]) -> Iterator[str]:
    """The rows that a run would leave behind or refuse, and the answer."""
    yield from _left_behind(value)
    yield from planned.grave(value["hazards"])
    yield _answer(value)


def _answer(value: dict[str, Any]) -> str:
    if value["refused"]:
        return "A run would be refused."
    return f"A run would go on to the gate. Plan {value['fingerprint']}."


def _old_tables(value: dict[str, Any]) -> Iterator[str]:
    parts = ("rows_in", "carried", "merged", "quarantined", "refused")
    rows = [(_placed(d), *(human.count(d[part]) for part in parts)) for d in value["dispositions"]]
    rows += [(table, human.count(number), "to the archive", "", "", "") for table, number in value["archived"].items()]
    if rows:
        yield ""
        head = ("old table", "rows in", "carried", "merged", "quarantined", "refused")
        yield from human.table([head, *rows], right=range(1, 6))
    yield from _left_behind(value)


def _left_behind(value: dict[str, Any]) -> Iterator[str]:
    for each in value["dispositions"]:
        for word, reasons in (("quarantined", each["reasons"]), ("refused", each["refusals"])):
            for reason, number in reasons.items():
                yield f"  {human.many(number, 'row')} of {each['table']} {word}: {reason}"
    for each in value["uncounted"]:
        yield f"  not counted: {each['table']} ({human.many(each['rows_in'], 'row')}): {each['why']}"
        for column, number in each["refusals"].items():
            yield f"    {human.many(number, 'value')} of {column} refused"
    for arrival in value["arrivals"]:
        for column, number in arrival["nulls"].items():
            where = f"{arrival['table']}.{column}"
            yield f"  {human.many(number, 'row')} would have NULL in {where}, which is NOT NULL: refused"


def _placed(disposition: dict[str, Any]) -> str:
    table, origin = disposition["table"], disposition["origin"]
    return f"{table} in '{origin}'" if origin else f"{table}"


def _new_tables(value: dict[str, Any]) -> Iterator[str]:
    if not value["arrivals"]:
        return
    yield ""
    rows = [(a["table"], human.count(a["rows"]), "join those there" if a["joins"] else "") for a in value["arrivals"]]
    yield from human.table([("new table", "rows", ""), *rows], right=[1])


def _values(census: list[dict[str, Any]]) -> Iterator[str]:
    if not census:
        return
    yield ""
    rows = [
        (
            f"{count['table']}.{count['column']}",
            f"{count['invalid']:,} of {count['rows']:,} do not fit" if count["invalid"] else "",
            count["policy"] if count["invalid"] else "",
            f"{count['collisions']:,} collide" if count["collisions"] else "",
            f"like {', '.join(count['samples'])}" if count["samples"] else "",
        )
        for count in census
    ]
    yield from human.table([("values", "", "", "", ""), *rows])
