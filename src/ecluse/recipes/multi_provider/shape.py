"""The shape that this recipe promises, as one script: of a database before the migration, and of one after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Column, Table
from ecluse.model.names import Name, ident, literal
from ecluse.operations.definitions import column as column_of
from ecluse.planning.ddl_table import create_table
from ecluse.recipes.multi_provider import definitions, existing, rights, tables
from ecluse.recipes.multi_provider.recognise import (
    ACTIVITIES,
    ACTIVITY,
    ENUMS,
    PROVIDERS,
    ROLE,
    TOKENS,
    USERS,
    WORKOUTS,
    is_text,
    recognise,
)
from ecluse.recipes.multi_provider.tables import NewTable, Types
from ecluse.recipes.multi_provider.types import types

_LABELLED = {USERS: ("role", ROLE), ACTIVITIES: ("activity_type", ACTIVITY), WORKOUTS: ("workout_type", ACTIVITY)}


def shape(catalog: Catalog) -> str:
    """The script. Raises UnknownGeneration where the database is neither before the migration nor after it."""
    if PROVIDERS not in catalog.tables:
        recognise(catalog)
    elif not {USERS, ACTIVITIES} <= catalog.tables.keys():
        raise UnknownGeneration(f"{PROVIDERS} is there, and its users and activities are not")
    made, may = types(catalog), rights.rights(catalog)
    lines = [*_accounts(catalog), *_enums(catalog), *_there(catalog, made)]
    for new in _new(catalog, made):
        lines += _made(new)
        if may.guarded:
            lines += _guarded(new, may)
    lines += _keys(made, catalog)
    lines += _closed(catalog, may) if may.guarded else []
    there = definitions.updated_at(catalog)
    lines.append(f"{there.definition.rstrip()};" if there else "")
    lines.append(definitions.functions(catalog, made, may))
    lines.append(definitions.triggers(_triggers(catalog)))
    lines.append(definitions.views(catalog, may))
    return "\n".join(lines)


def _accounts(catalog: Catalog) -> Iterator[str]:
    """What policies call."""
    asked = [f for f in catalog.functions if f.name in (Name("auth", "uid"), Name("auth", "jwt"))]
    yield "create schema if not exists auth;" if asked else ""
    yield from (f"{function.definition.rstrip()};" for function in asked)


def _enums(catalog: Catalog) -> Iterator[str]:
    """With the labels that were added meanwhile."""
    for name, labels in ENUMS.items():
        there = catalog.types.get(name, ())
        listed = ", ".join(map(literal, there if set(labels) <= set(there) else labels))
        yield f"create type {name} as enum ({listed});"


def _new(catalog: Catalog, made: Types) -> Iterator[NewTable]:
    yield tables.connections(made)
    yield tables.history(made)
    yield tables.states(made)
    if WORKOUTS not in catalog.tables:
        yield tables.workouts(made)


def _made(new: NewTable) -> Iterator[str]:
    parts = [f"{ident(name)} {definition}" for name, definition in new.columns.items()]
    yield _create(new.name, parts)
    for name, definition in sorted(new.constraints.items(), key=lambda each: each[1].startswith("foreign")):
        yield f"alter table {new.name} add constraint {ident(name)} {definition};"
    yield from (f"create index {ident(name)} on {new.name} {tail};" for name, tail in new.indexes.items())


def _create(name: str, parts: list[str]) -> str:
    inside = ",\n    ".join(parts)
    return f"create table {name} (\n    {inside}\n);"


def _guarded(new: NewTable, may: rights.Rights) -> Iterator[str]:
    yield f"alter table {new.name} enable row level security;"
    yield from (f"create policy {ident(name)} on {new.name} {tail};" for name, tail in may.policies(new).items())
    for role, privileges in may.grants(new).items():
        yield f"grant {', '.join(privileges)} on {new.name} to {ident(role)};"


# --- tables that are there ------------------------------------------------------------------------------


def _there(catalog: Catalog, made: Types) -> Iterator[str]:
    """The tables that stay, with the columns that they get, and without what the recipe has nothing to do with."""
    for name in (USERS, ACTIVITIES, WORKOUTS, TOKENS):
        if table := catalog.tables.get(name):
            columns = tuple(_columns(catalog, table, made))
            for column in columns:
                if column.sequence and not column.identity:
                    yield f"create sequence {column.sequence.sql} as {column.type};"
            yield f"{create_table(Table(name, columns), name.schema)};"
            for column in columns:
                if column.sequence and not column.identity:
                    yield f"alter sequence {column.sequence.sql} owned by {name}.{ident(column.name)};"
            yield f"alter table {name} add constraint {ident(_key_name(table))} primary key (id);"


def _closed(catalog: Catalog, may: rights.Rights) -> Iterator[str]:
    """The rights of those tables; what the migration once closed it would close again."""
    for name, table in rights.closable(catalog).items():
        yield f"alter table {name} enable row level security;" if table.rls else ""
        ours = any(policy.name == rights.OWN_ROWS for policy in table.policies)
        before = replace(table, rls=table.rls and not ours)
        yield rights.closing(may, {name: before}, existing.columns_after(catalog))
        yield from _kept(table)


def _kept(table: Table) -> Iterator[str]:
    """The rights of services, which stay."""
    for grant in table.grants:
        if grant.grantee in ("", "anon", "authenticated", table.owner) or grant.privilege in ("", "MAINTAIN"):
            continue
        column = f" ({ident(grant.column)})" if grant.column else ""
        yield f"grant {grant.privilege.lower()}{column} on {table.name} to {ident(grant.grantee)};"


def _key_name(table: Table) -> str:
    return next(c.name for c in table.constraints if c.kind == "p")


def _columns(catalog: Catalog, table: Table, made: Types) -> Iterator[Column]:
    wanted = existing.columns_after(catalog)[str(table.name)]
    word, enum = _LABELLED.get(table.name, ("", ROLE))
    for name in wanted:
        column = table.column(name)
        if column is None:
            yield _added(name, table, made)
        elif name == word and is_text(column):
            yield replace(column, type=str(enum), default=_default(column, enum), collation=None)
        else:
            yield column


def _default(column: Column, enum: Name) -> str | None:
    return column.default and f"{column.default.partition('::')[0]}::{enum}"


def _added(name: str, old: Table, made: Types) -> Column:
    word, _ = _LABELLED.get(old.name, ("", ROLE))
    written = old.column(word)  # the raw text keeps its type
    definitions_of = {
        **existing.user_columns(made),
        "sport_type": written.type if written else "",
        "external_id": "varchar(255)",
        "activity_data": "jsonb not null default '{}'",
        "connection_id": made.connection,
    }
    return column_of(name, definitions_of[name])


def _keys(made: Types, catalog: Catalog) -> Iterator[str]:
    """The link of an activity to its connection, and the indexes of the tables that stay."""
    yield (
        f"alter table {ACTIVITIES} add constraint activities_connection_id_fkey foreign key (connection_id) "
        f"references {PROVIDERS} (id) on delete set null;"
    )
    yield (
        f"alter table {ACTIVITIES} add constraint activities_connection_id_external_id_key "
        "unique (connection_id, external_id);"
    )
    listed = {
        USERS: tables.USER_INDEXES,
        ACTIVITIES: tables.ACTIVITY_INDEXES,
        TOKENS: tables.TOKEN_INDEXES,
        WORKOUTS: tables.WORKOUT_INDEXES,
    }
    for name, indexes in listed.items():
        if name in catalog.tables:
            yield from (f"create index {index} on {name} {tail};" for index, tail in indexes.items())


def _triggers(catalog: Catalog) -> dict[str, str]:
    return {
        f"update_{name.name}_updated_at": str(name)
        for name in (USERS, PROVIDERS, ACTIVITIES, TOKENS, WORKOUTS)
        if name == PROVIDERS or name not in catalog.tables or catalog.tables[name].column("updated_at")
        if name != TOKENS or name in catalog.tables
    }
