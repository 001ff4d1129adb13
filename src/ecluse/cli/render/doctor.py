"""What `doctor` says, out of the values that --json prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click

from ecluse.cli.render import human

_WIDTH = 110
_WORDS = {
    "wrong": click.style("WRONG", fg="red", bold=True),
    "warning": click.style("warning", fg="yellow"),
    "told": click.style("told", fg="cyan"),
    "good": click.style("ok", fg="green"),
}


def listing(value: dict[str, Any]) -> Iterator[str]:
    """All checks, by topic."""
    for topic, checks in groupby(value["checks"], key=lambda check: check["topic"]):
        yield human.heading(topic)
        for check in checks:
            yield f"  {click.style(check['id'], bold=True)} ({check['level']}): {check['title']}"
            yield from _wrapped(check["means"], "    ")
            if check["fix"]:
                yield f"    fix: {check['fix']}"
        yield ""


def accepted(value: dict[str, Any]) -> Iterator[str]:
    """What is no drift any more."""
    for each in value["accepted"]:
        yield f"  accepted: {each}"
    if not value["accepted"]:
        yield f"All is as '{value['migration']}' left it; there is nothing to accept."


def lines(value: dict[str, Any], *, good: bool = False) -> Iterator[str]:
    """What was found; of what is well, how much was looked at."""
    for one in (value["project"], *value["databases"]):
        if not one["findings"]:
            continue
        yield human.heading(one["label"])
        for (id_, level), group in groupby(one["findings"], key=lambda f: (f["id"], f["level"])):
            if level != "good" or good:
                yield from _findings(id_, level, list(group))
    if not value["names"]:
        yield 'There is no database in ecluse.toml. To try things out: [databases] app = "embedded:app"'
        return
    yield from _end(value)


def verbose(value: dict[str, Any]) -> Iterator[str]:
    """The same, with every check that found nothing."""
    yield from lines(value, good=True)


def _findings(id_: str, level: str, findings: list[dict[str, Any]]) -> Iterator[str]:
    """What one check found: each thing and how to put it right, and once what it means."""
    for finding in findings:
        yield f"  {_WORDS[level]}  {id_}" + (f"  {finding['found']}" if finding["found"] else "")
        if level in ("wrong", "warning"):
            yield f"      fix: {finding['fix']}"
    if level in ("wrong", "warning"):
        yield from _wrapped(findings[0]["means"], "      means: ")


def _wrapped(text: str, label: str) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH, initial_indent=label, subsequent_indent=" " * len(label))


def _end(value: dict[str, Any]) -> Iterator[str]:
    counts = value["counts"]
    told = [f"{human.many(counts['good'], 'check')} found nothing"]
    if counts["unseen"]:
        told.append(f"{counts['unseen']} could not look")
    yield f"{', '.join(told)}."
    warnings = human.many(counts["warning"], "warning")
    if value["healthy"]:
        yield f"Nothing is wrong; {warnings}." if counts["warning"] else "Nothing is wrong."
    else:
        yield f"Something is wrong: {counts['wrong']:,} wrong, {warnings}."
