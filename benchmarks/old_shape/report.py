"""Results as a document: medians, ratios to the original, and whether these are within the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from benchmarks.old_shape.cases import CASES
from benchmarks.old_shape.cases.case import READS, WRITES, Case, Statement
from benchmarks.old_shape.contest import CONTENDERS, Result

TITLES = {
    "original": "original",
    "old_shape": "**old shape**",
    "new_shape": "new shape",
    "one_table": "view and trigger on one table",
}
SCANNED = 100
"""Rows read by scans of whole tables for one statement: more than these are told."""

_ABOUT = (
    "Each contender has a database of its own on one server, with the same rows and indexes, and is given the same "
    "statements with the same parameters, ten to one and then to the next. Timed is what the application waits "
    "for: from the call of the driver until it has all rows, and for writes until the commit is on disk. *Original*: "
    "the tables as they were, never migrated. *Old shape*: the migrated database through the views of the old shape, "
    "by the old application's own role. *New shape*: a copy of the migrated database, the new tables as the new "
    "application says it, the reverse capture included. *View and trigger on one table*, as pgroll makes them: by "
    "hand, in the SQL of its templates, with foreign keys and indexes on the new columns too; pgroll itself did not "
    "run, and cannot complete this change. Medians of the rounds; in brackets the 95th percentile. *Planned*: the "
    "server plans the statement each time; *prepared*: it is prepared and was run ten times before. "
    f"Wanted of the old shape are {READS} times the original for reads and {WRITES} for writes."
)


def as_markdown(results: Sequence[Result], facts: Mapping[str, str], ends: Mapping[str, Mapping[str, str]]) -> str:
    """The tables. `ends`: by case, what differed after all writes."""
    lines = ["# The old shape after the switch", "", ", ".join(f"{k} {v}" for k, v in facts.items()) + "."]
    lines += ["", _ABOUT, ""]
    for name, rows in dict.fromkeys((r.case, r.rows) for r in results):
        case = CASES[name]
        group = [r for r in results if (r.case, r.rows) == (name, rows)]
        lines += [f"## {rows:,} rows: {case.title}", ""]
        for prepared in (False, True):
            mine = [r for r in group if r.prepared == prepared]
            if mine:
                lines += [f"### {'Prepared' if prepared else 'Planned'}", "", *_table(case, mine), ""]
        lines += [f"No view and trigger on one table: {case.why_not}.", ""] if case.why_not else []
        lines += [*_answers(group, ends.get(f"{name} {rows}")), "", *_scans(group)]
    return "\n".join(lines).rstrip() + "\n"


def _table(case: Case, group: Sequence[Result]) -> Iterator[str]:
    there = [name for name in CONTENDERS if any(r.contender == name for r in group)]
    ratios = [f"{TITLES[name]} / original" for name in there if name != "original"]
    head = ["ms", *(TITLES[name] for name in there), *ratios, "wanted"]
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for statement in case.statements:
        mine = [r for r in group if r.statement == statement.name]
        if mine:
            yield "| " + " | ".join([statement.name, *_cells(statement, mine, there)]) + " |"


def _cells(statement: Statement, group: Sequence[Result], there: Sequence[str]) -> Iterator[str]:
    base = _of(group, "original", lambda r: r.median)
    for name in there:
        failed = next((r.cannot for r in group if r.contender == name and r.cannot), "")
        value, p95 = (_of(group, name, part) for part in (lambda r: r.median, lambda r: r.p95))
        yield f"cannot: {failed}" if failed else f"{value:.2f} ({p95:.2f})"
    for name in there:
        if name != "original":
            yield f"{_of(group, name, lambda r: r.median) / base:.2f}" if base else ""
    yield _verdict(statement, group)


def _verdict(statement: Statement, group: Sequence[Result]) -> str:
    value, base = (_of(group, name, lambda r: r.median) for name in ("old_shape", "original"))
    if not value or not base:
        return f"{statement.target}: not measured"
    return f"{statement.target}: {'met' if value / base <= statement.target else '**missed**'}"


def _answers(group: Sequence[Result], end: Mapping[str, str] | None) -> Iterator[str]:
    """Whether all answers were those of the original."""
    wrong = dict.fromkeys((r.contender, r.statement, r.wrong) for r in group if r.wrong)
    for contender, statement, how in wrong:
        yield f"- **Wrong**: {statement}, {TITLES[contender]}: {how}"
    for contender, tables in (end or {}).items():
        yield f"- **Wrong** after all writes, {TITLES[contender]}: {tables}"
    if not wrong and end == {}:
        yield "All answers were those of the original, row by row, and so was what the tables held after all writes."


def _scans(group: Sequence[Result]) -> Iterator[str]:
    """For which statements whole tables were read, by themselves or by what they set off."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for r in group:
        for table, read in r.scanned.items():
            if read > SCANNED:
                most = found.setdefault((r.statement, table), {})
                most[r.contender] = max(most.get(r.contender, 0.0), read)
    for (statement, table), readers in found.items():
        said = ", ".join(f"{TITLES[name]} {readers[name]:,.0f}" for name in CONTENDERS if name in readers)
        yield f"- No index: {statement}, rows of `{table}` read by scans of it, a statement: {said}"
    if found:
        yield ""


def _of(group: Sequence[Result], contender: str, value: Callable[[Result], float]) -> float:
    values = [value(r) for r in group if r.contender == contender and not r.cannot]
    return median(values) if values else 0.0
