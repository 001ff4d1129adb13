"""Every recipe there is. To add one: its folder, and an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import psycopg

from ecluse.model.catalog import Catalog
from ecluse.recipes.conversations_to_messages import write as conversations
from ecluse.recipes.conversations_to_messages.generate import Generation, generate
from ecluse.recipes.conversations_to_messages.recognise import recognise
from ecluse.recipes.conversations_to_messages.shape import shape as conversations_shape
from ecluse.recipes.conversations_to_messages.values import Options
from ecluse.recipes.multi_provider import write as providers
from ecluse.recipes.multi_provider.definitions import NAME as PROVIDERS_NAME
from ecluse.recipes.multi_provider.sample import load as load_providers
from ecluse.recipes.multi_provider.shape import shape as providers_shape
from ecluse.recipes.production_columns import write as production
from ecluse.recipes.self_hosted_supabase import write as own_supabase
from ecluse.recipes.self_hosted_supabase.sample import load as load_services
from ecluse.recipes.self_hosted_supabase.sample.memories import write_some_memories
from ecluse.recipes.two_databases import write as two
from ecluse.recipes.two_databases.sample import load as load_two

Connection = psycopg.Connection[Any]
Catalogs = Mapping[str, Catalog]
Connections = Mapping[str, Connection]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a developer may choose when a recipe is written."""

    zone: str = "UTC"  # of timestamps without a zone
    user_map: str = ""  # a CSV file in the migration's folder: old_value, uuid


@dataclass(frozen=True, slots=True)
class Recipe:
    """Migrations that are written for the databases they are pointed at.

    `databases` are those that it concerns, by their names in ecluse.toml; none is the one that is asked for. `detect`
    and `write` get their catalogues by name and raise UnknownGeneration, which says what differs. `write`, which may
    read rows as well, gives the files by their paths in the folder of migrations. `load` makes sample legacy databases
    of a generation. `shape` is a script of the shape that the recipe promises to the database of a catalogue.
    """

    name: str
    summary: str
    generations: Mapping[str, str]
    detect: Callable[[Catalogs], str]
    write: Callable[[Catalogs, Connections, Choices], dict[str, str]]
    load: Callable[[Connections, str, int, int], None]
    shape: Callable[[Catalog], str]
    databases: tuple[str, ...] = ()
    rows: int = 10_000  # of a sample, where nobody says how many
    folder: str = ""  # what of a sample lies beside the databases is written into this folder of the project
    write_folder: Callable[[Path, int, int], None] = lambda folder, rows, seed: None


def _write_conversations(catalogs: Catalogs, _: Connections, choices: Choices) -> dict[str, str]:
    database, catalog = _one(catalogs)
    made = conversations.write(catalog, database, Options(zone=choices.zone, user_map=choices.user_map))
    return _within(conversations.NAME, made)


def _write_production(catalogs: Catalogs, _: Connections, __: Choices) -> dict[str, str]:
    database, catalog = _one(catalogs)
    return _within(production.NAME, production.write(catalog, database))


def _write_supabase(catalogs: Catalogs, _: Connections, choices: Choices) -> dict[str, str]:
    database, catalog = _one(catalogs)
    return _within(own_supabase.NAME, own_supabase.write(catalog, database, choices.zone))


def _write_providers(catalogs: Catalogs, _: Connections, choices: Choices) -> dict[str, str]:
    database, catalog = _one(catalogs)
    return _within(PROVIDERS_NAME, providers.write(catalog, database, choices.zone))


def _load_conversations(conns: Connections, generation: str, rows: int, seed: int) -> None:
    generate(_one(conns)[1], cast(Generation, generation), rows, seed)


def _one(things: Mapping[str, _T]) -> tuple[str, _T]:
    [found] = things.items()
    return found


def _within(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{path}": text for path, text in files.items()}


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            conversations.NAME,
            "Rows of one question and one answer become conversations with messages, with UUID keys.",
            {
                "L1": "user_questions_complete: a table of questions, with e-mail addresses for users",
                "L2": "conversations: one flat table, text everywhere, a row for a conversation",
                "L3": "conversations with sources and mode, and a table of feedback",
            },
            lambda catalogs: recognise(_one(catalogs)[1]).generation,
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
            lambda catalogs: production.detect(_one(catalogs)[1]),
            _write_production,
            _load_conversations,
            production.shape,
        ),
        Recipe(
            two.NAME,
            "People and their invitations leave the application's database for one that is made for them.",
            {
                "L3": "app: conversations, feedback, invitations; people: accounts without profiles",
                "L3-profiles": "the same, and profiles with ids of their own and accounts in auth_user_id",
            },
            two.detect,
            lambda catalogs, conns, _: two.write(catalogs, conns),
            load_two,
            two.shape,
            two.DATABASES,
        ),
        Recipe(
            own_supabase.NAME,
            "An application's own users become accounts of Supabase; their rows follow, are guarded, and tell changes.",
            {"services": "users with numbers for ids, and services whose tables name them"},
            lambda catalogs: own_supabase.detect(_one(catalogs)[1]),
            _write_supabase,
            load_services,
            own_supabase.shape,
            rows=100_000,
            folder="memory",
            write_folder=write_some_memories,
        ),
        Recipe(
            PROVIDERS_NAME,
            "Connections to one provider become connections to any; activities are linked to theirs.",
            {
                "integer": "strava_connections, activities and users with numbers for ids",
                "uuid": "the same, with UUIDs for ids of users, as beside the accounts of Supabase",
            },
            lambda catalogs: providers.detect(_one(catalogs)[1]),
            _write_providers,
            load_providers,
            providers_shape,
        ),
    )
}
