"""Results as a document: medians, and ratios to the floor and to Écluse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from benchmarks.move.contest import Result

TITLES = {
    "floor": "floor: two pipes of `psql`, then the indexes",
    "unproved": "Écluse without its stage `verify`",
    "ecluse": "**Écluse**, proof included",
    "pgcopydb": "`pgcopydb clone`, 2 table jobs, 2 index jobs",
    "directory": "`pg_dump -Fd -j2`, `pg_restore -j2`",
    "script": "`pg_dump \\| psql`",
}


def as_markdown(results: Sequence[Result], facts: dict[str, str]) -> str:
    """The tables, medians of all rounds."""
    lines = ["# A move between two servers", "", ", ".join(f"{k} {v}" for k, v in facts.items()) + ".", ""]
    for rows in sorted({r.rows for r in results}):
        group = [r for r in results if r.rows == rows]
        group += [_unproved(r) for r in group if r.contender == "ecluse" and not r.cannot]
        lines += [f"## {rows:,} conversations of about 600 bytes, {2 * rows:,} narrow events", ""]
        lines += [*_table(group), "", "### Where the time goes (seconds, medians)", "", *_parts(group), ""]
    return "\n".join(lines).rstrip() + "\n"


def _unproved(result: Result) -> Result:
    """The same measurement with the clock stopped in the proof; what the processors did in it is not told apart."""
    notes = {k: v for k, v in result.notes.items() if k != _PROOF}
    return replace(result, contender="unproved", seconds=result.seconds - result.notes.get(_PROOF, 0.0), notes=notes)


_PROOF = "stage verify"


def _table(group: list[Result]) -> list[str]:
    bases = [_median([r for r in group if r.contender == n and not r.cannot], _seconds) for n in ("floor", "ecluse")]
    head = ["", "wall", "times floor", "times Écluse", "CPU of servers", "CPU of clients", "WAL", "Écluse's memory"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, title in TITLES.items():
        mine = [r for r in group if r.contender == name]
        if mine:
            lines.append("| " + " | ".join([title, *_cells(mine, bases)]) + " |")
    return lines


def _cells(mine: list[Result], bases: list[float]) -> list[str]:
    able = [r for r in mine if not r.cannot]
    if not able:
        return [f"cannot: {mine[0].cannot}", *[""] * 6]
    seconds = _median(able, _seconds)
    cells = [f"{seconds:.1f} s ({min(map(_seconds, able)):.1f}–{max(map(_seconds, able)):.1f})"]
    cells += [f"{seconds / base:.2f}" if base else "" for base in bases]
    if able[0].contender == "unproved":
        return [*cells, *[""] * 4]
    cells += [f"{_median(able, lambda r: r.servers):.1f} s", f"{_median(able, lambda r: r.clients):.1f} s"]
    memory = _median(able, lambda r: r.memory)
    return [*cells, f"{_median(able, lambda r: r.wal) / 1e6:,.0f} MB", f"{memory / 1e6:.0f} MB" if memory else ""]


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


def _seconds(result: Result) -> float:
    return result.seconds


def _median(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    return median(map(value, results)) if results else 0.0
