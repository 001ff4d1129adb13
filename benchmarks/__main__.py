"""`python -m benchmarks`: all contenders in turn, again and again, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version

from benchmarks import arguments as shared
from benchmarks.contest import CONTENDERS, Result, measure, quiet
from benchmarks.files import as_json, print_tables, write
from benchmarks.ground import Ground
from benchmarks.report import as_markdown, machine


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = shared.parser("benchmarks", __doc__, "1000000", "conversations", CONTENDERS)
    parser.add_argument("--load", choices=("idle", "loaded", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="5,000 rows, one round: does it still work?")
    return shared.read(parser, words, CONTENDERS)


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for, interleaved by rounds."""
    sizes = [5_000] if given.quick else [int(n) for n in given.rows.split(",")]
    rounds, settle = (1, 0.3) if given.quick else (given.rounds, 2.0)
    results: list[Result] = []
    facts = machine() | {"psycopg": version("psycopg"), "rounds": str(rounds)}
    with shared.working_folder(given.folder) as folder, closing(Ground(folder)) as ground:
        for rows in sizes:
            template = ground.prepare(rows)
            for _ in range(rounds):
                for result in _round(ground, template, rows, given, settle):
                    _tell(result)
                    results.append(result)
                    known = facts | ground.settings()
                    # What is measured is not lost with the rest.
                    write(given.out, given.name, as_markdown(results, known), as_json(results, known))
            ground.drop("bench")
    return results


def _round(ground: Ground, template: str, rows: int, given: argparse.Namespace, settle: float) -> Iterator[Result]:
    """Every contender once, idle and then under load."""
    if given.load != "loaded":
        for name in given.only:
            yield measure(ground, template, name, rows, loaded=False, settle=settle)
    if given.load != "idle":
        yield quiet(ground, template, rows, settle * 3)
        for name in given.only:
            if name != "floor":  # it would lose what is written meanwhile
                yield measure(ground, template, name, rows, loaded=True, settle=settle)


def _tell(r: Result) -> None:
    when = "load" if r.loaded else "idle"
    stall = f"  worst stall {r.felt.worst:7.0f} ms" if r.felt else ""
    print(f"{r.rows:>9,} {r.contender:9} {when} {r.seconds:8.2f} s {r.cpu:7.1f} s CPU{stall}  {r.cannot}", flush=True)


def main(words: list[str]) -> int:
    """Run, write both files, and print the tables."""
    given = arguments(words)
    run(given)
    print_tables(given.out, given.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
