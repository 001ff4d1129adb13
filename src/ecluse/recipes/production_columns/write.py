"""Writes the migration that completes the database that was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Table
from ecluse.model.toml_text import string, strings, table
from ecluse.operations.definitions import column as column_of
from ecluse.planning.ddl_table import create_table
from ecluse.recipes.production_columns.recognise import (
    COLUMNS,
    CONVERSATIONS,
    OPTIONAL,
    QUESTIONS,
    REQUIRED,
    Production,
    recognise,
)
from ecluse.recipes.texts import text_of
from ecluse.recipes.views import again, comments, grants, standing

NAME = "production_columns"
_PACKAGE = "ecluse.recipes.production_columns"
_DIGITS = {"smallint": 4, "integer": 9, "bigint": 18}  # that surely fit
# For reports by person, time and status. PostgreSQL builds them without anybody's help, and without blocking.
_INDEXES = {
    "idx_conversations_user_id": "(user_id)",
    "idx_conversations_created_at": "(created_at desc)",
    "idx_conversations_status": "(status)",
    "idx_conversations_stats": "(user_id, created_at, status)",
}


def detect(catalog: Catalog) -> str:
    """The generation. Raises UnknownGeneration, also where there is nothing to do."""
    return _unfinished(catalog).generation


def write(catalog: Catalog, database: str) -> dict[str, str]:
    """The files of the migration by their paths. Raises UnknownGeneration, also where there is nothing to do."""
    found = _unfinished(catalog)
    files = {"migration.toml": "\n".join(_migration(catalog, found, database)) + "\n"}
    if not found.view_fits or found.whole_feedback:
        files["define/view.sql"] = view(catalog, found)
        files["define/view_probe.sql"] = text_of(_PACKAGE, "templates/view_probe.sql")
    return files


def _unfinished(catalog: Catalog) -> Production:
    found = recognise(catalog)
    if found.done:
        raise UnknownGeneration(
            f"{CONVERSATIONS} has the columns of production already, and {QUESTIONS} shows them: nothing to do",
            state="nothing was changed",
        )
    return found


def _migration(catalog: Catalog, found: Production, database: str) -> Iterator[str]:
    yield text_of(_PACKAGE, "templates/head.toml", table=str(CONVERSATIONS), database=string(database)).rstrip()
    if found.whole_feedback is not None:
        yield from _convert_feedback(found.whole_feedback.type)
    if found.missing:
        yield from ("", "[[operation]]", 'kind = "add_columns"', f"table = {string(str(CONVERSATIONS))}")
        yield table("operation.columns", {name: COLUMNS[name][0] for name in found.missing})
    if not found.view_fits or found.whole_feedback:
        objects = [f"view {QUESTIONS}"]
        objects += [f"{'materialized ' if v.materialised else ''}view {v.name}" for v in standing(catalog, QUESTIONS)]
        yield from ("", "# Made within the switch: at no moment is there no view.", "[[operation]]")
        yield from ('kind = "define"', f"title = {string(f'view {QUESTIONS}')}", 'up = "define/view.sql"')
        yield from (f"objects = {strings(objects)}", 'verify = "define/view_probe.sql"')
    yield from _indexes(found)


def _convert_feedback(number: str) -> Iterator[str]:
    yield from ("", "# Numbers become texts; a text that is no number cannot go back, and is parked by a rollback.")
    yield from ("[[operation]]", 'kind = "convert_column"', f"table = {string(str(CONVERSATIONS))}")
    yield from ('column = "feedback"', 'to = "text"', 'using = "feedback::text"')
    back = f"case when feedback ~ '^-?[0-9]{{1,{_DIGITS[number]}}}$' then feedback::{number} end"
    yield f"back = {string(back)}"


def _indexes(found: Production) -> Iterator[str]:
    there = {index.name for index in found.table.indexes}
    lacking = [f"#   create index concurrently {n} on {CONVERSATIONS} {on};" for n, on in _INDEXES.items()]
    lacking = [line for name, line in zip(_INDEXES, lacking, strict=True) if name not in there]
    if lacking:
        yield from ("", "# Indexes for reports, which PostgreSQL builds beside the application's work by itself:")
        yield from lacking


def shape(catalog: Catalog) -> str:
    """A script of the table as it is promised to this database, as far as this recipe knows it, and of the view."""
    found = recognise(catalog)
    own = {column.name: replace(column, sequence=None) for column in found.table.columns}
    if found.whole_feedback is not None:
        own["feedback"] = column_of("feedback", COLUMNS["feedback"][0])
    columns = [own[name] for name in (*REQUIRED, *OPTIONAL) if name in own]
    columns += [own.get(name) or column_of(name, definition) for name, (definition, _) in COLUMNS.items()]
    made = [
        f"{create_table(Table(CONVERSATIONS, tuple(columns)), CONVERSATIONS.schema)};",
        *([f"alter table {CONVERSATIONS} enable row level security;"] if found.table.rls else []),
        _view(catalog, found, ""),
    ]
    return "\n".join(made)


def view(catalog: Catalog, found: Production) -> str:
    """The script that makes the view, and again the views that stand on it."""
    return _view(catalog, found, "\n".join(again(v) for v in standing(catalog, QUESTIONS)))


def _view(catalog: Catalog, found: Production, dependents: str) -> str:
    kept = found.view
    options = kept.options if kept else ("security_invoker=true",) if _guards(catalog, found) else ()
    return (
        text_of(
            _PACKAGE,
            "templates/view.sql",
            options=f" with ({', '.join(options)})" if options else "",
            extras="\n".join([*grants(kept), *comments(kept)]) if kept else "",
            dependents=dependents,
            **{name: f"c.{name}" if found.table.column(name) else absent for name, absent in OPTIONAL.items()},
        ).rstrip()
        + "\n"
    )


def _guards(catalog: Catalog, found: Production) -> bool:
    """With row level security, and where the server knows how, a new view shows what its reader may see."""
    return found.table.rls and catalog.server_version >= 150000
