"""The documentation against the program: pages that drift fail here."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from ecluse.cli.main import cli
from ecluse.errors import all_errors
from ecluse.operations.registry import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
_COMMAND = re.compile(r"^\s*\$ (ecluse\b.*|make\b.*)$", re.M)
_FENCED = re.compile(r"^```(yaml|text)\n(.*?)^```", re.M | re.S)
_IN_JOBS = re.compile(r"(?:- (?:run: )?|&& )(ecluse [^&>|\n]*)")
_INLINE = re.compile(r"`(ecluse [a-z][^`]*)`")
_LINK = re.compile(r"\]\(([^)#]+?)\)")
_CODE = re.compile(r"\bECL\d{3}\b")


def _commands() -> Iterator[tuple[str, str]]:
    for page in WRITTEN:
        text = page.read_text(encoding="utf-8")
        for line in [*_COMMAND.findall(text), *_INLINE.findall(text)]:
            yield page.name, line
        for _, block in _FENCED.findall(text):
            for line in _IN_JOBS.findall(block):
                yield page.name, line.partition("#")[0].strip()


def test_reference_is_what_the_program_says() -> None:
    """`make docs` would change nothing. In a process of its own, as it is run: other tests' settings are not its."""
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def _options(parameter: click.Parameter) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


@pytest.mark.parametrize(("page", "line"), sorted(set(_commands())))
def test_commands_of_the_pages_exist(page: str, line: str) -> None:
    """Every command line of the docs names a command and options that the program has."""
    words = shlex.split(line.replace("...", ""))
    if words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
        return
    name, arguments = words[1], words[2:]
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
        assert command is not None, f"{page}: ecluse has no command '{name}'"
        while isinstance(command, click.Group) and arguments:
            command = command.get_command(context, arguments.pop(0))
            assert command is not None
        known = {option for parameter in (*command.params, *cli.params) for option in _options(parameter)}
    for word in arguments:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{page}: '{name}' has no option '{word}'"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_and_error_codes_of_the_pages_exist(page: Path) -> None:
    """Every relative link leads somewhere; every error code is one."""
    text = page.read_text(encoding="utf-8")
    broken = [link for link in _LINK.findall(text) if "://" not in link and not (page.parent / link).exists()]
    assert broken == []
    codes = {error.code for error in all_errors()}
    assert set(_CODE.findall(text)) <= codes


def test_every_operation_and_error_has_a_page_entry() -> None:
    """Nothing is left out of the reference."""
    operations = (ROOT / "docs/reference/operations.md").read_text(encoding="utf-8")
    errors = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    assert all(f"## `{kind}`" in operations for kind in OPERATIONS)
    assert all(f"`{error.code}`" in errors for error in all_errors())


def test_every_error_has_a_code_of_its_own_and_a_meaning() -> None:
    """Codes are what people search for."""
    codes = [error.code for error in all_errors()]
    assert len(codes) == len(set(codes))
    assert all(error.__doc__ and error.__doc__.strip().endswith((".", ".`")) for error in all_errors())


def test_the_jobs_of_the_pipelines_can_be_read() -> None:
    """The YAML is YAML, its commands are found above, and what it keeps of a job exists."""
    page = (ROOT / "docs/how-to/in-a-pipeline.md").read_text(encoding="utf-8")
    github, gitlab = (yaml.safe_load(block) for kind, block in _FENCED.findall(page) if kind == "yaml")
    steps = [step["run"] for job in github["jobs"].values() for step in job["steps"] if "run" in step]
    script = [line for job in gitlab.values() if isinstance(job, dict) for line in job.get("script", [])]
    found = {line for name, line in _commands() if name == "in-a-pipeline.md"}
    said = [line.partition(" > ")[0].strip() for line in (*steps, *script) if line.startswith("ecluse")]
    assert len(said) > 15 and set(said) <= found
    assert all(
        "--yes" in line for line in said if line.split()[1] in ("apply", "switch", "rollback") and "--dry" not in line
    )
