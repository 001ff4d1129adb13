"""Recipes in a project: a sample to try one on, and its files, which are the user's from then on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecluse.cli.project import Project
from ecluse.errors import WrongState, WrongUsage

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database
    from ecluse.recipes.registry import Choices, Recipe


def find_recipe(name: str) -> Recipe:
    """The recipe of that name."""
    from ecluse.model.settings import did_you_mean
    from ecluse.recipes.registry import RECIPES

    if name not in RECIPES:
        raise WrongUsage(f"there is no recipe '{name}'{did_you_mean(name, RECIPES)}", hint="ecluse recipes")
    return RECIPES[name]


def load_sample(database: Database, recipe: Recipe, generation: str, rows: int, seed: int) -> None:
    """Fill an empty database with a sample legacy one."""
    from ecluse.postgres.catalog import read_catalog
    from ecluse.postgres.connect import open_session

    if generation not in recipe.generations:
        known = ", ".join(recipe.generations)
        raise WrongUsage(f"'{recipe.name}' has no sample '{generation}'", hint=f"--sample with one of {known}")
    with open_session(database, role="sample") as conn:
        tables = read_catalog(conn, measure=False).tables
        if tables:
            raise WrongState(
                f"{database} is not empty, and a sample goes into an empty database only",
                details=f"it has {', '.join(map(str, list(tables)[:5]))}" + (", ..." if len(tables) > 5 else ""),
                state="nothing was changed",
            )
        recipe.load(conn, generation, rows, seed)


def write_recipe(
    project: Project, database: Database, recipe: Recipe, choices: Choices, *, force: bool
) -> tuple[str, list[str], list[str]]:
    """Write the recipe for the database as it is; gives its generation, the files written and those kept."""
    from ecluse.postgres.catalog import read_catalog
    from ecluse.postgres.connect import open_session

    with open_session(database, role="init") as conn:
        catalog = read_catalog(conn)
    generation = recipe.detect(catalog)
    folder = project.migrations / recipe.name
    written, kept = [], []
    for name, text in recipe.write(catalog, database.name, choices).items():
        file = folder / name
        shown = str(Path(project.settings.migrations) / recipe.name / name)
        if file.exists() and not force:
            kept.append(shown)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(shown)
    return generation, written, kept
