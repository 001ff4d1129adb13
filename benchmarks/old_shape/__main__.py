"""`python -m benchmarks.old_shape`: all contenders in turn, statement by statement: noise is noise for all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version

from psycopg import pq

from benchmarks import arguments as shared
from benchmarks.files import as_json, print_tables, write
from benchmarks.old_shape.cases import CASES
from benchmarks.old_shape.cases.case import POOL, Case
from benchmarks.old_shape.contest import BLOCK, Contest, Result
from benchmarks.old_shape.ground import Shapes
from benchmarks.old_shape.report import as_markdown
from benchmarks.report import machine

Ends = dict[str, dict[str, str]]


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line; what is chosen with `--only` are cases, for all contenders of one run together."""
    what = "conversations, or talks"
    parser = shared.parser("benchmarks.old_shape", __doc__, "100000", what, tuple(CASES), "-old-shape")
    parser.add_argument("--times", type=int, default=200, help="how often each statement is timed in a round")
    parser.add_argument(
        "--quick", action="store_true", help="2,000 rows, one round, no waiting for the disk: does it still work?"
    )
    given = shared.read(parser, words, tuple(CASES))
    if given.quick:
        given.rows, given.rounds, given.times = "2000", 1, 10
    deleted, fewest = 2 * given.rounds * (given.times + BLOCK), min(map(int, given.rows.split(",")))
    if deleted > min(POOL, fewest // 5):
        parser.error(f"{deleted:,} rows would be deleted: more than a fifth of {fewest:,}, or than {POOL:,}")
    return given


def run(given: argparse.Namespace) -> tuple[list[Result], Ends]:
    """Everything that was asked for, interleaved by rounds; gives also, by case, what differed in the end."""
    results: list[Result] = []
    ends: Ends = {}
    facts = machine() | {"psycopg": f"{version('psycopg')} ({pq.__impl__})"}
    facts |= {"rounds": str(given.rounds), "times": str(given.times)}
    with shared.working_folder(given.folder) as folder, closing(Shapes(folder, durable=not given.quick)) as ground:
        facts |= ground.settings() | ground.waits()
        for rows in map(int, given.rows.split(",")):
            for name in given.only:
                for found in _rounds(ground, CASES[name], rows, given, ends):
                    results += found
                    # What is measured is not lost with the rest.
                    write(given.out, given.name, as_markdown(results, facts, ends), as_json(results, facts))
    return results, ends


def _rounds(ground: Shapes, case: Case, rows: int, given: argparse.Namespace, ends: Ends) -> Iterator[list[Result]]:
    """All rounds of one case."""
    with closing(Contest(case, rows, given.times, ground.prepare(case, rows))) as contest:
        for number in range(given.rounds):
            found = []
            for result in contest.round(number):
                _tell(result)
                found.append(result)
            ends[f"{case.name} {rows}"] = contest.differences()
            yield found


def _tell(r: Result) -> None:
    how = "prepared" if r.prepared else "planned"
    wrong = "  wrong" if r.wrong else ""
    print(
        f"{r.case:9} {r.contender:9} {how:8} {r.median:7.2f} ms  p95 {r.p95:7.2f} ms  {r.statement}{wrong}  {r.cannot}",
        flush=True,
    )


def main(words: list[str]) -> int:
    """Run, write both files, and print the tables."""
    given = arguments(words)
    run(given)
    print_tables(given.out, given.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
