"""Writes the migration from an application's own users to the accounts of Supabase, for the tables that were found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecluse.model.catalog import Catalog, Table
from ecluse.model.names import Name
from ecluse.model.toml_text import string, strings
from ecluse.planning.ddl_table import create_table
from ecluse.recipes.self_hosted_supabase.recognise import (
    DOCUMENTS,
    MAPPING,
    PROFILES,
    TOKENS,
    USERS,
    Found,
    Owned,
    recognise,
)
from ecluse.recipes.texts import text_of

NAME = "self_hosted_supabase"
_PACKAGE = "ecluse.recipes.self_hosted_supabase"
_ALL = ("select", "insert", "update", "delete")

# What people may do with their own rows; nothing, where only services and admins have to do with a table.
_MAY = {
    "user_conversations": _ALL,
    "user_documents": _ALL,
    "user_contexts": _ALL,
    "user_storage_quotas": ("select",),
    "reports": _ALL,
    "watch_configs": _ALL,
    "watch_history": ("select",),
    "activity_logs": (),
    "migration_status": (),
    "invitations": (),
}
# The tables that the front end listens to, and whether it does so with a filter on the owner.
_PUBLISHED = {
    "user_conversations": True,
    "user_documents": True,
    "watch_configs": True,
    "watch_history": True,
    "activity_logs": False,
}


def detect(catalog: Catalog) -> str:
    """The generation. Raises UnknownGeneration."""
    recognise(catalog)
    return "services"


def write(catalog: Catalog, database: str, zone: str = "UTC") -> dict[str, str]:
    """The file of the migration by its path. Raises UnknownGeneration."""
    found = recognise(catalog)
    return {"migration.toml": "\n".join(_migration(found, database, zone)) + "\n"}


def _migration(found: Found, database: str, zone: str) -> Iterator[str]:
    yield text_of(_PACKAGE, "templates/head.toml", database=string(database)).rstrip()
    yield from _users(found, zone)
    yield from _owners(found, required=True)
    yield from _owners(found, required=False)
    if found.has(TOKENS):
        yield "\n# Links to set a new password are the auth service's business now.\n[[operation]]"
        yield f'kind = "archive_table"\ntable = "{TOKENS}"'
    yield from _secured(found)
    if found.has(DOCUMENTS):
        yield "\n" + text_of(_PACKAGE, "templates/documents.toml", table=str(DOCUMENTS)).rstrip()
    yield from _published(found)


def _users(found: Found, zone: str) -> Iterator[str]:
    yield f'\n[[operation]]\nkind = "import_users"\ntable = "{USERS}"'
    if zone != "UTC":
        yield f"time_zone = {string(zone)}"
    if found.has(PROFILES):
        return
    values = {}
    if found.people.name:
        values["full_name"] = found.people.name.name
    if column := found.people.created_at:
        zoned = column.type == "timestamp with time zone"
        values["created_at"] = column.name if zoned else f"{column.name} at time zone {_sql(zone)}"
    columns = {"id": "uuid not null", "full_name": "text", "created_at": "timestamptz not null default now()"}
    yield "\n[operation.profile]"
    yield f'table = "{PROFILES}"'
    yield f"columns = {_inline(columns)}"
    yield f"values = {_inline(values)}"


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _inline(pairs: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {string(text)}" for name, text in pairs.items()) + " }"


def _owners(found: Found, *, required: bool) -> Iterator[str]:
    owned = [each for each in found.owners if each.required == required]
    if not owned:
        return
    what = "Rows that are somebody's go with him" if required else "Rows that only name somebody stay without him"
    rule = "cascade" if required else "set null"
    yield f"\n# {what} when an account is deleted. Rows of nobody, and of users in quarantine, go to quarantine."
    yield f'[[operation]]\nkind = "remap_ids"\nusers = "{USERS}"\nunmapped = "quarantine"\non_delete = "{rule}"'
    yield "columns = ["
    yield from (f'  {{ table = "{each.table.name}", column = {string(each.column.name)} }},' for each in owned)
    yield "]"


def _secured(found: Found) -> Iterator[str]:
    yield "\n# Everybody reaches their own rows; who has role 'admin' in app_metadata reads all; services reach all."
    if not found.has(PROFILES):
        yield from _secure(PROFILES, "id", ("select", "update"))
    yield from _secure(MAPPING, "supabase_user_id", ())
    for each in _first_of_each(found.owners):
        yield from _secure(each.table.name, each.column.name, _MAY.get(each.table.name.name, ("select",)))


def _first_of_each(owners: tuple[Owned, ...]) -> Iterator[Owned]:
    seen: set[Name] = set()
    for each in owners:
        if each.table.name not in seen:
            seen.add(each.table.name)
            yield each


def _secure(table: Name, owner: str, may: tuple[str, ...]) -> Iterator[str]:
    yield f'\n[[operation]]\nkind = "secure_rows"\ntable = "{table}"'
    yield f"owner = {string(owner)}\nowner_may = {strings(may)}"
    yield 'admin = { claim = "app_metadata.role", values = ["admin"], may = ["select"] }'


def _published(found: Found) -> Iterator[str]:
    tables = [table for name, table in sorted(found.catalog.tables.items()) if name.schema == "public"]
    for table in tables:
        filtered = _PUBLISHED.get(table.name.name)
        if filtered is None:
            continue
        yield f'\n[[operation]]\nkind = "publish_changes"\ntable = "{table.name}"'
        if filtered:
            # Without the old row, an UPDATE or a DELETE reaches nobody who listens for his own rows only.
            yield "full = true"


# --- what is promised -------------------------------------------------------------------------------


def shape(catalog: Catalog) -> str:
    """A script of the owners' tables as they are promised to this database, and of the map."""
    found = recognise(catalog)
    owned = {(each.table.name, each.column.name) for each in found.owners}
    return "\n".join([*_tables(found, owned), _map(found)])


def _tables(found: Found, owned: set[tuple[Name, str]]) -> Iterator[str]:
    for table in {each.table.name: each.table for each in found.owners}.values():
        columns = tuple(
            replace(column, type="uuid", default=None, sequence=None)
            if (table.name, column.name) in owned
            else replace(column, default=None if column.sequence else column.default, sequence=None)
            for column in table.columns
        )
        yield f"{create_table(Table(table.name, columns), table.name.schema)};"
        yield f"alter table {table.name} enable row level security;"


def _map(found: Found) -> str:
    return text_of(_PACKAGE, "templates/mapping.sql", table=str(MAPPING), type=found.people.id.type)
