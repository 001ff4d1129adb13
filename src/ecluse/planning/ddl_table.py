"""DDL of tables: the table itself, its keys and indexes, and everything that hangs on it."""

from __future__ import annotations

from collections.abc import Sequence

from ecluse.model.catalog import Column, Constraint, Index, Policy, Table
from ecluse.model.names import Name, ident
from ecluse.planning.ddl_objects import grants_sql, index_extras, index_sql, rules_sql, statistics_sql
from ecluse.planning.ddl_text import comment, options, states

__all__ = [
    "add_column",
    "bound_objects",
    "constraint_sql",
    "create_table",
    "index_sql",
    "later_constraints",
    "plain_indexes",
    "table_extras",
    "table_settings",
]


def create_table(table: Table, schema: str) -> str:
    """The bare table in that schema: columns, defaults and storage, no keys or indexes.

    One statement, and one more for each column with a storage of its own: CREATE TABLE takes it only since 16.
    """
    name = table.name.within(schema).sql
    columns = ",\n".join(f"    {_column(table, column, schema)}" for column in table.columns)
    head = f"CREATE {'UNLOGGED ' if table.persistence == 'u' else ''}TABLE {name} (\n{columns}\n)"
    partition = f" PARTITION BY {table.partition_key}" if table.partition_key else ""
    access = f" USING {ident(table.access_method)}" if table.access_method not in ("", "heap") else ""
    place = f" TABLESPACE {ident(table.tablespace)}" if table.tablespace else ""
    storage = [
        f"ALTER TABLE {name} ALTER COLUMN {ident(column.name)} SET STORAGE {column.storage}"
        for column in table.columns
        if column.storage
    ]
    return ";\n".join([f"{head}{partition}{access}{options(table.options)}{place}", *storage])


def _column(table: Table, column: Column, schema: str) -> str:
    parts = [ident(column.name), column.type]
    if column.compression:
        parts.append(f"COMPRESSION {column.compression}")
    if column.collation:
        parts.append(f"COLLATE {column.collation}")
    if column.not_null:
        parts.append(_not_null(table, column))
    if column.generated:
        parts.append(f"GENERATED ALWAYS AS ({column.default}) {'VIRTUAL' if column.generated == 'v' else 'STORED'}")
    elif column.identity:
        parts.append(_identity(column, schema))
    elif column.default is not None:
        parts.append(f"DEFAULT {column.default}")
    return " ".join(part for part in parts if part)


def _not_null(table: Table, column: Column) -> str:
    """NOT NULL, with a name where the recorded one is not the name that the server would choose itself."""
    own = next((c for c in table.constraints if c.kind == "n" and c.columns == (column.name,)), None)
    if own is None or (own.name == f"{table.name.name}_{column.name}_not_null" and own.valid):
        suffix = " NO INHERIT" if own is not None and own.definition.endswith(" NO INHERIT") else ""
        return f"NOT NULL{suffix}"
    if not own.valid:
        return ""  # NOT VALID is for ALTER TABLE only: see later_constraints
    suffix = " NO INHERIT" if own.definition.endswith(" NO INHERIT") else ""
    return f"CONSTRAINT {ident(own.name)} NOT NULL{suffix}"


def _identity(column: Column, schema: str) -> str:
    """The sequence keeps its name; it is another one, in the schema of the table."""
    settings = [f"SEQUENCE NAME {column.sequence.within(schema).sql}"] if column.sequence else []
    settings += [column.identity_options] if column.identity_options else []
    kind = "ALWAYS" if column.identity == "a" else "BY DEFAULT"
    return f"GENERATED {kind} AS IDENTITY" + (f" ({' '.join(settings)})" if settings else "")


def add_column(table_name: Name, column: Column) -> str:
    """ALTER TABLE ... ADD COLUMN; without a rewrite where the default is not volatile."""
    default = f" DEFAULT {column.default}" if column.default is not None else ""
    null = " NOT NULL" if column.not_null else ""
    return f"ALTER TABLE {table_name.sql} ADD COLUMN {ident(column.name)} {column.type}{null}{default}"


def later_constraints(table: Table) -> tuple[Constraint, ...]:
    """The constraints that `create_table` has not made: all but NOT NULL (unless not valid) and constraint triggers.

    Keys first and foreign keys last, as one may refer to the other.
    """
    wanted = [c for c in table.constraints if c.kind not in "nt" or (c.kind == "n" and not c.valid)]
    return tuple(sorted(wanted, key=lambda c: "puxcnf".index(c.kind)))


def plain_indexes(table: Table) -> tuple[Index, ...]:
    """The indexes that no constraint makes."""
    return tuple(index for index in table.indexes if not index.constraint)


def constraint_sql(table_name: Name, constraint: Constraint) -> str:
    """ALTER TABLE ... ADD CONSTRAINT; for those of `later_constraints`."""
    return f"ALTER TABLE {table_name.sql} ADD CONSTRAINT {ident(constraint.name)} {constraint.definition}"


def table_extras(table: Table, schema: str, default_grantees: Sequence[str] = ()) -> list[str]:
    """Everything else but triggers and publications, to be run when the indexes and constraints are there."""
    return [*table_settings(table, schema, default_grantees), *bound_objects(table, schema)]


def table_settings(table: Table, schema: str, default_grantees: Sequence[str] = ()) -> list[str]:
    """What refers to nothing outside the table, and so may be set before the switch."""
    name = table.name.within(schema)
    head = f"ALTER TABLE {name.sql}"
    return [
        *([f"{head} OWNER TO {ident(table.owner)}"] if table.owner else []),
        *_column_settings(table, head),
        *index_extras(name, table.indexes),
        *_replica_identity(table, head),
        *([f"{head} ENABLE ROW LEVEL SECURITY"] if table.rls else []),
        *([f"{head} FORCE ROW LEVEL SECURITY"] if table.force_rls else []),
        *grants_sql(name, table.grants, table.owner, default_grantees),
        *statistics_sql(table.statistics, table.name, schema),
        *_comments(table, name),
    ]


def bound_objects(table: Table, schema: str) -> list[str]:
    """Policies and rules: they may read other tables, and are bound to those that bear the names at that moment."""
    name = table.name.within(schema)
    return [
        *(text for policy in table.policies for text in _policy(policy, name)),
        *rules_sql(table.rules, table.name, name),
        *states(name, "RULE", table.rule_states),
    ]


def _column_settings(table: Table, head: str) -> list[str]:
    made = []
    for column in table.columns:
        if column.statistics is not None:
            made.append(f"{head} ALTER COLUMN {ident(column.name)} SET STATISTICS {column.statistics}")
        if column.options:
            settings = options(column.options).removeprefix(" WITH ")
            made.append(f"{head} ALTER COLUMN {ident(column.name)} SET {settings}")
    return made


def _replica_identity(table: Table, head: str) -> list[str]:
    if table.replica_identity == "i":
        index = next((index.name for index in table.indexes if index.replica_identity), None)
        # An index that was dropped leaves the mark behind, and means that nothing identifies a row.
        return [f"{head} REPLICA IDENTITY " + (f"USING INDEX {ident(index)}" if index else "NOTHING")]
    word = {"n": "NOTHING", "f": "FULL"}.get(table.replica_identity)
    return [f"{head} REPLICA IDENTITY {word}"] if word else []


def _policy(policy: Policy, table_name: Name) -> list[str]:
    roles = ", ".join("PUBLIC" if role == "public" else ident(role) for role in policy.roles)
    text = (
        f"CREATE POLICY {ident(policy.name)} ON {table_name.sql}"
        f" AS {'PERMISSIVE' if policy.permissive else 'RESTRICTIVE'} FOR {policy.command} TO {roles}"
    )
    text += f"\n    USING ({policy.using})" if policy.using is not None else ""
    text += f"\n    WITH CHECK ({policy.check})" if policy.check is not None else ""
    return [text, *comment(f"POLICY {ident(policy.name)} ON {table_name.sql}", policy.comment)]


def _comments(table: Table, name: Name) -> list[str]:
    made = comment(f"TABLE {name.sql}", table.comment)
    for column in table.columns:
        made += comment(f"COLUMN {name.sql}.{ident(column.name)}", column.comment)
    for constraint in table.constraints:
        if constraint.kind != "t":
            made += comment(f"CONSTRAINT {ident(constraint.name)} ON {name.sql}", constraint.comment)
    return made
