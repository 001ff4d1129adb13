"""`python -m benchmarks.move`: all contenders in turn, again and again, so that a noisy machine is noisy for all."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from importlib.metadata import version

from benchmarks import arguments as shared
from benchmarks.files import as_json, print_tables, write
from benchmarks.move.contest import CONTENDERS, Result, measure
from benchmarks.move.ground import TwoServers
from benchmarks.move.peers import pgcopydb_version
from benchmarks.move.report import as_markdown
from benchmarks.report import machine


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    what = "conversations; twice as many events"
    parser = shared.parser("benchmarks.move", __doc__, "1000000", what, CONTENDERS, "-move")
    return shared.read(parser, words, CONTENDERS)


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for, interleaved by rounds."""
    results: list[Result] = []
    facts = machine() | {"psycopg": version("psycopg"), "rounds": str(given.rounds)} | pgcopydb_version()
    with shared.working_folder(given.folder) as folder, closing(TwoServers(folder)) as ground:
        facts |= ground.settings()
        for rows in map(int, given.rows.split(",")):
            template, wanted = ground.prepare(rows)
            for _ in range(given.rounds):
                for name in given.only:
                    results.append(measure(ground, template, name, rows, wanted))
                    _tell(results[-1])
                    # What is measured is not lost with the rest.
                    write(given.out, given.name, as_markdown(results, facts), as_json(results, facts))
            ground.drop()
    return results


def _tell(r: Result) -> None:
    print(
        f"{r.rows:>9,} {r.contender:9} {r.seconds:8.2f} s {r.servers:7.1f} + {r.clients:.1f} s CPU  {r.cannot}",
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
