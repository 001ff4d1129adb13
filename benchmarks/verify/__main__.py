"""`python -m benchmarks.verify`: all contenders in turn, again and again, so that a noisy machine is noisy for all."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from importlib.metadata import version

from benchmarks import arguments as shared
from benchmarks.files import as_json, print_tables, write
from benchmarks.report import machine
from benchmarks.verify.contest import Result, measure
from benchmarks.verify.ground import Ground
from benchmarks.verify.peers import CONTENDERS
from benchmarks.verify.report import as_markdown


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = shared.parser("benchmarks.verify", __doc__, "500000", "rows of either table", list(CONTENDERS), "-verify")
    parser.add_argument("--columns", default="6,30", help="widths, with commas: 6, 30")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that a program may take")
    parser.add_argument("--equal-only", action="store_true", help="plant no faults: half the time")
    parser.add_argument("--add", action="store_true", help="to what the result files of that name hold already")
    return shared.read(parser, words, list(CONTENDERS))


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for, interleaved by rounds."""
    before = given.out / f"{given.name}.json"
    known = json.loads(before.read_text())["results"] if given.add and before.exists() else []
    results = [Result(**figures) for figures in known]
    facts = machine() | {"psycopg": version("psycopg"), "limit": f"{given.limit:.0f} s"}
    with shared.working_folder(given.folder) as folder, closing(Ground(folder)) as ground:
        facts |= ground.server.settings()
        for rows in map(int, given.rows.split(",")):
            for width in map(int, given.columns.split(",")):
                where = ground.prepare(rows, width)
                for _ in range(given.rounds):
                    for name in given.only:
                        plant = not given.equal_only
                        found = measure(ground, where, name, rows, width, limit=given.limit, plant=plant)
                        results.append(found)
                        _tell(found)
                        # What is measured is not lost with the rest.
                        write(given.out, given.name, as_markdown(results, facts), as_json(results, facts))
    return results


def _tell(r: Result) -> None:
    found = f"{r.faults - len(r.missed)}/{r.faults}" if r.faults else ""
    figures = (
        f"{r.seconds:7.2f} s  {r.clients + r.servers:7.1f} s CPU  {r.memory / 1e6:7,.0f} MB  {r.passed / 1e6:8.2f} MB"
    )
    print(f"{r.rows:>9,} x {r.columns:2} {r.contender:10} {figures}  {found:>5} {r.cannot}", flush=True)


def main(words: list[str]) -> int:
    """Run, write both files, and print the tables."""
    given = arguments(words)
    run(given)
    print_tables(given.out, given.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
