"""Rows that come home to another database: staged there, and sifted by what the old table takes. Pure."""

from __future__ import annotations

import re

from ecluse.model.catalog import Constraint, Table
from ecluse.model.flow import Member
from ecluse.model.names import ident
from ecluse.planning.unique_sql import exclusions

STAGED = "pg_temp.ecluse_staged"
_CHECK = re.compile(r"CHECK (\(.*\))(?: NO INHERIT)?(?: NOT VALID)?\Z", re.S)


def stage(old: Table) -> tuple[str, ...]:
    """A temporary table with the columns of the old one, that takes any row."""
    bare = ", ".join(f"ALTER COLUMN {ident(c.name)} DROP NOT NULL" for c in old.columns if c.not_null)
    return (
        f"DROP TABLE IF EXISTS {STAGED}",
        f"CREATE TEMP TABLE ecluse_staged (LIKE {old.name.sql} INCLUDING GENERATED)",
        *([f"ALTER TABLE {STAGED} {bare}"] if bare else []),
    )


def leave_out(old: Member, *, apart: bool) -> str:
    """Take from the stage what the old table would refuse: one such row must not keep all others from coming home.

    `apart`: also what cannot stand beside rows that are there or that come along. That can only be judged when
    everything comes at once.
    """
    table = old.table
    asked = [f"m.{ident(c.name)} IS NOT NULL" for c in table.columns if c.not_null and c.written]
    for constraint in table.constraints:
        if constraint.kind == "c" and (found := _CHECK.match(constraint.definition)):
            asked.append(f"{found[1]} IS NOT FALSE")
        if constraint.kind == "f" and constraint.references is not None:
            own = constraint.references == table.name
            if apart or not own:
                asked.append(_refers(constraint, constraint.references.sql, STAGED if own else ""))
    if apart:
        asked += [f"NOT EXISTS (SELECT FROM {table.name.sql} h WHERE {each})" for each in exclusions(old)]
        asked += [f"NOT EXISTS (SELECT FROM {STAGED} h WHERE h.ctid < m.ctid AND {each})" for each in exclusions(old)]
    return f"DELETE FROM {STAGED} m WHERE NOT ({' AND '.join(asked) or 'true'})"


def _refers(key: Constraint, parent: str, beside: str) -> str:
    pairs = list(zip(key.columns, key.referenced_columns, strict=True))
    none = [f"m.{ident(ours)} IS NULL" for ours, _ in pairs]
    same = " AND ".join(f"p.{ident(theirs)} = m.{ident(ours)}" for ours, theirs in pairs)
    there = [f"EXISTS (SELECT FROM {table} p WHERE {same})" for table in (parent, beside) if table]
    return f"({' OR '.join([*none, *there])})"
