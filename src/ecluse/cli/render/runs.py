"""Human text of runs: what they came to, how they stand, what they proved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecluse.cli.render import human

_STATES = {
    "building": "is being built; the old shape is in use",
    "ready": "is built and proved; the old shape is in use",
    "switched": "is in use; the old shape is kept until `ecluse finish`",
    "finished": "is in use; the old one is archived and gone",
    "rolled_back": "is rolled back; the old one is in use",
}


def state(value: dict[str, Any]) -> str:
    """A run's state in a sentence."""
    if value.get("old_shape"):
        return "the new shape is in use; so is the old one, through its views, until `ecluse retire`"
    return f"the new shape {_STATES[value['status']]}"


def applied(value: dict[str, Any]) -> Iterator[str]:
    """After apply and switch."""
    held = value["seconds_under_lock"]
    under = f" Locks were held for {human.duration(held)}." if held else ""
    yield f"{human.heading(value['migration'])} on {value['database']}: {state(value)}.{under}"
    if kept := value.get("old_shape"):
        roles = ", ".join(use["role"] for use in kept["uses"])
        yield f"{roles} finds the old shape in schema {kept['schema']}, first in its search_path."
    yield from _report(value)


def _report(value: dict[str, Any]) -> Iterator[str]:
    if value.get("report"):
        yield f"report: {value['report']['html']}"


def standing(value: dict[str, Any]) -> Iterator[str]:
    """A migration with nothing left to plan or to apply, and what may be done with it."""
    since = f"{value['status']} on {_moment(value['since'] or '')}"
    yield f"{human.heading(value['migration'])} on {value['database']}: nothing to do: {since}; {state(value)}."
    if value["next"]:
        yield f"next: {'  |  '.join(value['next'])}"


def rolled_back(value: dict[str, Any]) -> Iterator[str]:
    """After a rollback."""
    yield from applied(value)
    yield from aside("parked, the old shape cannot hold them", value["parked"], "  ")


def retired(value: dict[str, Any]) -> Iterator[str]:
    """After retire: the new shape is the only one."""
    yield (
        f"{human.heading(value['migration'])} on {value['database']}: the old shape's views are gone; {state(value)}."
    )
    yield from human.table(_uses(value["uses"]), right=[1, 2])


def finished(value: dict[str, Any]) -> Iterator[str]:
    """After finish."""
    yield f"{human.heading(value['migration'])} on {value['database']}: {state(value)}."
    yield f"archive: {value['archive']}"
    yield from _report(value)


# --- status -----------------------------------------------------------------------------------------


def statuses(value: dict[str, Any]) -> Iterator[str]:
    """The runs of several databases, one after the other."""
    for number, one in enumerate(value["databases"]):
        if number:
            yield ""
        yield from status(one)


def status(value: dict[str, Any]) -> Iterator[str]:
    """The runs of a database, or why it could not be asked."""
    yield f"{value['database']}"
    if "error" in value:
        error = value["error"]
        yield f"  {human.answer(False)} {error['message']}  [{error['code']}]"
        if error["hint"]:
            yield f"     hint: {error['hint']}"
        return
    for holder in value["working"]:
        yield f"  at work: {holder}"
    if not value["runs"]:
        yield "  no runs"
    for run in value["runs"]:
        yield ""
        yield from _run(run)


def _run(run: dict[str, Any]) -> Iterator[str]:
    stage = f" at '{run['stage']}'" if run["status"] == "building" else ""
    yield f"  {human.heading(run['migration'])}  run {run['id']}  {run['status']}{stage}  plan {run['fingerprint']}"
    yield f"    {state(run)}"
    yield f"    began {_moment(run['started_at'])}, last record {_moment(run['updated_at'])}"
    if run["status"] != "rolled_back":
        yield from _copied(run)
    yield from _old_shape(run["old_shape"])
    for table in run["closed"]:
        yield f"    CLOSED, nobody can write to it: {table}"
    if run["pending"] is not None:
        yield f"    {human.many(run['pending'], 'change')} wait in the log"
    if run["without_rehearsal"]:
        yield f"    not rehearsed: {run['without_rehearsal']}"
    if run["restarts"]:
        yield f"    the copy was started again {human.many(run['restarts'], 'time')}"
    if run["status"] != "rolled_back":  # the old shape has these rows, and is in use
        yield from aside("in quarantine", run["quarantine"], "    ")
    yield from aside("parked", run["parked"], "    ")
    if run["proof"]:
        proof = run["proof"]
        yield f"    last proof: {human.answer(proof['passed'])} ({proof['moment']}, {_moment(proof['at'])})"
    if run["archive"]:
        yield f"    archive: {run['archive']}"
    if run["next"]:
        yield f"    next: {'  |  '.join(run['next'])}"


def _old_shape(kept: dict[str, Any] | None) -> Iterator[str]:
    """Who still uses it."""
    if kept:
        yield f"    the old shape is in schema {kept['schema']}; statements since {_moment(kept['since'])}"
        yield from human.table(_uses(kept["uses"]), indent=6, right=[1, 2])


def _uses(uses: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    yield ("role", "statements", "sessions", "last used")
    for use in uses:
        last = _moment(use["last"]) if use["last"] else "not known" if use["statements"] else "never"
        yield (use["role"], human.count(use["statements"]), human.count(use["sessions"]), last)


def _copied(run: dict[str, Any]) -> Iterator[str]:
    if not run["rows"] and run["total"] is None:
        return
    text = f"    {human.count(run['rows'])} rows copied"
    if run["total_is"] == "estimate" and run["total"] is not None:
        text = f"    {human.count(run['rows'])} of about {human.count(run['total'])} rows copied"
        if run["rate"]:
            left = max(0.0, run["total"] - run["rows"]) / run["rate"]
            text += f"   {human.count(run['rate'])}/s   about {human.duration(left)} left"
    yield text


def _moment(text: str) -> str:
    """Without fractions of seconds."""
    head, dot, tail = text.partition(".")
    zone = next((tail[i:] for i, c in enumerate(tail) if c in "+-"), "")
    return (head + zone).replace("+00", " UTC") if dot or zone else text.replace("+00", " UTC")


def aside(label: str, tables: dict[str, dict[str, int]], indent: str = "") -> Iterator[str]:
    """Rows that were set aside, by table and reason."""
    for table, reasons in tables.items():
        for reason, number in reasons.items():
            yield f"{indent}{human.many(number, 'row')} of {table} {label}: {reason}"


# --- verification -----------------------------------------------------------------------------------


def verification(value: dict[str, Any]) -> Iterator[str]:
    """What a proof found: the account, both directions, structure and behaviour."""
    yield from account(value["accounts"])
    if value["comparisons"]:
        yield human.heading("proof")
        titles = ("table", "direction", "rows", "rows", "equal", "different", "pending", "")
        yield from human.table([titles, *map(_comparison, value["comparisons"])], right=[2, 3, 4, 5, 6])
        for comparison in value["comparisons"]:
            yield from _differences(comparison)
    if value["probes"]:
        yield human.heading("probes")
        yield from human.table([(p["title"], _probe(p), p["details"]) for p in value["probes"]])
    yield f"{human.heading(value['migration'])}: " + ("everything holds." if value["passed"] else "it does NOT hold.")
    yield from _report(value)


def account(found: list[dict[str, Any]]) -> Iterator[str]:
    """Where the rows of each old table are, and why some are in quarantine."""
    if not found:
        return
    yield human.heading("account")
    head = ("old table", "rows in", "carried", "merged", "quarantined", "")
    rows = [
        (
            a["table"],
            *(human.count(a[k]) for k in ("rows_in", "carried", "merged", "quarantined")),
            human.answer(a["balanced"]),
        )
        for a in found
    ]
    yield from human.table([head, *rows], right=[1, 2, 3, 4])
    for each in found:
        yield from aside("in quarantine", {each["table"]: each["reasons"]}, "  ")


def replayed(value: dict[str, Any]) -> Iterator[str]:
    """A report held against itself, the journal and the tables."""
    marks = {"yes": human.answer(True), "no": human.answer(False), "changed": "changed"}
    for check in value["checks"]:
        first, *rest = check["details"].splitlines() or [""]
        yield f"{marks.get(check['answer'], check['answer'])}  {check['title']}" + (f": {first}" if first else "")
        yield from (f"      {line}" for line in rest)
    name = human.heading(value["migration"])
    yield f"{name}, run {value['run']}, {value['status'].replace('_', ' ')}: " + (
        "nothing speaks against the report." if value["passed"] else "the report does NOT hold."
    )


def disproved(value: dict[str, Any]) -> Iterator[str]:
    """What does not hold, and the answer."""
    wrong = {
        "accounts": [a for a in value["accounts"] if not a["balanced"]],
        "comparisons": [c for c in value["comparisons"] if not c["equal"]],
        "probes": [p for p in value["probes"] if not (p["ran"] and p["passed"])],
    }
    yield from verification(value | wrong)


def _comparison(found: dict[str, Any]) -> tuple[str, ...]:
    different = len(found["differences"]) + found["more"]
    equal = max(0, min(found["left_rows"], found["right_rows"]) - different)
    numbers = (found["left_rows"], found["right_rows"], equal, different, found["pending"])
    return (found["table"], found["direction"], *map(human.count, numbers), human.answer(found["equal"]))


def _differences(found: dict[str, Any]) -> Iterator[str]:
    for difference in found["differences"]:
        columns = f" in {', '.join(difference['columns'])}" if difference["columns"] else ""
        yield f"  {found['table']} {found['direction']}: {difference['kind']} {difference['key']}{columns}"
        for column in difference["columns"]:
            left, right = difference["left"].get(column), difference["right"].get(column)
            if column in difference["left"] or column in difference["right"]:
                yield f"    {column}: {left!r} | {right!r}"
    if found["more"]:
        yield f"  {found['table']} {found['direction']}: and {human.many(found['more'], 'more row')}"


def _probe(found: dict[str, Any]) -> str:
    return human.answer(found["passed"]) if found["ran"] else "did NOT run"
