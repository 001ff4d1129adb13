"""What stands aside of a row: what the new columns cannot tell. Nobody but the engine has written there. Pure text."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.flow import Member
from ecluse.model.names import ident
from ecluse.planning import flow_sql
from ecluse.planning.old_shape.differs import differs
from ecluse.planning.old_shape.rows import Rows


def put(rows: Rows, member: Member) -> Iterator[str]:
    """Keep aside of the row's key what is to be kept now, whatever was left there of a row that is gone.

    Of a key that the row had before, it stays: rows refer to it, and the log is read with it.
    """
    table, new = rows.at.sql(member.alias), rows.mapped(member, "NEW")
    anchors = rows.mapped(rows.flow.new.anchor, "NEW")
    left = f"EXISTS (SELECT FROM {table} m JOIN {anchors} a ON {member.join})"
    yield f"IF EXISTS (SELECT FROM {new} n) OR {left} THEN"
    yield from clear(rows, member, anchors)
    yield from keep(rows, member)
    yield "END IF;"


def clear(rows: Rows, member: Member, anchors: str) -> Iterator[str]:
    """Delete what stands aside of these anchors and is not to be kept."""
    new, same = rows.mapped(member, "NEW"), flow_sql.same_key(member, "n", "m")
    yield (
        f"DELETE FROM {rows.at.sql(member.alias)} m USING {anchors} a WHERE {member.join} "
        f"AND NOT EXISTS (SELECT FROM {new} n WHERE {same});"
    )


def keep(rows: Rows, member: Member) -> Iterator[str]:
    """Make what stands aside what it is to be: nobody but the engine has written there."""
    table, new = rows.at.sql(member.alias), rows.mapped(member, "NEW")
    rest = [c for c in member.table.columns if c.written and c.name not in member.key]
    same = flow_sql.same_key(member, "n", "m")
    changed = " OR ".join(differs(c, f"m.{ident(c.name)}", f"n.{ident(c.name)}") for c in rest)
    sets = ", ".join(f"{ident(c.name)} = n.{ident(c.name)}" for c in rest)
    if sets:
        yield f"UPDATE {table} m SET {sets} FROM {new} n WHERE {same} AND ({changed});"
    columns = flow_sql.column_list(member.columns)
    yield (
        f"INSERT INTO {table} ({columns}) SELECT {flow_sql.column_list(member.columns, 'n.')} FROM {new} n "
        f"WHERE NOT EXISTS (SELECT FROM {table} m WHERE {same});"
    )
