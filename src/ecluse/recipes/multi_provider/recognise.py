"""What the application has: its users, one provider's connections, the activities, and what stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Column, Grant, Table
from ecluse.model.names import Name
from ecluse.operations.row_policies import ROLES
from ecluse.recipes.column_types import FRACTION, TEXT, WHEN, WHOLE

USERS = Name("public", "users")
CONNECTIONS = Name("public", "strava_connections")
ACTIVITIES = Name("public", "activities")
TOKENS = Name("public", "password_reset_tokens")
WORKOUTS = Name("public", "workouts")
PROVIDERS = Name("public", "provider_connections")
HISTORY = Name("public", "sync_history")
STATES = Name("public", "oauth_states")
ROLE = Name("public", "user_role")
ACTIVITY = Name("public", "activity_type")
PROVIDER = Name("public", "provider_type")

# The enums in their order.
ENUMS: Mapping[Name, tuple[str, ...]] = {
    ROLE: ("athlete", "coach", "admin"),
    ACTIVITY: ("run", "ride", "swim", "walk", "hike", "workout", "yoga", "crossfit", "other"),
    PROVIDER: ("strava", "garmin", "polar", "coros", "wahoo", "fitbit"),
}
_ID = re.compile(rf"{WHOLE.pattern}|uuid")
_KEY = re.compile(rf"{WHOLE.pattern}|{TEXT.pattern}")
_ANY = re.compile(".*", re.DOTALL)
_NUMBER = re.compile(rf"{WHOLE.pattern}|{FRACTION.pattern}")
_KIND = re.compile(rf"{TEXT.pattern}|public\.\w+")

_NEEDED: Mapping[Name, Mapping[str, re.Pattern[str]]] = {
    USERS: {"id": _ID, "email": TEXT, "first_name": TEXT, "last_name": TEXT, "role": _KIND},
    CONNECTIONS: {
        **{"id": _ID, "user_id": _ID, "strava_athlete_id": _KEY, "access_token": TEXT, "refresh_token": TEXT},
        **{"token_expires_at": WHEN, "created_at": WHEN},
    },
    ACTIVITIES: {
        **{"id": _ID, "user_id": _ID, "name": TEXT, "activity_type": _KIND, "start_date": WHEN, "created_at": WHEN},
        **{"distance": _NUMBER, "moving_time": _NUMBER, "average_heartrate": _NUMBER, "strava_activity_id": _KEY},
    },
    TOKENS: {"id": _ID, "user_id": _ID, "token": TEXT, "expires_at": WHEN},
    WORKOUTS: {"id": _ID, "user_id": _ID, "workout_type": _KIND},
}
_OPTIONAL: Mapping[Name, Mapping[str, re.Pattern[str]]] = {
    CONNECTIONS: {"scopes": TEXT, "last_sync_at": WHEN, "updated_at": WHEN, "strava_username": TEXT},
    ACTIVITIES: {"strava_upload_id": _KEY},
}
_MADE = ("connection_id", "external_id", "activity_data")


@dataclass(frozen=True, slots=True)
class Found:
    """The application's database as it is. `tokens` and `workouts` need not be there."""

    catalog: Catalog
    users: Table
    connections: Table
    activities: Table
    tokens: Table | None
    workouts: Table | None

    @property
    def generation(self) -> str:
        """What ids of users are: integer | uuid."""
        return "uuid" if self.type(self.users, "id") == "uuid" else "integer"

    def type(self, table: Table, column: str) -> str:
        """The type of a column that is known to be there."""
        found = table.column(column)
        assert found is not None
        return found.type


def recognise(catalog: Catalog) -> Found:
    """Tell what there is. Raises UnknownGeneration, which says what differs."""
    _require_unmigrated(catalog)
    missing = [str(name) for name in (USERS, CONNECTIONS, ACTIVITIES) if name not in catalog.tables]
    if missing:
        raise UnknownGeneration(
            f"'{catalog.database}' is not the database of an application with one provider",
            details="there is no table " + ", ".join(missing),
            hint="point the recipe at the database with users, strava_connections and activities",
        )
    activities = catalog.tables[ACTIVITIES]
    if activities.column("strava_activity_id") is None:
        raise UnknownGeneration(
            f"{ACTIVITIES} has no column 'strava_activity_id', so nothing tells which activities came from Strava",
            details="without it no activity can be linked to a connection, and none that comes again is known",
            hint=f"alter table {ACTIVITIES} add strava_activity_id bigint\n"
            "then fill it from wherever the ids are; NULL is an activity that was written down by hand",
        )
    differences = [text for name in _NEEDED if (table := catalog.tables.get(name)) for text in _differences(table)]
    differences += _other_keys(catalog)
    if differences:
        raise UnknownGeneration(
            "these are not the tables that this recipe migrates",
            details="; ".join(differences),
            hint="write the migration yourself, after that of a sample: ecluse operations",
        )
    return Found(
        catalog,
        catalog.tables[USERS],
        catalog.tables[CONNECTIONS],
        activities,
        catalog.tables.get(TOKENS),
        catalog.tables.get(WORKOUTS),
    )


def _require_unmigrated(catalog: Catalog) -> None:
    if PROVIDERS in catalog.tables and CONNECTIONS not in catalog.tables:
        raise UnknownGeneration(
            f"{PROVIDERS} is there, and {CONNECTIONS} is not a table any more: migrated already, nothing to do",
            hint="what it lacks of the promised shape: ecluse inspect --expect multi_provider",
            state="nothing was changed",
        )
    left = [str(name) for name in (PROVIDERS, HISTORY, STATES) if name in catalog.tables]
    activities = catalog.tables.get(ACTIVITIES)
    columns = [name for name in _MADE if activities and activities.column(name)]
    if left or columns:
        raise UnknownGeneration(
            "an attempt by hand has left things behind, and their numbers may belong to nobody any more",
            details=", ".join([*left, *(f"{ACTIVITIES}.{name}" for name in columns)]),
            hint="look whether anything is in them that is nowhere else, then:\n"
            + "\n".join(_taken_back(left, columns)),
        )


def _taken_back(left: list[str], columns: list[str]) -> Iterator[str]:
    yield from (f"alter table {ACTIVITIES} drop column {name} cascade;" for name in columns)
    yield from (f"drop table {name} cascade;" for name in reversed(left))


def _differences(table: Table) -> Iterator[str]:
    for name, types in _NEEDED[table.name].items():
        column = table.column(name)
        if column is None:
            yield f"{table.name} has no column '{name}'"
        elif not types.fullmatch(column.type):
            yield f"{table.name}.{name} is {column.type}"
    for name, types in _OPTIONAL.get(table.name, {}).items():
        if (column := table.column(name)) and not types.fullmatch(column.type):
            yield f"{table.name}.{name} is {column.type}"
    if table.primary_key != ("id",):
        yield f"the key of {table.name} is ({', '.join(table.primary_key)}), and not 'id'"


def _other_keys(catalog: Catalog) -> Iterator[str]:
    """Ids of users that cannot be those of users, and enums that would lose values."""
    users = catalog.tables[USERS].column("id")
    for name in (CONNECTIONS, ACTIVITIES, TOKENS, WORKOUTS):
        column = table.column("user_id") if (table := catalog.tables.get(name)) else None
        if users and column and _ID.fullmatch(users.type) and (users.type == "uuid") != (column.type == "uuid"):
            yield f"{name}.user_id is {column.type}, and {USERS}.id is {users.type}"
    ours, theirs = (catalog.tables[name].column("user_id") for name in (ACTIVITIES, CONNECTIONS))
    if ours and theirs and ours.type != theirs.type:
        yield f"{ACTIVITIES}.user_id is {ours.type}, and {CONNECTIONS}.user_id is {theirs.type}"
    for table_name, word, enum in ((ACTIVITIES, "activity_type", ACTIVITY), (WORKOUTS, "workout_type", ACTIVITY)):
        column = table.column(word) if (table := catalog.tables.get(table_name)) else None
        if column and column.type.startswith("public.") and column.type != str(enum):
            yield f"{table_name}.{word} is {column.type}"


def is_text(column: Column | None) -> bool:
    """Whether it is a column of texts."""
    return column is not None and bool(TEXT.fullmatch(column.type))


# --- who is there ------------------------------------------------------------------------------------


def supabase(catalog: Catalog) -> bool:
    """Whether the roles of a Supabase are there, as far as the catalogue tells."""
    grants: tuple[Grant, ...] = tuple(g for table in catalog.tables.values() for g in table.grants)
    known = {*catalog.role.member_of, *catalog.default_grantees, *(g.grantee for g in grants)}
    return set(ROLES) <= known


def knows_claims(catalog: Catalog) -> bool:
    """Whether policies can ask who it is that asks."""
    functions = {function.name for function in catalog.functions}
    return {Name("auth", "uid"), Name("auth", "jwt")} <= functions


def others(table: Table) -> dict[str, tuple[str, ...]]:
    """Roles of the application's own, and what they may do with the whole table."""
    found: dict[str, tuple[str, ...]] = {}
    for grant in table.grants:
        if grant.grantee not in ("", table.owner, *ROLES) and grant.privilege and not grant.column:
            found[grant.grantee] = (*found.get(grant.grantee, ()), grant.privilege.lower())
    return found
