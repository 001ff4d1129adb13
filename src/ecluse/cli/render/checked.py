"""Human text of `plan --check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human


def lines(value: dict[str, Any]) -> Iterator[str]:
    """A line for each migration, with what is wrong below it; then what has drifted; the answer last."""
    found = value["migrations"]
    rows = [(v["migration"], v["database"], v["status"], _word(v["verdict"]), v["fingerprint"]) for v in found]
    for verdict, line in zip(found, human.table(rows), strict=True):
        yield line
        yield from (f"      {reason}" for reason in verdict["reasons"])
        if verdict["hint"]:
            yield from human.labelled("      hint: ", verdict["hint"])
    for drift in value["drift"]:
        if drift["reasons"]:
            left = f", since '{drift['migration']}' was {drift['status']}" if drift["migration"] else ""
            yield f"  {drift['database']}: {human.answer(False)} changed{left}" if left else f"  {drift['database']}"
            yield from (f"      {reason}" for reason in drift["reasons"])
            yield from human.labelled("      hint: ", drift["hint"])
        elif not drift["known"]:
            yield f"  '{drift['migration']}' is of an earlier version, which noted nothing to compare with"
    if value["asked"] == 0:
        yield "There is no migration in migrations/: nothing was checked but what earlier ones left."
    yield "Ready." if value["ok"] else "NOT ready."


def brief(value: dict[str, Any]) -> Iterator[str]:
    """What is not ready, and the answer."""
    yield from lines(value | {"migrations": [v for v in value["migrations"] if v["verdict"] != "ok"]})


def _word(verdict: str) -> str:
    return human.answer(True) if verdict == "ok" else f"{human.answer(False)} {verdict}"
