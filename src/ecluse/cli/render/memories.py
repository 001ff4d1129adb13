"""Human text of memories that are imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human

COUNTS = ("rows", "imported", "there", "empty", "rejected")
_SHOWN = 20  # faults of one file; --json has all


def imported(value: dict[str, Any]) -> Iterator[str]:
    """The account of every file, what is wrong in it, and what all came to."""
    yield human.heading(value["database"])
    yield f"  into {value['table']}, for people of {value['people']}"
    if value["files"]:
        word = "imported" if value["confirmed"] else "to import"
        head = ("file", "rows", word, "there already", "empty", "rejected", "")
        rows = [(f["file"], *(human.count(f[c]) for c in COUNTS), _state(f)) for f in value["files"]]
        yield from human.table([head, *rows], right=range(1, 6))
    for file in value["files"]:
        yield from _faults(file)
        yield from _further(file)
    yield from _sum(value)


def _state(file: dict[str, Any]) -> str:
    if file["state"] == "rejected":
        return f"{human.answer(False)} {file['reason'] or 'it stays, for rows that are named below'}"
    if file["stays"]:
        return f"{human.answer(False)} {file['stays']}"
    state = "imported before" if file["state"] == "recorded" else ""
    return ", ".join(part for part in (state, file["renamed"] and f"now {file['renamed']}") if part)


def _faults(file: dict[str, Any]) -> Iterator[str]:
    if not file["faults"]:
        return
    where = f" (left in {file['aside']})" if file["aside"] else ""
    yield f"{human.heading(file['file'])}{where}"
    faults = file["faults"][:_SHOWN]
    yield from human.table([(f"conversations[{fault['index']}]", fault["kind"], fault["reason"]) for fault in faults])
    if len(file["faults"]) > _SHOWN:
        yield f"  and {human.many(len(file['faults']) - _SHOWN, 'more row')}; --json names all"


def _further(file: dict[str, Any]) -> Iterator[str]:
    if file["further"]:
        keys = ", ".join(f"{key} ({number:,})" for key, number in sorted(file["further"].items()))
        yield f"note: {file['file']} has keys without a column, which stay in the file: {keys}"


def _sum(value: dict[str, Any]) -> Iterator[str]:
    total, rejected = value["total"], value["files_rejected"]
    if not value["files"]:
        yield "There is no memory in this folder."
    else:
        word = "imported" if value["confirmed"] else "to import"
        many = f"{human.many(len(value['files']), 'file')}, {human.many(total['rows'], 'row')}"
        yield (
            f"{many}: {total['imported']:,} {word}, {total['there']:,} there already, {total['empty']:,} empty, "
            f"{total['rejected']:,} rejected."
        )
    if rejected:
        yield f"{human.many(rejected, 'file')} not imported: see above."
    if value["done"]:
        yield f"{human.many(value['done'], 'file')} of earlier imports lie beside them."
    if not value["confirmed"]:
        yield "Nothing was changed."
