"""`python -m benchmarks`: all contenders in turn, again and again, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

from benchmarks.contest import CONTENDERS, Result, measure, quiet
from benchmarks.files import print_tables, write
from benchmarks.ground import Ground
from benchmarks.report import as_json, as_markdown, machine

RESULTS = Path(__file__).parent / "results"


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", default="1000000", help="conversations; several sizes with commas")
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    parser.add_argument("--load", choices=("idle", "loaded", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="5,000 rows, one round: does it still work?")
    parser.add_argument("--folder", type=Path, help="where the server keeps its data; kept for the next run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--name", default=str(date.today()), help="name of the result files")
    given = parser.parse_args(words)
    unknown = set(given.only.split(",")) - set(CONTENDERS)
    if unknown:
        parser.error(f"no such contender: {', '.join(sorted(unknown))}; there are {', '.join(CONTENDERS)}")
    return given


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for, interleaved by rounds."""
    sizes = [5_000] if given.quick else [int(n) for n in given.rows.split(",")]
    rounds, settle = (1, 0.3) if given.quick else (given.rounds, 2.0)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="ecluse-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    ground = Ground(folder)
    results: list[Result] = []
    facts = machine() | {"psycopg": version("psycopg"), "rounds": str(rounds)}
    try:
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
    finally:
        ground.close()
        if not given.folder:
            shutil.rmtree(folder, ignore_errors=True)
    return results


def _round(ground: Ground, template: str, rows: int, given: argparse.Namespace, settle: float) -> Iterator[Result]:
    """Every contender once, idle and then under load."""
    wanted = [name for name in CONTENDERS if name in given.only.split(",")]
    if given.load != "loaded":
        for name in wanted:
            yield measure(ground, template, name, rows, loaded=False, settle=settle)
    if given.load != "idle":
        yield quiet(ground, template, rows, settle * 3)
        for name in wanted:
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
