"""The two files that a benchmark leaves: tables for people, and all figures for programs."""

from __future__ import annotations

from pathlib import Path


def write(folder: Path, name: str, markdown: str, json: str) -> None:
    """Write both, over those of an earlier run of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown)
    (folder / f"{name}.json").write_text(json)


def print_tables(folder: Path, name: str) -> None:
    """Print what was written for people."""
    print((folder / f"{name}.md").read_text())
