"""Results as a document: medians, and ratios to the contender that a target is set against."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.cases.case import Case
from benchmarks.contest import Result


def machine() -> dict[str, str]:
    """What it ran on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def as_markdown(case: Case, results: Sequence[Result], facts: dict[str, str]) -> str:
    """The tables, medians of all rounds."""
    lines = ["# Results", "", ", ".join(f"{k} {v}" for k, v in facts.items()) + ".", ""]
    for rows in sorted({r.rows for r in results}):
        for loaded in (False, True):
            group = [r for r in results if r.rows == rows and r.loaded == loaded]
            if group:
                lines += [f"## {rows:,} {case.name}, {'under write load' if loaded else 'idle'}", ""]
                lines += [*_table(case, group, loaded), ""]
        lines += _stages([r for r in results if r.rows == rows and r.contender == "ecluse" and not r.cannot])
    return "\n".join(lines).rstrip() + "\n"


def _table(case: Case, group: list[Result], loaded: bool) -> list[str]:
    against = "ecluse" if loaded else "floor"
    base = _median([r for r in group if r.contender == against and not r.cannot], lambda r: r.seconds)
    head = [
        "",
        "wall",
        "times Écluse" if loaded else "times floor",
        "server CPU",
        "WAL",
        "growth",
        "longest exclusive lock",
    ]
    head += ["p50", "p99", "worst stall", "errors"] if loaded else []
    lines = ["| " + " | ".join(head) + " | client memory |", "|---" * (len(head) + 1) + "|"]
    for name, title in case.titles.items():
        mine = [r for r in group if r.contender == name]
        if mine:
            lines.append("| " + " | ".join([title, *_cells(mine, base, loaded)]) + " |")
    return lines


def _cells(mine: list[Result], base: float, loaded: bool) -> list[str]:
    able = [r for r in mine if not r.cannot]
    if not able:
        return [f"cannot: {mine[0].cannot}"]
    seconds = _median(able, lambda r: r.seconds)
    alone = able[0].contender == "nothing"
    cells = (
        ["", "", "", "", ""]
        if alone
        else [
            f"{seconds:.1f} s ({min(r.seconds for r in able):.1f}–{max(r.seconds for r in able):.1f})",
            f"{seconds / base:.2f}" if base else "",
            f"{_median(able, lambda r: r.cpu):.1f} s",
            f"{_median(able, lambda r: r.wal) / 1e6:,.0f} MB",
            f"{_median(able, lambda r: r.growth) / 1e6:,.0f} MB",
            f"{_median(able, lambda r: r.locked) * 1000:,.0f} ms",
        ]
    )
    felt = [r.felt for r in able if r.felt]
    if loaded:
        cells += [f"{median(f.p50 for f in felt):.1f} ms", f"{median(f.p99 for f in felt):.1f} ms"]
        cells += [f"{median(f.worst for f in felt):,.0f} ms", str(sum(sum(f.errors.values()) for f in felt))]
    return [*cells, "" if alone else f"{_median(able, lambda r: r.memory) / 1e6:.0f} MB"]


def _stages(ours: list[Result]) -> list[str]:
    """Where Écluse spends its time."""
    if not ours:
        return []
    names = list(dict.fromkeys(name for r in ours for name in r.notes))
    lines = ["### Where Écluse's time goes (seconds, medians)", "", "| | idle | under load |", "|---|---|---|"]
    for name in names:
        cells = []
        for loaded in (False, True):
            values = [r.notes[name] for r in ours if r.loaded == loaded and name in r.notes]
            cells.append(f"{median(values):.3f}" if values else "")
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return [*lines, ""]


def _median(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    return median(map(value, results)) if results else 0.0
