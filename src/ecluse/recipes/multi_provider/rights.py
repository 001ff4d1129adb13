"""Who may do what: people read their own rows without their secrets, services do all, nobody else does anything.

Where the roles of a Supabase are not there, rights stay what they are: new tables have those of the old connections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ecluse.model.catalog import Catalog, Table
from ecluse.model.names import ident
from ecluse.recipes.multi_provider.recognise import (
    ACTIVITIES,
    CONNECTIONS,
    PROVIDERS,
    TOKENS,
    USERS,
    WORKOUTS,
    knows_claims,
    others,
    supabase,
)
from ecluse.recipes.multi_provider.tables import SECRETS, NewTable

OWN_ROWS = "people: own rows"
_ALL = ("select", "insert", "update", "delete")
_HISTORY = f"exists (select from {PROVIDERS} c where c.id = connection_id)"


@dataclass(frozen=True, slots=True)
class Rights:
    """What is known of those who may be let in. `own` has the application's own roles and what they may do."""

    guarded: bool  # the roles of a Supabase are there
    uuid: bool
    claims: bool  # policies can ask who asks
    own: Mapping[str, tuple[str, ...]]

    @property
    def me(self) -> str:
        """The id of who asks, evaluated once for a query; NULL for a token that names somebody else's users."""
        if self.uuid:
            return "(select auth.uid())"
        sub = "auth.jwt() ->> 'sub'"
        return f"(select case when {sub} ~ '^[0-9]{{1,18}}$' then ({sub})::bigint end)"

    def policies(self, table: NewTable) -> dict[str, str]:
        """Policies of a new table, as they follow ON table."""
        conditions = {
            str(PROVIDERS): f"user_id = {self.me}",
            str(WORKOUTS): f"user_id = {self.me}",
            "public.sync_history": _HISTORY,
        }
        made = dict(self._own())
        if self.claims and table.name in conditions:
            made = {OWN_ROWS: f"for select to authenticated using ({conditions[table.name]})"} | made
        return made

    def _own(self) -> Iterator[tuple[str, str]]:
        for role in self.own:
            yield f"application: {role}", f"for all to {ident(role)} using (true) with check (true)"

    def grants(self, table: NewTable) -> dict[str, tuple[str, ...]]:
        """Rights of a new table: a privilege may name columns."""
        made: dict[str, tuple[str, ...]] = {"service_role": _ALL, **self.own}
        if self.claims and table.name != "public.oauth_states":
            secret = SECRETS.get(table.name.removeprefix("public."), ())
            open_ = ", ".join(name for name in table.columns if name not in secret)
            made["authenticated"] = (f"select ({open_})",)
        return made


def rights(catalog: Catalog) -> Rights:
    """Those of a database, before the migration or after it."""
    table = catalog.tables.get(CONNECTIONS) or catalog.tables[PROVIDERS]
    users = catalog.tables[USERS].column("id")
    uuid = users is not None and users.type == "uuid"
    return Rights(supabase(catalog), uuid, supabase(catalog) and knows_claims(catalog), others(table))


# --- tables that are there --------------------------------------------------------------------------------


def closing(made: Rights, tables: Mapping[str, Table], columns: Mapping[str, tuple[str, ...]]) -> str:
    """The script that closes the tables that were there: run within the switch, when they have their new columns.

    Where a table has row level security already, its policies stay; only secrets leave the rights.
    """
    return "\n".join(line for name, table in tables.items() for line in _closed(made, table, columns[name]))


def _closed(made: Rights, table: Table, columns: tuple[str, ...]) -> Iterator[str]:
    if table.name == TOKENS:
        yield f"revoke all on {table.name} from public, anon, authenticated;"
    elif table.rls:
        yield from _without_secrets(table, columns)
    else:
        yield from _own_rows(made, table, columns)


def _without_secrets(table: Table, columns: tuple[str, ...]) -> Iterator[str]:
    """Its policies say who reaches which rows; its secrets are read by nobody but services."""
    if table.name.name not in SECRETS:
        return
    yield f"revoke select on {table.name} from public, anon, authenticated;"
    readers = {g.grantee for g in table.grants if g.privilege == "SELECT" and not g.column}
    for role in ("anon", "authenticated"):
        if {"", role} & readers:
            yield f"grant select ({_open(table, columns)}) on {table.name} to {role};"


def _own_rows(made: Rights, table: Table, columns: tuple[str, ...]) -> Iterator[str]:
    name = table.name
    yield f"revoke all on {name} from public, anon, authenticated;"
    yield f"alter table {name} enable row level security;"
    if made.claims:
        owner = "id" if name == USERS else "user_id"
        yield f"grant select ({_open(table, columns)}) on {name} to authenticated;"
        yield f'create policy "{OWN_ROWS}" on {name} for select to authenticated using ({owner} = {made.me});'
    for role in others(table):
        policy = ident(f"application: {role}")
        yield f"create policy {policy} on {name} for all to {ident(role)} using (true) with check (true);"


def _open(table: Table, columns: tuple[str, ...]) -> str:
    secret = SECRETS.get(table.name.name, ())
    return ", ".join(column if column.isidentifier() else ident(column) for column in columns if column not in secret)


def reopening(table: Table) -> str:
    """The script that gives a table that stays its rights back."""
    lines = []
    for grant in table.grants:
        if grant.grantee in ("", "anon", "authenticated") and grant.privilege:
            to = ident(grant.grantee) if grant.grantee else "public"
            column = f" ({ident(grant.column)})" if grant.column else ""
            tail = " with grant option" if grant.grantable else ""
            lines.append(f"grant {grant.privilege.lower()}{column} on {table.name} to {to}{tail};")
    return "\n".join(lines)


def closable(catalog: Catalog) -> dict[str, Table]:
    """The tables that are there and hold what is somebody's."""
    return {str(n): catalog.tables[n] for n in (USERS, ACTIVITIES, WORKOUTS, TOKENS) if n in catalog.tables}
