"""`ecluse init`: a settings file to begin with, and, where a recipe is named, its migration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import SETTINGS_FILE, Project
from ecluse.cli.render import human

SETTINGS = """\
# Écluse: which databases there are, and where the migrations lie.
migrations = "migrations"

[databases]
# An embedded PostgreSQL under .ecluse/, started when it is needed: to try things out.
app = "embedded:app"

# Your own. `env:` takes the address from a variable, so that no password stands in a file.
# app = "env:DATABASE_URL"
# app = "postgresql://user@host:5432/name"
# app = "service=name"

# With `protect`, changes ask for the name of the database first.
# [databases.production]
# url = "env:PRODUCTION_URL"
# protect = true
"""


@click.command(cls=Command)
@click.argument("recipe", required=False)
@click.option(
    "--force", is_flag=True, help="Write files anew that are there already; a recipe keeps a changed one as .old."
)
@click.option("--zone", default="UTC", show_default=True, help="The zone of timestamps that have none.")
@click.option("--user-map", default="", metavar="FILE", help="A CSV in the migration's folder: old_value, uuid.")
@click.option("--sample", metavar="GENERATION", help="Fill the database, which must be empty, with a sample first.")
@click.option("--rows", type=click.IntRange(min=1), help="Rows of the sample; `ecluse recipes` says the default.")
@click.option("--seed", type=int, default=1, show_default=True, help="The sample's seed.")
@current
def init(invocation: Invocation, /, recipe: str | None, force: bool, sample: str | None, **given: Any) -> None:
    """Begin a project in this folder: ecluse.toml and migrations/.

    With the name of a RECIPE (see `ecluse recipes`), write its migration too, for the database that is found: you may
    edit what was written.
    """
    if sample and not recipe:
        raise click.UsageError("--sample needs the name of a recipe")
    value = _begin(invocation, force=force and not recipe)
    if recipe:
        value |= _recipe(Project.of(invocation), value, recipe, sample, given, force=force)
    invocation.show(value, _lines)
    invocation.next(f"ecluse plan {value['migrations'][0]}" if recipe else "ecluse doctor")


def _begin(invocation: Invocation, *, force: bool) -> dict[str, Any]:
    file = invocation.config or Path(SETTINGS_FILE)
    written, kept = [], []
    if file.exists() and not force:
        kept.append(str(file))
    else:
        file.write_text(SETTINGS, encoding="utf-8")
        written.append(str(file))
    project = Project(file, invocation.database)
    if not project.migrations.is_dir():
        project.migrations.mkdir(parents=True)
        written.append(f"{project.settings.migrations}/")
    return {"written": written, "kept": kept}


def _recipe(
    project: Project, value: dict[str, Any], name: str, sample: str | None, given: dict[str, Any], *, force: bool
) -> dict[str, Any]:
    from ecluse.cli.recipe_files import databases_of, find_recipe, load_sample, write_recipe
    from ecluse.recipes.registry import Choices

    recipe = find_recipe(name)
    databases = databases_of(project, recipe)
    if sample:
        rows = given["rows"] or recipe.rows
        load_sample(databases, recipe, sample, rows, given["seed"])
        if recipe.folder:
            recipe.write_folder(project.folder / recipe.folder, rows, given["seed"])
            value["written"].append(f"{recipe.folder}/")
    choices = Choices(zone=given["zone"], user_map=given["user_map"])
    found = write_recipe(project, databases, recipe, choices, force=force)
    return {
        "recipe": name,
        "generation": found.generation,
        "database": " and ".join(map(str, databases.values())),
        "migrations": found.migrations,
        "written": value["written"] + found.written,
        "kept": value["kept"] + found.kept,
        "aside": found.aside,
    }


def _lines(value: dict[str, Any]) -> Iterator[str]:
    if "generation" in value:
        yield f"{value['database']}: generation {value['generation']}"
    yield from human.table([("wrote", name) for name in value["written"]], indent=0)
    yield from human.table([("put aside", name) for name in value.get("aside", ())], indent=0)
    yield from human.table([("kept", _kept(value, name)) for name in value["kept"]], indent=0)


def _kept(value: dict[str, Any], name: str) -> str:
    forced = "recipe" not in value or Path(name).name != SETTINGS_FILE  # a recipe never writes the settings anew
    return f"{name} (it is there already{'; --force writes it anew' if forced else ''})"
