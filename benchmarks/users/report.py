"""Results as a document: medians, users a second, and ratios to the loop and to the floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.users.contest import Result
from benchmarks.users.ground import SAMPLE

TITLES = {
    "floor": "floor: `INSERT … SELECT`, then the keys; no proof, no way back",
    "unproved": "Écluse without its stage `verify`",
    "ecluse": "**Écluse**: plan, build, proof, switch",
    "executemany": "`executemany`, 1,000 users per transaction",
    "loop": "loop, one user per transaction",
    "unsynced": "the same loop with `synchronous_commit` off",
}

_ABOUT = (
    "The users of the sample of the recipe `self_hosted_supabase`: 80 % bcrypt, 10 % Argon2, 4 % Firebase scrypt, 6 % "
    "that cannot be carried; 2 % have no e-mail address, an invalid one, or a twin. All contenders write the same "
    "accounts, identities, profiles and map, which is compared. Everything is counted: for Écluse the start of the "
    "program and the plan, for the scripts the reading of the users and the making of the tables. The loop is a "
    "driver's on a local socket, with prepared statements and without HTTP: the most that a loop over an API could "
    "reach. What a commit takes on the disk is most of it; without `synchronous_commit` it does not wait for that, as "
    "if the disk were infinitely fast."
)


def as_markdown(results: Sequence[Result], facts: dict[str, str]) -> str:
    """The tables, medians of all rounds."""
    lines = ["# Import of users", "", ", ".join(f"{k} {v}" for k, v in facts.items()) + ".", "", _ABOUT, ""]
    for rows in sorted({r.rows for r in results}):
        group = [r for r in results if r.rows == rows]
        idle = [r for r in group if not r.loaded]
        idle += [_unproved(r) for r in idle if r.contender == "ecluse" and not r.cannot]
        lines += [f"## {rows:,} users", "", *_table(idle), ""]
        if any(r.users < rows for r in idle):
            lines += [f"The loops were given {SAMPLE:,} of them; their time for all is reckoned by that rate.", ""]
        lines += [*_locks(group), "### Where the time goes (seconds, medians)", "", *_parts(idle), ""]
    return "\n".join(lines).rstrip() + "\n"


def _unproved(result: Result) -> Result:
    """The same measurement with the clock stopped in the proof."""
    return replace(result, contender="unproved", seconds=result.seconds - result.notes.get("stage verify", 0.0))


def _table(group: list[Result]) -> list[str]:
    bases = [_median([r for r in group if r.contender == n and not r.cannot], rate) for n in ("loop", "floor")]
    head = [
        "",
        "wall",
        "users/s",
        "times the loop's rate",
        "wall, times the floor",
        "CPU of the server",
        "WAL",
        "memory",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, title in TITLES.items():
        mine = [r for r in group if r.contender == name]
        if mine:
            lines.append("| " + " | ".join([title, *_cells(mine, *bases)]) + " |")
    return lines


def _cells(mine: list[Result], loop: float, floor: float) -> list[str]:
    able = [r for r in mine if not r.cannot]
    if not able:
        return [f"cannot: {mine[0].cannot}", *[""] * 6]
    share = able[0].rows / able[0].users
    seconds = [r.seconds * share for r in able]
    mine_rate = _median(able, rate)
    cells = [f"{'≈ ' if share > 1 else ''}{median(seconds):.1f} s ({min(seconds):.1f}–{max(seconds):.1f})"]
    cells += [
        f"{mine_rate:,.0f}",
        f"{mine_rate / loop:.1f}" if loop else "",
        f"{floor / mine_rate:.2f}" if floor else "",
    ]
    if able[0].contender == "unproved":
        return [*cells, "", "", ""]
    memory = _median(able, lambda r: r.memory)
    wal = _median(able, lambda r: r.wal * share) / 1e6
    return [
        *cells,
        f"{_median(able, lambda r: r.cpu * share):.1f} s",
        f"{wal:,.0f} MB",
        f"{memory / 1e6:.0f} MB" if memory else "",
    ]


def _locks(group: list[Result]) -> list[str]:
    """How long the application was shut out; medians, with the shortest and the longest of all rounds."""
    head = ["Écluse", "wall", "under lock", "seen from outside", "worst stall", "errors", "rollback", "its lock"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for loaded, title in ((False, "idle"), (True, "people sign in, 50 statements a second")):
        mine = [r for r in group if r.contender == "ecluse" and r.loaded == loaded and not r.cannot]
        if mine:
            felt = [r.felt for r in mine if r.felt]
            cells = [title, f"{_median(mine, lambda r: r.seconds):.1f} s"]
            cells += [_ms([r.notes["under lock"] * 1000 for r in mine]), _ms([r.locked * 1000 for r in mine])]
            cells += [_ms([f.worst for f in felt]), str(sum(sum(f.errors.values()) for f in felt)) if felt else ""]
            cells += [f"{_median(mine, lambda r: r.notes['rollback']):.1f} s"]
            cells += [_ms([r.notes["rollback under lock"] * 1000 for r in mine])]
            lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""] if len(lines) > 2 else []


def _ms(values: list[float]) -> str:
    if not values:
        return ""
    between = f" ({min(values):,.0f}–{max(values):,.0f})" if len(values) > 1 else ""
    return f"{median(values):,.0f} ms{between}"


def _parts(group: list[Result]) -> list[str]:
    """What each contender says of its own time."""
    lines = ["| | |", "|---|---|"]
    for name, title in TITLES.items():
        notes = [r.notes for r in group if r.contender == name and not r.cannot]
        parts = dict.fromkeys(part for each in notes for part in each)
        if parts and name != "unproved":
            medians = {part: median(each[part] for each in notes if part in each) for part in parts}
            lines.append(f"| {title} | " + ", ".join(f"{part} {m:.2f}" for part, m in medians.items()) + " |")
    return lines


def rate(result: Result) -> float:
    """Users a second, of those that the contender was given."""
    return result.users / result.seconds if result.seconds else 0.0


def _median(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    return median(map(value, results)) if results else 0.0
