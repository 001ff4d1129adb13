"""Human text of backups: what was taken, what there is, what goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human


def taken(value: dict[str, Any]) -> Iterator[str]:
    """After backup and verify."""
    for one in value["backups"]:
        if "error" in one:
            yield f"{human.heading(one['database'])}: {human.answer(False)} {one['error']['message']}"
            if one["error"]["state"]:
                yield f"  {one['error']['state']}"
            continue
        rows = f"{human.many(one['rows'], 'row')} of {human.many(one['tables'], 'table')}"
        large = f", {human.many(one['large_objects'], 'large object')}" if one["large_objects"] else ""
        size = human.size(one["octets"])
        yield f"{human.heading(one['database'])}: {rows}{large}, {size}, as of {_moment(one['at'])} UTC"
        yield f"  {one['folder']}"
        yield f"  {_verdict(one)}"
        if one["foreign_tables"]:
            yield f"  without the rows of foreign tables: {', '.join(one['foreign_tables'])}"


def _verdict(one: dict[str, Any]) -> str:
    checked = one["checked"]
    if checked is None:
        return "not verified: nobody has restored it yet"
    if not checked["passed"]:
        return f"{human.answer(False)} restored on {checked['on']}, and not what the snapshot was"
    took = human.duration(checked["seconds"])
    return f"verified: restored on {checked['on']} and compared, every row, in {took}"


def shelf(value: dict[str, Any]) -> Iterator[str]:
    """All that there are."""
    if not value["backups"]:
        yield f"There is no backup in {value['in']}."
    else:
        head = ("database", "backup", "taken (UTC)", "rows", "size", "verified", "migrations then")
        yield from human.table([head, *(_line(one) for one in value["backups"])], indent=0, right=[3, 4])
    yield from _left(value)


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    if "at" not in one:
        return (one["database"], one["name"], "", "", "", f"{human.answer(False)} damaged: {one['problem']}", "")
    migrations = ", ".join(f"{each['migration']} {each['status']}" for each in one["migrations"]) or "none"
    checked = one["checked"]
    word = "no" if checked is None else _moment(checked["at"]) if checked["passed"] else f"{human.answer(False)} failed"
    if one["problem"]:
        word = f"{human.answer(False)} damaged: {one['problem']}"
    return (
        one["database"],
        one["name"],
        _moment(one["at"]),
        human.count(one["rows"]),
        human.size(one["octets"]),
        word,
        migrations,
    )


def _left(value: dict[str, Any]) -> Iterator[str]:
    for folder in value["left"]:
        yield f"left by a backup that was killed, and no backup: {folder} (`ecluse backups prune` removes it)"


def pruned(value: dict[str, Any]) -> Iterator[str]:
    """What went, or would go."""
    word = "removed" if value["removed"] else "would be removed"
    if not value["backups"] and not value["left"]:
        yield "No backup is to be removed."
    for one in value["backups"]:
        yield f"{word}: {one['folder']} ({_moment(one['at'])}, {human.size(one['octets'])})"
    for folder in value["left"]:
        yield f"{word}: {folder} (left by a backup that was killed)"


def _moment(text: str) -> str:
    return text.replace("T", " ").rstrip("Z")[:16]
