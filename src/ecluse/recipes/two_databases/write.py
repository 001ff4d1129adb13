"""The migrations of the two databases: what was found, the files of both, and the shape that each is promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Function, Table
from ecluse.planning.ddl_table import create_table
from ecluse.recipes.two_databases import app as application_part
from ecluse.recipes.two_databases import live
from ecluse.recipes.two_databases import people as people_part
from ecluse.recipes.two_databases.live import Connection
from ecluse.recipes.two_databases.profiles import ACCOUNTS, COLUMNS, PROFILES, Profiles
from ecluse.recipes.two_databases.recognise import Application, People, application, people
from ecluse.recipes.two_databases.texts import text

NAME = "two_databases"
APP, PEOPLE = "app", "people"
DATABASES = (APP, PEOPLE)


def detect(catalogs: Mapping[str, Catalog]) -> str:
    """The generation of the two together. Raises UnknownGeneration."""
    return "L3-profiles" if _found(catalogs)[1].profiles else "L3"


def write(catalogs: Mapping[str, Catalog], conns: Mapping[str, Connection]) -> dict[str, str]:
    """The files by their paths in the folder of migrations. Raises UnknownGeneration."""
    app, who = _found(catalogs)
    evidence = live.evidence(conns[PEOPLE]) if who.profiles else ()
    parts = {
        application_part.NAME: application_part.write(app, APP),
        people_part.NAME: people_part.write(who, app, evidence, PEOPLE, APP),
    }
    files = {f"{part}/{path}": words for part, made in parts.items() for path, words in made.items()}
    return files | {f"{NAME}/README.md": _order(parts[application_part.NAME], who)}


def _found(catalogs: Mapping[str, Catalog]) -> tuple[Application, People]:
    missing = [name for name in DATABASES if name not in catalogs]
    if missing:
        raise UnknownGeneration(
            f"this recipe is about the databases {' and '.join(DATABASES)}, and there is no {' and no '.join(missing)}",
            hint='[databases]\napp = "env:DATABASE_URL"\npeople = "env:PEOPLE_URL"',
        )
    return application(catalogs[APP]), people(catalogs[PEOPLE])


def _order(view: dict[str, str], who: People) -> str:
    number = 3 if view else 2
    kept = (
        "Profiles get the shape that they had, with what was written since."
        if who.profiles
        else "Profiles are kept, out of reach, as two_databases_kept.users; applying again takes them from there."
    )
    return text(
        "README.md",
        app=APP,
        people=PEOPLE,
        first=text("first.md", app=APP).rstrip() if view else "",
        second=text("second.md", number=str(number), app=APP, people=PEOPLE).rstrip(),
        kept=kept,
    )


# --- what is promised -------------------------------------------------------------------------------


def shape(catalog: Catalog) -> str:
    """A script of what is promised to the one of the two that this is."""
    return "\n".join(_people_shape(catalog) if ACCOUNTS in catalog.tables else _application_shape(catalog))


def _application_shape(catalog: Catalog) -> Iterator[str]:
    found = application(catalog)
    table = found.conversations
    yield f"{create_table(Table(table.name, table.columns), table.name.schema)};"
    yield "alter table public.conversations enable row level security;" if table.rls else ""
    yield application_part.view(found)


def _people_shape(catalog: Catalog) -> Iterator[str]:
    accounts, there = catalog.tables[ACCOUNTS], catalog.tables.get(PROFILES)
    profiles = live.profiles(there) if there and there.column("auth_user_id") else Profiles(COLUMNS)
    yield "create schema auth;"
    yield f"{create_table(Table(ACCOUNTS, accounts.columns), ACCOUNTS.schema)};"
    yield "alter table auth.users add primary key (id);"
    yield "alter table auth.users enable row level security;" if accounts.rls else ""
    yield from (f"{function.definition};" for function in _claims(catalog))
    yield people_part.functions()
    yield people_part.table(profiles)
    yield people_part.around(profiles)


def _claims(catalog: Catalog) -> tuple[Function, ...]:
    return tuple(f for f in catalog.functions if f.name.schema == "auth" and f.name.name in ("uid", "jwt", "role"))
