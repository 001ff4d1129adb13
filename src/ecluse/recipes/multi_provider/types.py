"""Which types the new tables have: those of the old ones, or, once it is done, their own."""

from __future__ import annotations

from collections.abc import Mapping

from ecluse.model.catalog import Catalog, Column, Table
from ecluse.recipes.column_types import WHOLE
from ecluse.recipes.multi_provider.recognise import ACTIVITIES, CONNECTIONS, PROVIDERS, USERS, is_text
from ecluse.recipes.multi_provider.tables import Types

# Columns of the old connections that go on as they are, by their new names.
SAME: Mapping[str, str] = {
    **{name: name for name in ("user_id", "access_token", "refresh_token", "token_expires_at", "scopes")},
    **{name: name for name in ("last_sync_at", "created_at", "updated_at")},
    "provider_username": "strava_username",
    "provider_user_id": "strava_athlete_id",
}
_MAY_LACK = ("refresh_token", "token_expires_at")  # of providers that have none


def types(catalog: Catalog, zone: str = "UTC") -> Types:
    """Those of the database, before the migration or after it. Raises KeyError where it is neither."""
    old, new = catalog.tables.get(CONNECTIONS), catalog.tables.get(PROVIDERS)
    table = old or catalog.tables[PROVIDERS]
    names = SAME if old and not new else {name: name for name in SAME}
    carried = {name: _definition(name, column) for name, was in names.items() if (column := table.column(was))}
    return Types(
        user=_type(catalog.tables[USERS], "id"),
        connection=_type(table, "id"),
        activity=_type(catalog.tables[ACTIVITIES], "id"),
        when=_type(table, "created_at"),
        zone=zone,
        carried=carried,
    )


def _type(table: Table, name: str) -> str:
    column = table.column(name)
    if column is None:
        raise KeyError(name)
    return column.type


def _definition(name: str, column: Column) -> str:
    kind = column.type
    if name == "provider_user_id" and (WHOLE.fullmatch(kind) or is_text(column)):
        kind = "character varying(255)"
    return kind + (" not null" if column.not_null and name not in _MAY_LACK else "")
