"""`python -m benchmarks.move`: all contenders in turn, again and again, so that a noisy machine is noisy for all."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks.files import print_tables, write
from benchmarks.move.contest import CONTENDERS, Result, measure
from benchmarks.move.ground import TwoServers
from benchmarks.move.peers import pgcopydb_version
from benchmarks.move.report import as_json, as_markdown
from benchmarks.report import machine

RESULTS = Path(__file__).parent.parent / "results"


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.move", description=__doc__)
    parser.add_argument(
        "--rows", default="1000000", help="conversations; twice as many events; several sizes with commas"
    )
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    parser.add_argument("--folder", type=Path, help="where the servers keep their data; kept for the next run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--name", default=f"{date.today()}-move", help="name of the result files")
    given = parser.parse_args(words)
    unknown = set(given.only.split(",")) - set(CONTENDERS)
    if unknown:
        parser.error(f"no such contender: {', '.join(sorted(unknown))}; there are {', '.join(CONTENDERS)}")
    return given


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for, interleaved by rounds."""
    folder = given.folder or Path(tempfile.mkdtemp(prefix="ecluse-move-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    results: list[Result] = []
    facts = machine() | {"psycopg": version("psycopg"), "rounds": str(given.rounds)} | pgcopydb_version()
    ground = TwoServers(folder)
    try:
        facts |= ground.settings()
        for rows in map(int, given.rows.split(",")):
            template, wanted = ground.prepare(rows)
            for _ in range(given.rounds):
                for name in (name for name in CONTENDERS if name in given.only.split(",")):
                    results.append(measure(ground, template, name, rows, wanted))
                    _tell(results[-1])
                    # What is measured is not lost with the rest.
                    write(given.out, given.name, as_markdown(results, facts), as_json(results, facts))
            ground.drop()
    finally:
        ground.close()
        if not given.folder:
            shutil.rmtree(folder, ignore_errors=True)
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
