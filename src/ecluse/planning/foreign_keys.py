"""Foreign keys of the new tables, and those of other tables that point at them. Pure."""

from __future__ import annotations

from dataclasses import replace

from ecluse.model.catalog import Constraint
from ecluse.model.names import Name
from ecluse.model.plan import ForeignKey
from ecluse.planning.dependents import Inventory


def foreign_keys(inv: Inventory) -> tuple[ForeignKey, ...]:
    keys: list[ForeignKey] = []
    seen: set[tuple[Name, str]] = set()
    for table in inv.new.values():
        was = {c.name: c for c in inv.old[table.name].foreign_keys} if table.name in inv.old else {}
        for key in table.foreign_keys:
            keys.append(ForeignKey(table.name, _complete(inv, key), was.get(key.name)))
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


def outside_keys(inv: Inventory) -> tuple[ForeignKey, ...]:
    keys = []
    for name in inv.old:
        for owner, key in inv.catalog.referencing(name):
            if owner in inv.old:
                continue
            if _still_referable(inv, name, key):
                keys.append(ForeignKey(owner, key, key))
            else:
                inv.refuse(
                    "foreign-key",
                    owner,
                    f"foreign key {key.name} of {owner} points at {', '.join(key.referenced_columns)} of {name}, "
                    "which the new shape has not in that type",
                    f"bring {owner} into the migration, or drop the key in an `sql` operation with `up` and `down`",
                )
    return tuple(keys)


def _still_referable(inv: Inventory, name: Name, key: Constraint) -> bool:
    new = inv.new.get(name)
    if new is None:
        return False
    for column in key.referenced_columns:
        was, now = inv.old[name].column(column), new.column(column)
        if was is None or now is None or was.type != now.type:
            return False
    unique = [set(c.columns) for c in new.constraints if c.kind in "pu"]
    return set(key.referenced_columns) in unique
