"""`ecluse recipes`: the migrations that are shipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.recipe_files import find_recipe
from ecluse.cli.render import human


@click.command(cls=Command)
@click.argument("name", required=False)
@current
def recipes(invocation: Invocation, /, name: str | None) -> None:
    """List the recipes, or show the one of this NAME with the generations that it knows."""
    from ecluse.recipes.registry import RECIPES

    chosen = [find_recipe(name)] if name else list(RECIPES.values())
    values = [
        {"name": r.name, "summary": r.summary, "generations": dict(r.generations), "sample_rows": r.rows}
        for r in chosen
    ]
    invocation.show({"recipes": values}, _one if name else _list)
    if name:
        invocation.next(f"ecluse init {name}")


def _list(value: dict[str, Any]) -> Iterator[str]:
    yield from human.table([(human.heading(r["name"]), r["summary"]) for r in value["recipes"]], indent=0)


def _one(value: dict[str, Any]) -> Iterator[str]:
    for recipe in value["recipes"]:
        yield human.heading(recipe["name"])
        yield f"  {recipe['summary']}"
        yield "  It knows these generations, and refuses others by what differs:"
        yield from human.table(recipe["generations"].items(), indent=4)
        yield f"  A sample (--sample) has {human.count(recipe['sample_rows'])} rows, or as many as --rows says."
        yield f"  `ecluse init {recipe['name']}` writes it for the database that it finds; the files are yours to edit."
