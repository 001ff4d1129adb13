"""Human text of backups: what was taken, what there is, what goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human
from ecluse.model.names import ident


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


def restored(value: dict[str, Any]) -> Iterator[str]:
    """After restore."""
    yield f"{human.heading(str(value['backup']))}, as of {_moment(value['at'])} UTC: every file is what it was"
    if not value["verified"]:
        yield "  it was never verified by a restore"
    if value["dry_run"]:
        yield from lost(value["lost"], value["at"]) if "lost" in value else ("it can be restored there",)
        yield "nothing was changed"
        return
    for table in value.get("tables", ()):
        yield f"  {table['table']} is in {table['at']}: {human.many(table['rows'], 'row')}, compared"
    if done := value["restored"]:
        if done["roles"]:
            yield f"  roles made, without a login: {', '.join(done['roles'])}"
        yield f"  restored as database '{done['database']}' on the server of {value['database']}; every row compared"
    if done and done["before"]:
        yield f"  the database as it was before is kept as '{done['before']}'; when it is not needed any more:"
        yield f"    DROP DATABASE {ident(done['before'])};"


def lost(value: dict[str, Any], at: str) -> Iterator[str]:
    """What a restore in place would take back."""
    if not value["changes"] and not value["steps"]:
        yield f"nothing would be lost: {human.many(value['tables'], 'table')} as they were at {_moment(at)} UTC"
        return
    yield f"what happened since {_moment(at)} UTC, and would be lost:"
    rows = [(each["table"], *_counts(each)) for each in value["changes"]]
    yield from human.table([("table", "rows then", "rows now", ""), *rows] if rows else [], right=[1, 2])
    for step in value["steps"]:
        was = f"was {step['then']}, is {step['now']}" if step["then"] else f"began since, is {step['now']}"
        yield f"  migration {step['migration']}, run {step['run']}: {was}"


def _counts(change: dict[str, Any]) -> tuple[str, str, str]:
    then, now = change["then"], change["now"]
    if then is None:
        return "", human.count(now), "was not there"
    if now is None:
        return human.count(then), "", "is gone"
    return human.count(then), human.count(now), "its rows changed" if then == now else ""
