"""What the command lines of all benchmarks have in common, and the folder in which one works."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def parser(
    program: str,
    description: str | None,
    rows: str,
    what: str,
    contenders: Sequence[str],
    name: str = "",
    parents: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    """The arguments of every benchmark. `rows`: how many of `what` where nothing is said; `name`: of its results."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description, parents=parents)
    parser.add_argument("--rows", default=rows, help=f"{what}; several sizes with commas")
    parser.add_argument("--only", default=",".join(contenders), help="contenders, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    parser.add_argument("--folder", type=Path, help="where the server keeps its data; kept for the next run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--name", default=f"{date.today()}{name}", help="name of the result files")
    return parser


def read(parser: argparse.ArgumentParser, words: list[str], contenders: Sequence[str]) -> argparse.Namespace:
    """The command line, with `only` as a list in the order in which contenders run."""
    given = parser.parse_args(words)
    wanted = set(given.only.split(","))
    unknown = wanted - set(contenders)
    if unknown:
        parser.error(f"no such contender: {', '.join(sorted(unknown))}; there are {', '.join(contenders)}")
    given.only = [name for name in contenders if name in wanted]
    return given


@contextmanager
def working_folder(given: Path | None) -> Iterator[Path]:
    """The folder that was named, or one that goes with the benchmark."""
    folder = given or Path(tempfile.mkdtemp(prefix="ecluse-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if not given:
            shutil.rmtree(folder, ignore_errors=True)
