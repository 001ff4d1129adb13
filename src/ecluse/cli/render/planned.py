"""Human text of plans and of their SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human
from ecluse.cli.words import PHASES

_SIGNS = {"expand": "+", "copy": "~", "index": "+", "drain": "~", "verify": "?", "switch": "~", "after": "~"}
_SIGNS["finish"] = "-"


def plan(value: dict[str, Any]) -> Iterator[str]:
    """A plan, in the order in which it would be carried out; counts last."""
    size = human.size(value["octets"])
    yield f"{human.heading(value['migration'])} on {value['database']}: {value['server']}, {size} to move"
    if value["description"]:
        yield from human.indented(value["description"])
    for phase in dict.fromkeys(step["phase"] for step in value["steps"]):
        yield ""
        yield f"  {human.heading(PHASES[phase])}"
        rows = [_step(step) for step in value["steps"] if step["phase"] == phase]
        yield from human.table(rows, indent=4)
    yield from _census(value)
    yield from hazards(value["hazards"])
    yield ""
    yield _counts(value)
    if value["saved"]:
        yield f"Saved as {value['saved']} ({value['fingerprint']})."


def brief(value: dict[str, Any]) -> Iterator[str]:
    """Why a plan is refused, what it warns of, and the counts."""
    yield from grave(value["hazards"])
    yield _counts(value)


def grave(found: list[dict[str, Any]]) -> Iterator[str]:
    """The findings that are more than notes."""
    for hazard in found:
        if hazard["level"] != "note":
            yield from _hazard(hazard)


def _step(step: dict[str, Any]) -> tuple[str, ...]:
    mode = step["lock"].partition(" on ")[0]
    rows = f"about {human.count(step['rows'])} rows" if step["rows"] else ""
    back = "" if step["way_back"] else "NO WAY BACK"
    lock = "" if mode in ("none", "") else f"lock: {mode}"
    return (f"{_SIGNS[step['phase']]} {step['title']}", rows, human.about(step["seconds"]), lock, back)


def _census(value: dict[str, Any]) -> Iterator[str]:
    if not value["census"]:
        return
    yield ""
    yield f"  {human.heading('values')}"
    rows = []
    for count in value["census"]:
        policy = f" ({count['policy']})" if count["invalid"] else ""
        rows.append(
            (
                f"{count['table']}.{count['column']}",
                human.count(count["rows"]),
                f"{count['invalid']:,} do not fit{policy}",
                f"{count['unusual']:,} written differently",
                f"{count['mapped']:,} remapped",
                f"{count['collisions']:,} collide",
            )
        )
    yield from human.table([("column", "rows", "", "", "", ""), *rows], indent=4, right=[1])


def hazards(found: list[dict[str, Any]]) -> Iterator[str]:
    """What a plan found, what is refused first, each with what may be pasted."""
    if not found:
        return
    yield ""
    for hazard in found:
        yield from _hazard(hazard)


def _hazard(hazard: dict[str, Any]) -> Iterator[str]:
    about = "" if hazard["object"] in hazard["message"] else f"{hazard['object']}: "
    yield f"  {human.level(hazard['level'])}  {hazard['id']}  {about}{hazard['message']}"
    if hazard["hint"]:
        yield from human.labelled("           ", hazard["hint"])


def _counts(value: dict[str, Any]) -> str:
    counts = value["counts"]
    found = ", ".join(
        human.many(counts[level], word)
        for level, word in (("refuse", "refusal"), ("warn", "warning"), ("note", "note"))
        if counts[level]
    )
    text = f"{human.many(counts['steps'], 'step')}, {counts['undoable']} can be undone"
    text += f"; {found}." if found else "."
    if value["refused"]:
        return f"{text} The plan is refused: nothing will run."
    return f"{text} Fingerprint {value['fingerprint']}."


def outline(value: dict[str, Any]) -> Iterator[str]:
    """A line for each step: its number, its lock, how many statements it is, whether there is a way back."""
    rows = []
    for step in value["steps"]:
        statements = sum(not statement.startswith("--") for statement in step["sql"])
        back = "NO WAY BACK" if step["undo"] is None else ""
        mode = step["lock"].partition(" on ")[0]
        lock = "" if mode in ("none", "") else f"lock: {mode}"
        rows.append((step["number"], step["phase"], step["title"], human.many(statements, "statement"), lock, back))
    yield from human.table(rows, right=[0])


def explain(value: dict[str, Any]) -> Iterator[str]:
    """Every step as SQL that psql could read, with its lock and its undo as comments."""
    for step in value["steps"]:
        yield human.heading(f"-- {step['number']}. {step['phase']}: {step['title']}")
        if step["lock"]:
            yield f"-- lock: {step['lock']}"
        for statement in step["sql"]:
            yield statement if statement.startswith("--") else statement.rstrip().rstrip(";") + ";"
        if step["undo"] is None:
            yield "-- undo: NO WAY BACK"
        elif step["undo"]:
            yield "-- undo:"
            for text in step["undo"].splitlines():
                yield f"--   {text}"
        yield ""
