"""Recipes in a project: a sample to try one on, and its files, which are the user's from then on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ecluse.cli.project import Project
from ecluse.errors import UnknownDatabase, WrongState, WrongUsage

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database, Session
    from ecluse.recipes.registry import Choices, Recipe


@dataclass(frozen=True, slots=True)
class Written:
    """What was found, the names of the migrations in their order, and the files written, kept, and put aside."""

    generation: str
    migrations: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name."""
    from ecluse.model.settings import did_you_mean
    from ecluse.recipes.registry import RECIPES

    if name not in RECIPES:
        raise WrongUsage(f"there is no recipe '{name}'{did_you_mean(name, RECIPES)}", hint="ecluse recipes")
    return RECIPES[name]


def databases_of(project: Project, recipe: Recipe) -> dict[str, Database]:
    """The databases that the recipe concerns, by name."""
    if recipe.databases and project.wanted:
        named = " and ".join(recipe.databases)
        raise WrongUsage(
            f"'{recipe.name}' concerns the databases {named} of ecluse.toml", hint=f"ecluse init {recipe.name}"
        )
    if recipe.databases:
        _require_named(project, recipe)
        return {name: project.origin(name) for name in recipe.databases}
    found = project.database()
    return {found.name: found}


def _require_named(project: Project, recipe: Recipe) -> None:
    missing = [name for name in recipe.databases if name not in project.settings.databases]
    if missing:
        lines = [f'{name} = "env:{name.upper()}_URL"   # or, to try it out: "embedded:{name}"' for name in missing]
        raise UnknownDatabase(
            f"'{recipe.name}' concerns the databases {' and '.join(recipe.databases)}, and ecluse.toml does not name "
            f"{' and '.join(missing)}",
            hint="\n".join(["[databases]", *lines]),
        )


def load_sample(databases: Mapping[str, Database], recipe: Recipe, generation: str, rows: int, seed: int) -> None:
    """Fill empty databases with sample legacy ones."""
    from ecluse.postgres.connect import open_session

    if generation not in recipe.generations:
        known = ", ".join(recipe.generations)
        raise WrongUsage(f"'{recipe.name}' has no sample '{generation}'", hint=f"--sample with one of {known}")
    with ExitStack() as stack:
        conns = {name: stack.enter_context(open_session(each, role="sample")) for name, each in databases.items()}
        for name, conn in conns.items():
            _require_empty(databases[name], conn)
        recipe.load(conns, generation, rows, seed)


def _require_empty(database: Database, conn: Session) -> None:
    """Tables of an auth service may be there, without accounts: it takes no sample without them."""
    from ecluse.model.names import Name
    from ecluse.postgres.catalog import read_catalog

    there = read_catalog(conn, measure=False).tables
    tables = [str(name) for name in there if name.schema != "auth"]
    accounts = Name("auth", "users")
    if accounts in there and conn.execute(f"SELECT 1 FROM {accounts.sql} LIMIT 1".encode()).fetchone():
        tables.append(f"accounts in {accounts}")
    if tables:
        raise WrongState(
            f"{database} is not empty, and a sample goes into an empty database only",
            details=f"it has {', '.join(tables[:5])}" + (", ..." if len(tables) > 5 else ""),
            state="nothing was changed",
        )


def write_recipe(
    project: Project, databases: Mapping[str, Database], recipe: Recipe, choices: Choices, *, force: bool
) -> Written:
    """Write the recipe for the databases as they are."""
    from ecluse.postgres.catalog import read_catalog
    from ecluse.postgres.connect import open_session

    with ExitStack() as stack:
        conns = {name: stack.enter_context(open_session(each, role="init")) for name, each in databases.items()}
        catalogs = {name: read_catalog(conn) for name, conn in conns.items()}
        found = Written(recipe.detect(catalogs))
        files = recipe.write(catalogs, conns, choices)
    for name, text in files.items():
        file = project.migrations / name
        shown = str(Path(project.settings.migrations) / name)
        if file.name == "migration.toml":
            found.migrations.append(file.parent.name)
        if file.exists() and not force:
            found.kept.append(shown)
            continue
        if file.exists() and file.read_text(encoding="utf-8") != text:
            found.aside.append(str(Path(shown).with_name(_put_aside(file).name)))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        found.written.append(shown)
    return found


def _put_aside(file: Path) -> Path:
    """Keep what may be somebody's own lines beside the file that takes its place, under a name that is free."""
    names = (f"{file.name}.old{number or ''}" for number in count())
    aside = next(path for name in names if not (path := file.with_name(name)).exists())
    return file.rename(aside)
