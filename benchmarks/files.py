"""The two files that a benchmark leaves: tables for people, and all figures for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def as_json(results: Sequence[Any], facts: dict[str, str]) -> str:
    """Every single measurement."""
    return json.dumps({"facts": facts, "results": [asdict(r) for r in results]}, indent=1, ensure_ascii=False) + "\n"


def write(folder: Path, name: str, markdown: str, figures: str) -> None:
    """Write both, over those of an earlier run of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown)
    (folder / f"{name}.json").write_text(figures)


def print_tables(folder: Path, name: str) -> None:
    """Print what was written for people."""
    print((folder / f"{name}.md").read_text())
