"""What refers to a row that could not go home cannot stay either: found under lock, before the rollback's commit."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.engine import drain, journal
from ecluse.engine.context import Connection, Run
from ecluse.model.catalog import Constraint
from ecluse.model.flow import Flow, Member
from ecluse.model.names import literal
from ecluse.planning import flow_sql, held_sql


def withhold_orphans(run: Run, conn: Connection) -> None:
    """Clear the old rows that refer to a row that was parked; `park_left` parks what they are in the new shape."""
    if drain.BLOCKED not in journal.steps_done(conn, run.id):
        return
    at = run.switched
    for flow in run.plan.flows:  # referenced tables first, so that a chain is followed in one pass
        for member, key, parent in _keys(run, flow):
            conn.execute(f"DELETE FROM {flow_sql.UNITS}")
            units = held_sql.orphaned_units(flow, member, key, parent, at)
            if conn.execute(f"INSERT INTO {flow_sql.UNITS} SELECT DISTINCT unit FROM ({units}) o(unit)").rowcount:
                conn.execute(flow_sql.clear_units(flow.old, at))
                later = f"SELECT {run.id}, {literal(flow.name)}, unit FROM {flow_sql.UNITS}"
                conn.execute(f"INSERT INTO ecluse.to_park {later}")


def _keys(run: Run, flow: Flow) -> Iterator[tuple[Member, Constraint, Member]]:
    """The foreign keys of a flow's old tables to those of other flows."""
    others = {m.table.name: m for other in run.plan.flows if other is not flow for m in other.old.members}
    for member in flow.old.members:
        for key in member.table.foreign_keys:
            if key.valid and key.references in others:
                yield member, key, others[key.references]
