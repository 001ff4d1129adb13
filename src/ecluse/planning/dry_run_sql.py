"""The SQL of the dry run: what a run would do with the rows, as questions. Pure text.

The conditions and mappings are those that the copy and the quarantine use; only `INSERT` is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.plan import Plan
from ecluse.planning import flow_sql, held_sql, roster_sql
from ecluse.planning.flow_sql import Places

SESSION = "pg_temp"


def beside(plan: Plan) -> Plan:
    """The plan with its input tables and rosters as tables of the session, which a read-only transaction may fill."""
    return replace(
        plan,
        inputs=tuple(replace(table, name=_of_session(table.alias)) for table in plan.inputs),
        rosters=tuple(replace(roster, name=_of_session(roster.alias)) for roster in plan.rosters),
    )


def _of_session(alias: str) -> Name:
    return Name(SESSION, short(f"ecluse_dry_{alias}"))


def make_beside(plan: Plan) -> Iterator[str]:
    """Make these tables, empty and with their indexes, and the enums. `plan` is one of `beside`."""
    for enum in plan.enums:
        if enum.made or enum.added:
            labels = ", ".join(literal(label) for label in enum.labels)
            yield f"CREATE TYPE {enum.name.within(SESSION).sql} AS ENUM ({labels})"
    yield from make_tables(plan)


def make_tables(plan: Plan) -> Iterator[str]:
    """The tables alone."""
    for table in plan.inputs:
        yield f"CREATE TEMP TABLE {ident(table.name.name)} {table.definition}"
        yield from (f"CREATE INDEX ON {table.name.sql} ({ident(column)})" for column in table.indexed)
    for roster in plan.rosters:
        yield f"CREATE TEMP TABLE {ident(roster.name.name)} {roster.definition}"
        yield from roster_sql.indexes(roster)


def rows_in(member: Member, at: Places) -> str:
    """How many rows an old table has."""
    return f"SELECT count(*) FROM {at.sql(member.alias)} m"


def held(flow: Flow, member: Member, at: Places) -> str:
    """Why rows of an old table would go to quarantine, and how many: none where nothing of the flow can."""
    anchor = flow.old.anchor
    parts = []
    if member is anchor and member.rejects:
        rejected = f"FROM {at.sql(member.alias)} m WHERE {flow_sql.rejected(member, at)}"
        parts.append(f"SELECT {flow_sql.reason(member, at)} AS why {rejected}")
    elif member is not anchor and held_sql.quarantines(flow):
        why, those = held_sql.satellites_held(flow, member, at, at.sql(anchor.alias))
        parts.append(f"SELECT {why} AS why {those}")
    if member is not anchor and flow_sql.may_orphan(flow, member):
        why, those = held_sql.orphans_held(flow, member, at)
        parts.append(f"SELECT {why} AS why {those}")
    if not parts:
        return ""
    return f"SELECT why, count(*) FROM ({' UNION ALL '.join(parts)}) h GROUP BY 1 ORDER BY 2 DESC, 1"


def accepted(flow: Flow, member: Member, at: Places) -> str:
    """How many rows of an old table the mapping is given."""
    anchors = flow_sql.rows_all(flow.old.anchor, at)
    rows = anchors if member is flow.old.anchor else flow_sql.hanging(member, at, anchors)
    return f"SELECT count(*) FROM {rows} r"


def arriving(flow: Flow, member: Member, at: Places) -> tuple[str, tuple[str, ...]]:
    """How many rows a new table would get, then, for each of the returned columns, in how many it would be NULL.

    Every column of every row is computed, so a value that its conversion cannot take is found.
    """
    columns = set(member.columns)
    asked = tuple(c.name for c in member.table.columns if c.not_null and c.name in columns)
    nulls = "".join(f", count(*) FILTER (WHERE q.{ident(name)} IS NULL)" for name in asked)
    rows = flow_sql.mapped(member, flow.old, at, flow_sql.rows_all(flow.old.anchor, at))
    return f"SELECT count(ROW({flow_sql.column_list(member.columns, 'q.')})){nulls} FROM ({rows}) q", asked
