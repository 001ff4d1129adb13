"""Statements that a session has planned before: under lock, planning is somebody's waiting time.

A mapping can take longer to plan than to run for a handful of units. The drains before the switch prepare what the
drain inside it executes. That holds only while nothing invalidates the plans, so the table of units is emptied by
DELETE and analysed only when its size is of another order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from ecluse.planning.flow_sql import UNITS
from ecluse.postgres.connect import Session
from ecluse.proof.compare import equal_sums, equality_sql

_FEW = 1_000
_OTHER_ORDER = 8


@dataclass(slots=True)
class _Known:
    names: dict[str, str] = field(default_factory=dict)
    proofs: dict[tuple[str, str], str] = field(default_factory=dict)
    analysed: int | None = None


@dataclass(slots=True)
class Prepared:
    """What the sessions of a run have prepared, by backend process."""

    _sessions: dict[int, _Known] = field(default_factory=dict)

    def _known(self, conn: Session) -> _Known:
        return self._sessions.setdefault(conn.info.backend_pid, _Known())

    def execute(self, conn: Session, statement: str, *, few: bool) -> psycopg.Cursor[tuple[object, ...]]:
        """Run a statement without parameters; prepared when only `few` units are in hand."""
        if not few:
            return conn.execute(statement)
        names = self._known(conn).names
        if statement not in names:
            name = f"ecluse_{len(names)}"
            conn.execute(f"PREPARE {name} AS {statement}")
            names[statement] = name
        return conn.execute(f"EXECUTE {names[statement]}")

    def equal(self, conn: Session, left: str, right: str, columns: tuple[str, ...], *, few: bool) -> bool:
        """Whether two queries yield the same rows in the transaction of the session."""
        proofs = self._known(conn).proofs
        if (left, right) not in proofs:
            proofs[left, right] = equality_sql(conn, left, right, columns)
        return equal_sums(self.execute(conn, proofs[left, right], few=few).fetchone())

    def settle(self, conn: Session, count: int, *, locked: bool) -> bool:
        """Give the planner statistics of the units where they are of another order; returns whether they are few.

        A temporary table that was never analysed counts as full of rows, and no index is used for so many.
        """
        known = self._known(conn)
        last = known.analysed
        few = count <= _FEW
        # A plan made for many units reads whole tables, and would be kept for the few.
        other = last is None or few != (last <= _FEW) or count > _OTHER_ORDER * max(last, _FEW)
        if other and not (locked and last is not None):
            conn.execute(f"ANALYZE {UNITS}")
            known.analysed = count
        return few
