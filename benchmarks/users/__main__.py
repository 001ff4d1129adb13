"""`python -m benchmarks.users`: all contenders in turn, again and again, so that a noisy machine is noisy for all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version

from benchmarks import arguments as shared
from benchmarks.files import as_json, print_tables, write
from benchmarks.report import machine
from benchmarks.users.contest import CONTENDERS, Result, measure
from benchmarks.users.ground import Content, People
from benchmarks.users.report import as_markdown, rate


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = shared.parser("benchmarks.users", __doc__, "100000", "users", CONTENDERS, "-users")
    parser.add_argument("--load", choices=("idle", "both"), default="both", help="Écluse also while people sign in")
    parser.add_argument("--settle", type=float, default=2.0, help="seconds in which they do before and after")
    return shared.read(parser, words, CONTENDERS)


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for, interleaved by rounds."""
    results: list[Result] = []
    facts = machine() | {"psycopg": version("psycopg"), "rounds": str(given.rounds)}
    with shared.working_folder(given.folder) as folder, closing(People(folder)) as ground:
        facts |= ground.settings() | {"a commit": ground.commit()}
        for rows in map(int, given.rows.split(",")):
            template, wanted = ground.prepare(rows)
            for _ in range(given.rounds):
                for result in _round(ground, template, rows, wanted, given):
                    _tell(result)
                    results.append(result)
                    # What is measured is not lost with the rest.
                    write(given.out, given.name, as_markdown(results, facts), as_json(results, facts))
            ground.drop("bench")
    return results


def _round(ground: People, template: str, rows: int, wanted: Content, given: argparse.Namespace) -> Iterator[Result]:
    for name in given.only:
        yield measure(ground, template, name, rows, wanted)
    if given.load == "both" and "ecluse" in given.only:
        yield measure(ground, template, "ecluse", rows, wanted, settle=given.settle)


def _tell(r: Result) -> None:
    when = "load" if r.loaded else "idle"
    print(f"{r.users:>9,} {r.contender:11} {when} {r.seconds:8.2f} s {rate(r):8,.0f} users/s  {r.cannot}", flush=True)


def main(words: list[str]) -> int:
    """Run, write both files, and print the tables."""
    given = arguments(words)
    run(given)
    print_tables(given.out, given.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
