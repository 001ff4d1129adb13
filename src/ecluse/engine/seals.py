"""Seals of a run: what the new tables were when the old ones were dropped, for a proof that comes after it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ecluse.engine import journal
from ecluse.engine.context import Connection, Run
from ecluse.model.names import Name
from ecluse.planning import switch_sql
from ecluse.proof.readers import Readers, readers
from ecluse.proof.seal import columns_of, seal_all

STEP = "sealed"


def record(run: Run, conn: Connection) -> None:
    """Seal the new tables, all at one snapshot, and record it. A run that `finish` does again is sealed again.

    Reads every row of them once. Locks: ACCESS SHARE.
    """
    names = tuple(dict.fromkeys(member.table.name for member in switch_sql.visible(run.plan)))
    if not names:
        return
    with run.step("seal the new tables"):
        with readers(lambda: run.connect("seal", ""), run.options.workers, stop=run.stop.soft) as both:
            found = seal_all(both, columns_of(both, names))
            snapshot, seen_at = moment(both)
        tables = [asdict(seal) for seal in found]
        journal.record_step(conn, run.id, STEP, snapshot=snapshot, at=seen_at, tables=tables)
    run.journaled(STEP)


def recorded(conn: Connection, run: int) -> dict[str, Any] | None:
    """The seals of a run, where it was finished by a version that makes them."""
    return journal.steps_done(conn, run).get(STEP)


def moment(both: Readers) -> tuple[str, str]:
    """The snapshot that the readers share, and when it was taken."""
    row = both.first.execute(b"SELECT pg_current_snapshot()::text, now()::text").fetchone()
    return (str(row[0]), str(row[1])) if row else ("", "")


def again(both: Readers, sealed: list[dict[str, Any]]) -> dict[str, tuple[int, str] | None]:
    """Rows and sum of each sealed table as it is now; None where the table, or a sealed column of it, is gone."""
    wanted = {Name.parse(each["table"]): tuple(each["columns"]) for each in sealed}
    there = columns_of(both, tuple(wanted))
    whole = {name: columns for name, columns in wanted.items() if set(columns) <= set(there.get(name, ()))}
    found = {seal.table: (seal.rows, seal.sum) for seal in seal_all(both, whole)}
    return {str(name): found.get(str(name)) for name in wanted}
