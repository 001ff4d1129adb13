"""The matrix as a document: hazards and tools, how often each outcome was seen, and the reason of every cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.safety.contenders import CONTENDERS
from benchmarks.safety.contest import Result
from benchmarks.safety.hazards import HAZARDS, NOTHING
from benchmarks.safety.judge import OUTCOMES, Verdict

_TITLES = {contender.name: contender.title for contender in CONTENDERS}
_LEGEND = """
- **correct**: it ended with success; all rows are there under the right keys, and so are policies, row level security,
  views, publications, indexes, foreign keys, defaults, grants, and all that was acknowledged to writers.
- **refused**: nothing was changed, and the tool or its script gave the reason in words of its own.
- **failed loudly**: an error that was not foreseen. The cell says how the database was left.
- **SILENTLY WRONG**: it ended with success, and the database is not what it should be.
- **—**: it does not do this.
"""


def as_markdown(results: Sequence[Result], facts: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Everything: the totals, the matrix, the reasons."""
    lines = ["# The safety matrix", "", ", ".join(f"{k} {v}" for k, v in facts.items()) + ".", ""]
    lines += ["Tools: " + ", ".join(f"{tool} {version or 'is not here'}" for tool, version in versions.items()) + "."]
    lines += ["", "## How often", "", *totals(results), "", "## Hazards and tools", _LEGEND, *matrix(results), ""]
    return "\n".join([*lines, "## Why", "", *reasons(results)]).rstrip() + "\n"


def totals(results: Sequence[Result]) -> list[str]:
    """A line for each tool. The control is no hazard, and is not counted."""
    lines = [f"| | {' | '.join(OUTCOMES[1:])} | left half done |", "|---" * (len(OUTCOMES) + 1) + "|"]
    for name in _present(results):
        mine = [r.verdict for r in results if r.contender == name and r.hazard != NOTHING.name]
        counts = Counter(verdict.outcome for verdict in mine)
        half = sum(verdict.left == "half done" for verdict in mine)
        lines.append(f"| {_TITLES[name]} | {' | '.join(str(counts[o]) for o in OUTCOMES[1:])} | {half} |")
    return lines


def matrix(results: Sequence[Result]) -> list[str]:
    """A line for each hazard, a column for each tool."""
    names = _present(results)
    cells = {(r.hazard, r.contender): _cell(r.verdict) for r in results}
    lines = [f"| | {' | '.join(_TITLES[name] for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for hazard in HAZARDS:
        row = [cells.get((hazard.name, name), "") for name in names]
        if any(row):
            lines.append(f"| {hazard.title} | {' | '.join(row)} |")
    return lines


def reasons(results: Sequence[Result]) -> list[str]:
    """What was said, or what is wrong, of each cell that is not simply correct."""
    lines: list[str] = []
    for hazard in HAZARDS:
        told = [r for r in results if r.hazard == hazard.name and (r.verdict.outcome != "correct" or r.remark)]
        if told:
            lines += [f"### {hazard.title}", ""]
            lines += [f"- {_TITLES[r.contender]}: {_reason(r)}" for r in told]
            lines.append("")
    return lines


def _reason(result: Result) -> str:
    verdict = result.verdict
    left = {"as it was": "; the database is as it was", "done": "; the work is done", "half done": "; left half done"}
    often = f" ({result.how_often})" if result.how_often else ""
    said = "; ".join(_plain(words) for words in (verdict.why, result.remark) if words)
    return f"*{verdict.outcome}*{often}{left.get(verdict.left, '')}. {said}"


def _plain(text: str) -> str:
    """As text in Markdown: what PostgreSQL and programs say may hold its signs."""
    return "".join(f"\\{sign}" if sign in "*_|<`" else sign for sign in text)


def _cell(verdict: Verdict) -> str:
    match verdict.outcome:
        case "correct":
            return "correct"
        case "does not apply":
            return "—"
        case "refused":
            return "refused" if verdict.left == "as it was" else "refused, done before"
        case "failed loudly":
            return f"failed loudly, {verdict.left}"
        case "silently wrong":
            return "**SILENTLY WRONG**"


def _present(results: Sequence[Result]) -> list[str]:
    return [contender.name for contender in CONTENDERS if any(r.contender == contender.name for r in results)]
