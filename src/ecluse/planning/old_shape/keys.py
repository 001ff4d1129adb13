"""Foreign keys of the old shape where those of the new one see no difference: two writings of one key. Pure text.

A reference is written as what it refers to, to the letter; and where a key is written in another way, its references
follow, as the old key says. What changes in the new shape as well is the business of the new keys.
"""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Constraint, Table
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import Plan
from ecluse.planning.flow_sql import column_list, same_key
from ecluse.planning.old_shape.images import Images
from ecluse.planning.old_shape.place import mapped_tables, view_name

# On while references follow a key that is not written yet.
_SET = "current_setting('ecluse.following', true)"

DECLARATION = "following text;"
"""A variable of the writer for it: references may have references."""


def check(plan: Plan, flow: Flow, member: Member, images: Images, operation: str) -> Iterator[str]:
    """Refuse a new reference to a row that is there, but is written in another way."""
    for key in member.table.foreign_keys:
        parent = _parent(plan, key)
        mine = _same_table(flow, member.table)
        if parent is None or mine is None or not _is_told_apart(parent[0]):
            continue
        theirs = _same_table(parent[0], parent[1].table)
        if theirs is None or not _has(mine, key.columns) or not _has(theirs, key.referenced_columns):
            continue
        pairs = list(zip(key.columns, key.referenced_columns, strict=True))
        full = " AND ".join(f"NEW.{ident(ours)} IS NOT NULL" for ours in key.columns)
        if operation == "UPDATE":
            full += (
                f" AND ROW({column_list(key.columns, 'OLD.')}) IS DISTINCT FROM ROW({column_list(key.columns, 'NEW.')})"
            )
        seen = " AND ".join(f"p.{ident(other)} = NEW.{ident(ours)}" for ours, other in pairs)
        same = " AND ".join(f"p.{ident(other)} = n.{ident(ours)}" for ours, other in pairs)
        there = f"{images.mapped(mine, 'NEW')} n JOIN {images.at.sql(theirs.alias)} p ON {same}"
        unseen = f"NOT EXISTS (SELECT FROM {view_name(plan, parent[1].table).sql} p WHERE {seen})"
        yield (
            f"IF {_SET} IS DISTINCT FROM 'on' AND {full} AND {unseen} THEN\n"
            f"IF EXISTS (SELECT FROM {there}) THEN {_violation(member.table, key)} END IF; END IF;"
        )


def follow(plan: Plan, flow: Flow, member: Member, images: Images) -> Iterator[str]:
    """Let references follow a key that is written in another way and is the same in the new shape."""
    target = _same_table(flow, member.table)
    if target is None or not _is_told_apart(flow):
        return
    for _, child in mapped_tables(plan):
        for key in child.table.foreign_keys:
            columns = key.referenced_columns
            if key.references != member.table.name or not _has(target, columns):
                continue
            changed = f"ROW({column_list(columns, 'OLD.')}) IS DISTINCT FROM ROW({column_list(columns, 'NEW.')})"
            same = " AND ".join(f"o.{ident(c)} IS NOT DISTINCT FROM n.{ident(c)}" for c in columns)
            both = f"{images.mapped(target, 'OLD')} o JOIN {images.mapped(target, 'NEW')} n ON {same}"
            yield f"IF {changed} THEN IF EXISTS (SELECT FROM {both}) THEN {_action(plan, child, key)} END IF; END IF;"


def withhold(plan: Plan, target: Member, images: Images, linked: frozenset[tuple[Name, str]]) -> Iterator[str]:
    """Refuse to delete a row of the new shape with which a new key would take rows, or values, that the old one keeps.

    `linked` are tables and columns of which it has been seen to already, unless rows would be deleted.
    """
    for made in (*plan.foreign_keys, *plan.outside_keys):
        key = made.now
        if key is None or made.before is not None or key.references != target.table.name or key.on_delete in "ar":
            continue
        if not _shown(plan, made.table) or (key.on_delete != "c" and (made.table, key.columns[0]) in linked):
            continue
        pairs = zip(key.columns, key.referenced_columns, strict=True)
        same = " AND ".join(f"c.{ident(ours)} = t.{ident(theirs)}" for ours, theirs in pairs)
        mine = same_key(target, "t", "o")
        rows = f"{images.mapped(target, 'OLD')} o JOIN {images.at.sql(target.alias)} t ON {mine}"
        referring = f"SELECT FROM {rows} JOIN {made.table.sql} c ON {same}"
        yield f"IF EXISTS ({referring}) THEN {_violation(target.table, key)} END IF;"


def _shown(plan: Plan, table: Name) -> bool:
    """Whether the old shape shows rows of a new table."""
    outside = any(made.table == table for made in plan.outside_keys)
    return outside or any(m.table.name == table for _, m in mapped_tables(plan))


def _action(plan: Plan, child: Member, key: Constraint) -> str:
    view = view_name(plan, child.table).sql
    pairs = list(zip(key.columns, key.referenced_columns, strict=True))
    referring = " AND ".join(f"v.{ident(ours)} = OLD.{ident(theirs)}" for ours, theirs in pairs)
    if "ON UPDATE CASCADE" in key.definition:
        sets = ", ".join(f"{ident(ours)} = NEW.{ident(theirs)}" for ours, theirs in pairs)
    elif "ON UPDATE SET NULL" in key.definition:
        sets = ", ".join(f"{ident(ours)} = NULL" for ours in key.columns)
    elif "ON UPDATE SET DEFAULT" in key.definition:
        sets = ", ".join(f"{ident(ours)} = DEFAULT" for ours in key.columns)
    else:
        return f"IF EXISTS (SELECT FROM {view} v WHERE {referring}) THEN {_violation(child.table, key)} END IF;"
    return (
        f"following := {_SET}; PERFORM set_config('ecluse.following', 'on', true);\n"
        f"UPDATE {view} v SET {sets} WHERE {referring};\n"
        "PERFORM set_config('ecluse.following', coalesce(following, ''), true);"
    )


def _violation(table: Table, key: Constraint) -> str:
    message = f'insert, update or delete violates foreign key constraint "{key.name}"'
    return (
        f"RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = {literal(message)}, "
        f"SCHEMA = {literal(table.name.schema)}, TABLE = {literal(table.name.name)}, CONSTRAINT = {literal(key.name)};"
    )


def _parent(plan: Plan, key: Constraint) -> tuple[Flow, Member] | None:
    return next(((f, m) for f, m in mapped_tables(plan) if m.table.name == key.references), None)


def _is_told_apart(flow: Flow) -> bool:
    """Whether rows whose new key is the same may have had different ones."""
    return any(member.role == "aside" for member in flow.new.members)


def _same_table(flow: Flow, table: Table) -> Member | None:
    return next((m for m in flow.new.members if m.placed and m.table.name == table.name), None)


def _has(member: Member, columns: tuple[str, ...]) -> bool:
    return bool(columns) and set(columns) <= set(member.columns)
