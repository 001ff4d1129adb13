"""Human text of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ecluse.cli.render import human

_KINDS = {"missing": "only in A", "extra": "only in B", "different": "different", "duplicate": "duplicate"}


def lines(value: dict[str, Any]) -> Iterator[str]:
    """Both sides, what differs, and the verdict."""
    rows: list[tuple[str, ...]] = [("", "database", "table", "rows", "checksum")]
    for side in ("a", "b"):
        one = value[side]
        rows.append((side.upper(), one["database"], one["table"], human.count(one["rows"]), one["sum"]))
    yield from human.table(rows, right=[3])
    key = ", ".join(value["key"]) or "none: rows are compared as a multiset"
    yield f"  {human.many(len(value['columns']), 'column')} compared; key: {key}"
    for one in value["types"]:
        yield f"  {one['column']} is {one['a']} in A and {one['b']} in B"
    for side in ("a", "b"):
        for column in value[f"only_in_{side}"]:
            yield f"  column {column} is in {side.upper()} only, and was not compared"
    for difference in value["differences"]:
        yield from _difference(difference)
    if value["more"]:
        yield f"  and {human.many(value['more'], 'more row')}"
    yield _verdict(value)


def _difference(found: dict[str, Any]) -> Iterator[str]:
    columns = f" in {', '.join(found['columns'])}" if found["columns"] else ""
    yield f"  {_KINDS[found['kind']]}: {found['key'] or 'a row'}{columns}"
    for column in {**found["left"], **found["right"]}:
        sides = [f"{found[side][column]!r}" if column in found[side] else "" for side in ("left", "right")]
        yield f"    {column}: {' | '.join(side for side in sides if side)}"


def _verdict(value: dict[str, Any]) -> str:
    took = f" ({human.duration(value['seconds'])})"
    if value["equal"]:
        return f"A and B are equal.{took}"
    different = len(value["differences"]) + value["more"]
    alone = [c for side in ("a", "b") for c in value[f"only_in_{side}"]]
    reasons = [human.many(different, "row")] if different else []
    reasons += [human.many(len(alone), "column")] if alone else []
    text = f"A and B are {click.style('NOT', fg='red', bold=True)} equal: {' and '.join(reasons)}.{took}"
    return text + (f"\nhint: --exclude {','.join(alone)}, if that is as it should be" if alone else "")
