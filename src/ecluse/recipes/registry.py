"""Every recipe there is. To add one: its folder, and an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import psycopg

from ecluse.model.catalog import Catalog
from ecluse.recipes.conversations_to_messages.generate import Generation, generate
from ecluse.recipes.conversations_to_messages.recognise import recognise
from ecluse.recipes.conversations_to_messages.shape import shape as conversations_shape
from ecluse.recipes.conversations_to_messages.values import Options
from ecluse.recipes.conversations_to_messages.write import NAME, write
from ecluse.recipes.production_columns import write as production

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Choices:
    """What a developer may choose when a recipe is written."""

    zone: str = "UTC"  # of timestamps without a zone
    user_map: str = ""  # a CSV file in the migration's folder: old_value, uuid


@dataclass(frozen=True, slots=True)
class Recipe:
    """A migration that is written for the database it is pointed at.

    `detect` and `write` raise UnknownGeneration, which says what differs. `write` gives the files by their paths in the
    migration's folder. `load` makes a sample legacy database of a generation. `shape` is a script of
    the shape that the recipe promises to the database of a catalogue.
    """

    name: str
    summary: str
    generations: Mapping[str, str]
    detect: Callable[[Catalog], str]
    write: Callable[[Catalog, str, Choices], dict[str, str]]
    load: Callable[[Connection, str, int, int], None]
    shape: Callable[[Catalog], str]


def _write_conversations(catalog: Catalog, database: str, choices: Choices) -> dict[str, str]:
    return write(catalog, database, Options(zone=choices.zone, user_map=choices.user_map))


def _load_conversations(conn: Connection, generation: str, rows: int, seed: int) -> None:
    generate(conn, cast(Generation, generation), rows, seed)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            NAME,
            "Rows of one question and one answer become conversations with messages, with UUID keys.",
            {
                "L1": "user_questions_complete: a table of questions, with e-mail addresses for users",
                "L2": "conversations: one flat table, text everywhere, a row for a conversation",
                "L3": "conversations with sources and mode, and a table of feedback",
            },
            lambda catalog: recognise(catalog).generation,
            _write_conversations,
            _load_conversations,
            conversations_shape,
        ),
        Recipe(
            production.NAME,
            "A flat table of conversations gets the columns that production needs, and its view.",
            {
                "L2": "conversations without sources and mode; feedback a text or a number",
                "L3": "conversations with sources and mode",
            },
            production.detect,
            lambda catalog, database, _: production.write(catalog, database),
            _load_conversations,
            production.shape,
        ),
    )
}
