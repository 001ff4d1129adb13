"""`python -m benchmarks`: all contenders in turn, again and again, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version

from benchmarks import arguments as shared
from benchmarks.cases import CASES, DEFAULT
from benchmarks.contest import Result, measure, quiet
from benchmarks.files import as_json, print_tables, write
from benchmarks.report import as_markdown, machine
from benchmarks.templates import Templates


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line: the case first, for the contenders are its own."""
    first = argparse.ArgumentParser(prog="python -m benchmarks", add_help=False)
    first.add_argument("--case", choices=sorted(CASES), default=DEFAULT, help="what is migrated")
    case = CASES[first.parse_known_args(words)[0].case]
    suffix = "" if case.name == DEFAULT else f"-{case.name}"
    parser = shared.parser("benchmarks", __doc__, "1000000", case.name, case.contenders, suffix, [first])
    parser.add_argument("--load", choices=("idle", "loaded", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="5,000 rows, one round: does it still work?")
    return shared.read(parser, words, case.contenders)


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for, interleaved by rounds."""
    sizes = [5_000] if given.quick else [int(n) for n in given.rows.split(",")]
    rounds, settle = (1, 0.3) if given.quick else (given.rounds, 2.0)
    case = CASES[given.case]
    results: list[Result] = []
    facts = machine() | {"psycopg": version("psycopg"), "case": case.name, "rounds": str(rounds)}
    with shared.working_folder(given.folder) as folder, closing(Templates(folder, case)) as ground:
        for rows in sizes:
            template = ground.prepare(rows)
            for _ in range(rounds):
                for result in _round(ground, template, rows, given, settle):
                    _tell(result)
                    results.append(result)
                    known = facts | ground.settings()
                    # What is measured is not lost with the rest.
                    write(given.out, given.name, as_markdown(case, results, known), as_json(results, known))
            ground.drop("bench")
    return results


def _round(ground: Templates, template: str, rows: int, given: argparse.Namespace, settle: float) -> Iterator[Result]:
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
