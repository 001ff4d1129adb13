"""`ecluse inspect`: what is there, and which columns look like references."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.project import Project
from ecluse.cli.render import human
from ecluse.cli.render.json import plain
from ecluse.errors import UnknownGeneration

if TYPE_CHECKING:
    from ecluse.model.catalog import Catalog, Table
    from ecluse.postgres.connect import Database


@click.command(cls=Command)
@click.option(
    "--expect",
    "expects",
    metavar="[DATABASE=]FILE|RECIPE",
    multiple=True,
    help="Compare the schema with this one; exit 3 where it differs. May be given for each database.",
)
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE", help="Write the schema to FILE (.json).")
@current
def inspect(invocation: Invocation, /, expects: tuple[str, ...], save: Path | None) -> int:
    """Show the tables of a database, and the columns that look like references without being foreign keys.

    For those, a sample of the values is looked up in the keys of other tables, inside jsonb and arrays too.

    With --expect, say instead what is missing and what differs from a schema, and print a migration that would bring
    it: a .sql file as `pg_dump --schema-only` writes it or by hand, a FILE of --save, or what a RECIPE promises. Not
    compared are owners, comments, storage, the order of columns, and what extensions made. What only the database has
    is told, and is no fault; rights are, where the schema gives any on the object. With a DATABASE of ecluse.toml in
    front, several are compared in one call, and one that differs is enough for exit 3.
    """
    from ecluse.postgres.catalog import read_catalog
    from ecluse.postgres.connect import open_session
    from ecluse.postgres.references import likely_references

    project = Project.of(invocation)
    if save is not None:
        save.write_text(_saved(project.database()), encoding="utf-8")
        invocation.say(f"wrote {save}")
    if expects:
        return _compare(invocation, project, expects)
    if save is not None:
        return 0
    database = project.database()
    with open_session(database, role="inspect") as conn:
        catalog = read_catalog(conn)
        references = likely_references(conn, catalog)
    value = {
        "database": str(database),
        "server_version": catalog.server_version,
        "tables": [_table(catalog, table) for table in catalog.tables.values()],
        "references": plain(references),
        "recipes": _recipes(database.name, catalog),
    }
    invocation.show(value, _lines)
    return 0


def _saved(database: Database) -> str:
    from ecluse.postgres.catalog import read_catalog
    from ecluse.postgres.connect import open_session
    from ecluse.postgres.saved_catalog import save

    with open_session(database, role="inspect") as conn:
        return save(read_catalog(conn, measure=False))


def _compare(invocation: Invocation, project: Project, expects: tuple[str, ...]) -> int:
    """Compare each database with what is expected of it: all are looked at, whatever the first one says."""
    from ecluse.cli import expect

    wanted = [expect.wanted(project, text) for text in expects]
    found = [expect.compared(project, database, file) for database, file in wanted]
    fits = all(value["fits"] for value in found)
    if len(found) == 1:
        invocation.show(found[0], expect.lines)
    else:
        invocation.show({"fits": fits, "databases": found}, expect.all_lines)
    return 0 if fits else 3


def _recipes(database: str, catalog: Catalog) -> list[dict[str, str]]:
    """The recipes that recognise this database."""
    from ecluse.recipes.registry import RECIPES

    found = []
    for recipe in RECIPES.values():
        with contextlib.suppress(UnknownGeneration):
            found.append({"recipe": recipe.name, "generation": recipe.detect({database: catalog})})
    return found


def _table(catalog: Catalog, table: Table) -> dict[str, Any]:
    own = ("default", "generated", "constraint", "index", "statistics", "sequence")
    return {
        "name": str(table.name),
        "rows": None if table.rows < 0 else round(table.rows),
        "octets": table.size,
        "primary_key": list(table.primary_key),
        "refers_to": sorted({str(k.references) for k in table.foreign_keys}),
        "referred_by": sorted({str(name) for name, _ in catalog.referencing(table.name)}),
        "dependents": sorted({d.object for d in catalog.dependents if d.table == table.name and d.kind not in own}),
        "columns": [{"name": c.name, "type": c.type, "not_null": c.not_null} for c in table.columns],
    }


def _lines(value: dict[str, Any]) -> Iterator[str]:
    yield human.heading(value["database"])
    rows: list[tuple[str, ...]] = [("table", "rows", "size", "key", "refers to", "referred by")]
    for table in value["tables"]:
        rows.append(
            (
                table["name"],
                human.count(table["rows"]),
                human.size(table["octets"]),
                ", ".join(table["primary_key"]) or "NONE",
                ", ".join(table["refers_to"]),
                ", ".join(table["referred_by"]),
            )
        )
    yield from human.table(rows, right=[1, 2])
    for table in value["tables"]:
        if table["dependents"]:
            yield f"  on {table['name']} stand: {', '.join(table['dependents'])}"
    yield from _references(value["references"])
    for found in value["recipes"]:
        yield f"Recipe {found['recipe']} knows this as generation {found['generation']}: ecluse init {found['recipe']}"


def _references(found: list[dict[str, Any]]) -> Iterator[str]:
    if not found:
        yield "No column looks like a reference that is not declared."
        return
    yield human.heading("columns that look like references, and are no foreign keys")
    rows: list[tuple[str, ...]] = [("column", "type", "looks like", "type", "overlap", "")]
    for one in found:
        place = f"{one['table']}.{one['column']}" + (f" -> {one['path']}" if one["path"] else "")
        why = "by name and values" if one["by_name"] else "by values"
        if one["found_otherwise"]:
            why += f"; {one['found_otherwise']:,} written otherwise"
        share = f"{one['share']:.0%} of {one['values_sampled']:,}"
        key = f"{one['key_table']}.{one['key_column']}"
        rows.append((place, one["type"], key, one["key_type"], share, why))
    yield from human.table(rows, right=[4])
