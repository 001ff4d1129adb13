"""`python -m benchmarks.safety`: every tool in every hazard; the table is made of what became of the databases."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from benchmarks import arguments as shared
from benchmarks.files import as_json, print_tables, write
from benchmarks.report import machine
from benchmarks.safety.contenders import CONTENDERS
from benchmarks.safety.contest import Contest, Result
from benchmarks.safety.ground import TwoServers
from benchmarks.safety.hazards import HAZARDS
from benchmarks.safety.report import as_markdown

_NAMES = tuple(contender.name for contender in CONTENDERS)


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    what = "conversations, and 0.4 times as many tags"
    parser = shared.parser("benchmarks.safety", __doc__, "20000", what, _NAMES, "-safety")
    known = [hazard.name for hazard in HAZARDS]
    parser.add_argument("--hazards", default=",".join(known), help="which, with commas")
    parser.add_argument("--rows-to-kill", type=int, default=60_000, help="conversations, where the program is killed")
    given = shared.read(parser, words, _NAMES)
    wanted = given.hazards.split(",")
    if unknown := set(wanted) - set(known):
        parser.error(f"no such hazard: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    given.hazards = [hazard for hazard in HAZARDS if hazard.name in wanted]
    return given


def run(given: argparse.Namespace) -> list[Result]:
    """Everything that was asked for."""
    results: list[Result] = []
    contenders = [contender for contender in CONTENDERS if contender.name in given.only]
    versions = {contender.name.partition("-")[0]: contender.version() for contender in contenders}
    facts = machine() | {"conversations": given.rows, "and where programs are killed": str(given.rows_to_kill)}
    with shared.working_folder(given.folder) as folder, closing(TwoServers(folder)) as ground:
        facts |= ground.settings()
        contest = Contest(ground, int(given.rows), given.rows_to_kill)
        for hazard in given.hazards:
            for contender in contenders:
                results.append(contest.measure(hazard, contender))
                _tell(results[-1])
                # What is found out is not lost with the rest.
                write(given.out, given.name, as_markdown(results, facts, versions), as_json(results, facts | versions))
    return results


def _tell(r: Result) -> None:
    v = r.verdict
    print(f"{r.hazard:13} {r.contender:14} {r.seconds:6.1f} s  {v.outcome:14} {v.left:9} {v.why[:120]}", flush=True)


def main(words: list[str]) -> int:
    """Run, write both files, and print the tables."""
    given = arguments(words)
    results = run(given)
    print_tables(given.out, given.name)
    return any(r.contender == "ecluse" and r.verdict.outcome == "silently wrong" for r in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
