"""Foreign keys of the new tables, and those of other tables that point at them. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from ecluse.model.catalog import Constraint
from ecluse.model.names import Name, ident
from ecluse.model.plan import ForeignKey
from ecluse.planning.dependents import Inventory

_QUOTED = r'"(?:[^"]|"")*"'
_REFERENCE = re.compile(rf'REFERENCES (?:{_QUOTED}|[^"(])+\((?:{_QUOTED}|[^")])*\)')


def foreign_keys(inv: Inventory) -> tuple[ForeignKey, ...]:
    keys: list[ForeignKey] = []
    seen: set[tuple[Name, str]] = set()
    for table in inv.new.values():
        was = {c.name: c for c in inv.old[table.name].foreign_keys} if table.name in inv.old else {}
        for key in table.foreign_keys:
            keys.append(ForeignKey(table.name, _repointed(inv, _complete(inv, key)), was.get(key.name)))
            seen.add((table.name, key.name))
    for table in inv.old.values():
        for key in table.foreign_keys:
            if (table.name, key.name) not in seen:
                keys.append(ForeignKey(table.name, None, key))
    return tuple(keys)


def _complete(inv: Inventory, key: Constraint) -> Constraint:
    """A key that a migration declares may leave out the columns that it refers to: they are the primary key's."""
    if key.referenced_columns or key.references is None:
        return key
    parent = inv.new.get(key.references) or inv.catalog.tables.get(key.references)
    return replace(key, referenced_columns=parent.primary_key) if parent else key


def _repointed(inv: Inventory, key: Constraint) -> Constraint:
    """A key to a table whose place one of another name takes refers to that one."""
    if key.references is None or key.references not in inv.successors:
        return key
    name, columns = inv.successors[key.references]
    if not all(column in columns for column in key.referenced_columns):
        return key
    named = tuple(columns[column] for column in key.referenced_columns)
    text = f"REFERENCES {name.sql} ({', '.join(map(ident, named))})"
    definition = _REFERENCE.sub(lambda _: text, key.definition, count=1)
    return replace(key, definition=definition, references=name, referenced_columns=named)


def orphans(key: Constraint, table: str, references: str, columns: str = "count(*)") -> str:
    """The rows of the one that refer to no row of the other, or how many; both as they stand in a FROM."""
    matches = " AND ".join(
        f"p.{ident(theirs)} = c.{ident(ours)}" for ours, theirs in zip(key.columns, key.referenced_columns, strict=True)
    )
    full = " AND ".join(f"c.{ident(ours)} IS NOT NULL" for ours in key.columns)
    alone = f"NOT EXISTS (SELECT 1 FROM {references} p WHERE {matches})"
    return f"SELECT {columns} FROM {table} c WHERE {full} AND {alone}"


def outside_keys(inv: Inventory) -> tuple[ForeignKey, ...]:
    keys = []
    for name in inv.old:
        for owner, key in inv.catalog.referencing(name):
            if owner in inv.old:
                continue
            now = _repointed(inv, key)
            if _still_referable(inv, name, key, now):
                keys.append(ForeignKey(owner, now, key))
            else:
                inv.refuse(
                    "foreign-key",
                    owner,
                    f"foreign key {key.name} of {owner} points at {', '.join(key.referenced_columns)} of {name}, "
                    "which the new shape has not in that type",
                    f"bring {owner} into the migration, or drop the key in an `sql` operation with `up` and `down`",
                )
    return tuple(keys)


def _still_referable(inv: Inventory, name: Name, key: Constraint, again: Constraint) -> bool:
    new = inv.new.get(again.references) if again.references else None
    if new is None:
        return False
    for column, named in zip(key.referenced_columns, again.referenced_columns, strict=True):
        was, now = inv.old[name].column(column), new.column(named)
        if was is None or now is None or was.type != now.type:
            return False
    unique = [set(c.columns) for c in new.constraints if c.kind in "pu"]
    return set(again.referenced_columns) in unique
