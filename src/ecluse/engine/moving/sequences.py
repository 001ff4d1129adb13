"""Sequences go along with their table: the number that comes next there comes next here, and back."""

from __future__ import annotations

from ecluse.engine.context import Connection, Run
from ecluse.model.names import Name, literal


def sequences_here(run: Run, here: Connection) -> None:
    """Let the new tables' sequences, which nobody uses yet, go on where those of the closed tables stand."""
    for move in run.plan.moves:
        target = move.new.table.name.within(run.plan.next_schema)
        for old, new in move.sequences:
            with run.session("sequences", move.origin) as there:
                _carry(there, move.old.table.name, old, here, target, new)


def sequences_home(run: Run, here: Connection) -> None:
    """After a rollback, before the old tables are open again: go on where the new tables' sequences stood."""
    for move in run.plan.moves:
        source = move.new.table.name.within(run.plan.next_schema)
        for old, new in move.sequences:
            with run.session("sequences", move.origin) as there:
                _carry(here, source, new, there, move.old.table.name, old)


def _carry(source: Connection, table: Name, column: str, target: Connection, other: Name, its: str) -> None:
    name = _sequence(source, table, column)
    into = _sequence(target, other, its)
    if name and into:
        row = source.execute(f"SELECT last_value, is_called FROM {name}").fetchone()
        target.execute("SELECT setval(%s::regclass, %s, %s)", (into, *(row or ())))


def _sequence(conn: Connection, table: Name, column: str) -> str | None:
    row = conn.execute(f"SELECT pg_get_serial_sequence({literal(table.sql)}, {literal(column)})").fetchone()
    return row[0] if row else None
