"""How a filter on the old shape reaches an index, and which texts its views need not look for."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.engine.context import Connection, Run
from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import Plan
from ecluse.planning.old_shape.place import mapped_tables
from ecluse.planning.old_shape.views import Odd, indexes, odd_indexes

_EVIDENCE = 1000  # rows of which none was written unusually: then the next is not expected to be


def build_indexes(run: Run, conn: Connection) -> None:
    """Index what old values are found by, on tables that nobody but the drain writes yet."""
    for statement in index_statements(run.plan):
        conn.execute(statement)


def index_statements(plan: Plan) -> Iterator[str]:
    """The indexes, on the new tables beside."""
    for member, name, columns in indexes(plan):
        table = member.table.name.within(plan.next_schema)
        yield f"CREATE INDEX IF NOT EXISTS {ident(name)} ON {table.sql} ({columns})"
    aliases = {m.alias: m for flow in plan.flows for m in flow.new.members}
    for name, (alias, document, key) in odd_indexes(plan).items():
        table = aliases[alias].table.name.within(plan.next_schema)
        yield f"CREATE INDEX IF NOT EXISTS {ident(name)} ON {table.sql} ((true)) WHERE {document} ? {literal(key)}"


def drop_indexes(run: Run, conn: Connection) -> None:
    """Take them away, wherever their tables stand."""
    for member, name, _ in indexes(run.plan):
        for where in (run.plan.next_schema, member.table.name.schema):
            conn.execute(f"DROP INDEX IF EXISTS {Name(where, name).sql}")
    for name in odd_indexes(run.plan):
        conn.execute(f"DROP INDEX IF EXISTS {Name(run.plan.next_schema, name).sql}")


def even(run: Run, conn: Connection) -> frozenset[Odd]:
    """What no aside table has of tables that are large enough for that to be no accident."""
    asked = {odd for _, member in mapped_tables(run.plan) if member.shown for odd in member.shown.odd}
    found = set()
    for flow in run.plan.flows:
        large = _large(conn, flow.old.anchor.table.name.within(run.plan.kept_schema))
        names = {m.alias: m.table.name.within(run.plan.next_schema) for m in flow.new.members if m.role == "aside"}
        for alias, document, key in (odd for odd in asked if odd[0] in names and large):
            row = conn.execute(
                f"SELECT EXISTS (SELECT FROM {names[alias].sql} WHERE {document} ? {literal(key)})"
            ).fetchone()
            if row and not row[0]:
                found.add((alias, document, key))
    return frozenset(found)


def _large(conn: Connection, table: Name) -> bool:
    row = conn.execute(f"SELECT count(*) FROM (SELECT FROM {table.sql} LIMIT {_EVIDENCE}) l").fetchone()
    return bool(row and row[0] == _EVIDENCE)
