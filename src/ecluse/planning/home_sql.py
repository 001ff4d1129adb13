"""Rows that come home to another database: staged there, and sifted by what the old table takes. Pure."""

from __future__ import annotations

from ecluse.model.catalog import Constraint, Table
from ecluse.model.flow import Member, Side, fill
from ecluse.model.names import ident
from ecluse.planning.flow_sql import UNITS, Places, find, rows_of_units
from ecluse.planning.held_sql import demands
from ecluse.planning.unique_sql import exclusions

STAGED = "pg_temp.ecluse_staged"


def stage(old: Table) -> tuple[str, ...]:
    """A temporary table with the columns of the old one, that takes any row."""
    bare = ", ".join(f"ALTER COLUMN {ident(c.name)} DROP NOT NULL" for c in old.columns if c.not_null)
    return (
        f"DROP TABLE IF EXISTS {STAGED}",
        f"CREATE TEMP TABLE ecluse_staged (LIKE {old.name.sql} INCLUDING GENERATED)",
        *([f"ALTER TABLE {STAGED} {bare}"] if bare else []),
    )


def kin(side: Side, at: Places) -> tuple[str, ...]:
    """Take in hand the old rows that refer to rows in hand, by keys of the table to itself; to be run until all are.

    Clearing a row that others refer to would fail, or change and delete those by the key's own rule.
    """
    table, unit = side.anchor.table, fill(side.unit, at.sql)
    return tuple(
        f"INSERT INTO {UNITS} SELECT {unit} FROM {table.name.sql} m WHERE EXISTS (SELECT FROM "
        f"{rows_of_units(side, at)} p WHERE {_same(key)}) AND NOT EXISTS (SELECT FROM {UNITS} u WHERE {find(side, at)})"
        for key in table.foreign_keys
        if key.references == table.name
    )


def leave_out(old: Member, *, apart: bool) -> str:
    """Take from the stage what the old table would refuse: one such row must not keep all others from coming home.

    `apart`: also what cannot stand beside rows that are there or that come along. That can only be judged when
    everything comes at once, and again until nothing more is left out: rows may refer to those that were.
    """
    table = old.table
    known = {column.name for column in table.columns}
    asked = demands(table, known)
    for constraint in table.constraints:
        if constraint.kind == "f" and constraint.references is not None:
            own = constraint.references == table.name
            if apart or not own:
                asked.append(_refers(constraint, constraint.references.sql, STAGED if own else ""))
    if apart:
        asked += [
            f"NOT EXISTS (SELECT FROM {place} AND {each})"
            for place in (f"{table.name.sql} h WHERE true", f"{STAGED} h WHERE h.ctid < m.ctid")
            for each in exclusions(old, known)
        ]
    return f"DELETE FROM {STAGED} m WHERE NOT ({' AND '.join(asked) or 'true'})"


def _refers(key: Constraint, parent: str, beside: str) -> str:
    full = " AND " if "MATCH FULL" in key.definition else " OR "
    none = full.join(f"m.{ident(ours)} IS NULL" for ours in key.columns)
    there = [f"EXISTS (SELECT FROM {table} p WHERE {_same(key)})" for table in (parent, beside) if table]
    return f"({' OR '.join([f'({none})', *there])})"


def _same(key: Constraint) -> str:
    pairs = zip(key.columns, key.referenced_columns, strict=True)
    return " AND ".join(f"p.{ident(theirs)} = m.{ident(ours)}" for ours, theirs in pairs)
