"""Which rows a constraint of the new shape does not take: asked of the new tables as they stand after a failure."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import psycopg

from ecluse.engine.context import Connection
from ecluse.engine.planner import mask
from ecluse.model.catalog import Constraint
from ecluse.model.flow import Member
from ecluse.model.names import Name, ident
from ecluse.model.plan import Plan
from ecluse.redaction import unless_secret

_MOST = 5  # rows that are named
_CHECK = re.compile(r"^CHECK\s*(?P<condition>\(.*\))(?: NO INHERIT| NOT VALID| NOT ENFORCED)*$", re.S | re.I)


def culprits(conn: Connection, plan: Plan, *, show_values: bool) -> list[str]:
    """A line for each constraint that rows do not keep: how many, and the keys of some, masked unless asked for."""
    found = []
    for flow in plan.builds:
        for member in flow.new.members:
            for title, query, columns in _questions(plan, member):
                # A question that cannot be asked, of a table that was not built yet, has no answer.
                with contextlib.suppress(psycopg.ProgrammingError), conn.transaction():
                    rows = conn.execute(query.encode()).fetchall()
                    if rows:
                        keys = "; ".join(_shown(columns, row[1:], show_values) for row in rows)
                        found.append(f"{title}: {rows[0][0]:,} rows, as {keys}")
    return found


def _questions(plan: Plan, member: Member) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    table = member.table
    at = table.name.within(plan.next_schema)
    key = table.primary_key or member.key or tuple(column.name for column in table.columns[:1])
    for constraint in table.constraints:
        check = _CHECK.match(constraint.definition) if constraint.kind == "c" else None
        if check:
            yield f"{table.name}, {constraint.name}", _not(at, key, f"({check['condition']}) IS FALSE"), key
        elif constraint.kind in "pu":
            yield f"{table.name}, {constraint.name}", _twice(at, constraint), constraint.columns
    for column in table.columns:
        if column.not_null:
            yield f"{table.name}.{column.name} is NULL", _not(at, key, f"m.{ident(column.name)} IS NULL"), key


def _not(at: Name, key: tuple[str, ...], condition: str) -> str:
    said = ", ".join(f"m.{ident(name)}::text" for name in key)
    return f"SELECT count(*) OVER (), {said} FROM {at.sql} AS m WHERE {condition} LIMIT {_MOST}"


def _twice(at: Name, constraint: Constraint) -> str:
    names = [f"m.{ident(name)}" for name in constraint.columns]
    full = " AND ".join(f"{name} IS NOT NULL" for name in names)
    return (
        f"SELECT sum(count(*)) OVER ()::bigint, {', '.join(f'{name}::text' for name in names)} FROM {at.sql} AS m "
        f"WHERE {full} GROUP BY {', '.join(names)} HAVING count(*) > 1 LIMIT {_MOST}"
    )


def _shown(columns: tuple[str, ...], values: tuple[str | None, ...], show_values: bool) -> str:
    said = []
    for column, value in zip(columns, values, strict=True):
        shown = unless_secret(column, value) if show_values else mask(value) if value is not None else None
        said.append(f"{column} = {shown}")
    return ", ".join(said)
