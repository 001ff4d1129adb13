"""What the application has: its own users, and the tables of its services that say whose a row is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Column, Table
from ecluse.model.names import Name
from ecluse.operations.people import recognise as recognise_people
from ecluse.operations.people_sql import People

USERS = Name("public", "users")
ACCOUNTS = Name("auth", "users")
TOKENS = Name("public", "password_reset_tokens")
DOCUMENTS = Name("public", "documents")
PROFILES = Name("public", "profiles")
MAPPING = Name("public", "user_id_mapping")

# The tables of the services have no foreign key to the users: which column it is, only their code says. The others lose
# theirs where they come from another database.
_OWNED = (
    "user_conversations",
    "user_documents",
    "user_contexts",
    "user_storage_quotas",
    "migration_status",
    "reports",
    "watch_configs",
    "watch_history",
    "activity_logs",
)
OWNERS: dict[Name, tuple[str, ...]] = {Name("public", name): ("user_id",) for name in _OWNED}
OWNERS[Name("public", "invitations")] = ("created_by", "used_by")
_IDS = ("smallint", "integer", "bigint")


@dataclass(frozen=True, slots=True)
class Owned:
    """A column that holds the id of a user."""

    table: Table
    column: Column

    @property
    def required(self) -> bool:
        """Whether each row has an owner."""
        return self.column.not_null


@dataclass(frozen=True, slots=True)
class Found:
    """The application's database."""

    catalog: Catalog
    users: Table
    people: People
    owners: tuple[Owned, ...]

    def has(self, name: Name) -> bool:
        """Whether there is a table of that name."""
        return name in self.catalog.tables


def recognise(catalog: Catalog) -> Found:
    """The users and all that belongs to them. Raises UnknownGeneration, which says what is missing."""
    users = catalog.tables.get(USERS)
    if users is None:
        raise UnknownGeneration(
            f"there is no table '{USERS}' in '{catalog.database}', so there are no users to become accounts",
            hint="where the tables are in another database, move them here first, and finish that migration:\n"
            '[[operation]]\nkind = "move_table"\nfrom = "the_other"\ntable = "public.users"',
        )
    try:
        people = recognise_people(users, {}, "UTC")
    except KeyError as error:
        raise UnknownGeneration(
            f"'{USERS}' has no column that is called like '{error.args[0]}'",
            hint="write the migration yourself: ecluse operations import_users",
        ) from error
    if ACCOUNTS not in catalog.tables:
        raise UnknownGeneration(
            f"there are no accounts of Supabase in '{catalog.database}': {ACCOUNTS} is missing",
            hint="ecluse supabase prepare app\nthen: ecluse init self_hosted_supabase",
        )
    return Found(catalog, users, people, tuple(_owners(catalog, people)))


def _owners(catalog: Catalog, people: People) -> Iterator[Owned]:
    seen: set[tuple[Name, str]] = set()
    for name, key in catalog.referencing(USERS):
        if key.referenced_columns == (people.id.name,) and name != TOKENS:
            seen.add((name, key.columns[0]))
    for name, columns in OWNERS.items():
        if table := catalog.tables.get(name):
            seen |= {(name, column) for column in columns if _may_hold(table.column(column), people)}
    for name, word in sorted(seen):
        found = catalog.tables[name].column(word)
        if found is not None:
            yield Owned(catalog.tables[name], found)


def _may_hold(column: Column | None, people: People) -> bool:
    if column is None:
        return False
    return column.type == people.id.type or (column.type in _IDS and people.id.type in _IDS)
