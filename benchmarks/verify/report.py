"""Results as a document: medians, and ratios to Écluse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.verify.contest import Result
from benchmarks.verify.peers import CONTENDERS

_ABOUT = (
    "Two tables on one server with the same rows, in another order of rows and columns; all clients connect over TCP "
    "through one relay that counts bytes. Wall, CPU, memory (resident, of all processes of the client, sampled every "
    "50 ms) and bytes are of the equal tables, the start of the program included; *with faults* is the time for the "
    "tables with the faults, each in a row of its own. Six columns can hold ten of the twelve: there is no `bytea` and "
    "no `jsonb`. That another order of keys in a `jsonb` is equal counts as found where it is not reported. The "
    "duplicate is in a table without a key, compared by itself; who needs a key is given the column that repeats. "
    "*times ours*: how many times as long. The machine is shared with others, so CPU says more than wall."
)
_HEAD = (
    "",
    "faults found",
    "false alarms",
    "wall",
    "rows/s",
    "times ours",
    "CPU, client and server",
    "times ours",
    "with faults",
    "memory of the client",
    "over the wire",
)


def as_markdown(results: Sequence[Result], facts: dict[str, str]) -> str:
    """A table for each size and width, medians of all rounds."""
    lines = ["# Verifiers", "", ", ".join(f"{k} {v}" for k, v in facts.items()) + ".", "", _ABOUT, ""]
    for rows, columns in sorted({(r.rows, r.columns) for r in results}):
        group = [r for r in results if (r.rows, r.columns) == (rows, columns)]
        rounds = max(sum(r.contender == name for r in group) for name in CONTENDERS)
        title = f"## {rows:,} rows of {columns} columns, {rounds} round{'s' if rounds > 1 else ''}"
        lines += [title, "", *_table(group), "", *_notes(group)]
    return "\n".join(lines).rstrip() + "\n"


def _table(group: list[Result]) -> list[str]:
    ours = [r for r in group if r.contender == "ecluse" and not r.cannot]
    lines = ["| " + " | ".join(_HEAD) + " |", "|---" * len(_HEAD) + "|"]
    for name, contender in CONTENDERS.items():
        mine = [r for r in group if r.contender == name]
        if mine:
            lines.append("| " + " | ".join([contender.title, *_cells(mine, ours)]) + " |")
    return lines


def _cells(mine: list[Result], ours: list[Result]) -> list[str]:
    able = [r for r in mine if not r.cannot]
    if not able:
        return [f"cannot: {mine[0].cannot}".replace("|", "\\|"), *[""] * (len(_HEAD) - 2)]
    last = able[-1]
    seconds = [r.seconds for r in able]
    planted = [r for r in able if r.faults]
    cells = [f"{last.faults - len(last.missed)} of {last.faults}" if last.faults else "", str(len(last.alarms))]
    between = f" ({min(seconds):.1f}–{max(seconds):.1f})" if len(seconds) > 1 else ""
    cells += [f"{median(seconds):.1f} s{between}", f"{last.rows / median(seconds):,.0f}"]
    cells += [_ratio(able, ours, lambda r: r.seconds), f"{_median(able, _cpu):.1f} s", _ratio(able, ours, _cpu)]
    cells += [f"{_median(planted, lambda r: r.faulted):.1f} s" if planted else ""]
    return [*cells, f"{_median(able, lambda r: r.memory) / 1e6:,.0f} MB", _size(_median(able, lambda r: r.passed))]


def _cpu(result: Result) -> float:
    return result.clients + result.servers


def _ratio(mine: list[Result], ours: list[Result], value: Callable[[Result], float]) -> str:
    return f"{_median(mine, value) / _median(ours, value):.1f}" if ours else ""


def _size(octets: float) -> str:
    return f"{octets / 1e6:,.1f} MB" if octets >= 1e5 else f"{octets / 1e3:,.0f} kB"


def _notes(group: list[Result]) -> list[str]:
    """What each missed, called wrong, or was spared."""
    lines = []
    for name, contender in CONTENDERS.items():
        able = [r for r in group if r.contender == name and not r.cannot]
        if able:
            last = able[-1]
            parts = [f"missed {', '.join(last.missed)}" if last.missed else ""]
            parts += [f"false alarms for {', '.join(last.alarms[:5])}" if last.alarms else ""]
            without = "run without the columns that it cannot read:"
            parts += [f"{without} {', '.join(last.left_out)}" if last.left_out else ""]
            parts += [f"it said `{last.said}`, and ended with status 0" if last.said else ""]
            text = "; ".join(part for part in parts if part)
            lines += [f"- {contender.title}: {text}."] if text else []
    return [*lines, ""] if lines else []


def _median(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    return median(map(value, results)) if results else 0.0
