"""Finish: the point of no return. The old shape is archived to files, the files are checked, then it is dropped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from ecluse.engine import journal, old_shape, prepare, seals
from ecluse.engine.archive import check_archive, drop_name, write_archive
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving import ending
from ecluse.errors import WrongState
from ecluse.model.names import Name, ident
from ecluse.planning import flow_sql, switch_sql
from ecluse.planning.old_shape import told


def finish(run: Run, conn: Connection, status: str, folder: Path) -> Path:
    """Archive, check, seal, drop; returns the archive's folder. Rerun after a crash, it goes on or begins anew.

    Locks: SHARE on the kept tables while they are written and compared; ACCESS EXCLUSIVE on the new tables
    for the moment in which their capture triggers are dropped.
    """
    if status != "switched":
        raise WrongState(f"a run that is '{status}' cannot be finished: only one that is 'switched' can")
    old_shape.refuse_used(run, conn, "finish")
    kept = [(t, t.name.within(run.plan.kept_schema)) for t in switch_sql.old_tables(run.plan)]
    place = folder / f"{run.plan.migration}-{run.id}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    with conn.transaction():
        if kept:
            conn.execute(f"LOCK TABLE {', '.join(at.sql for _, at in kept)} IN SHARE MODE")
        with run.step("archive", str(place)):
            about: dict[str, object] = {"migration": run.plan.migration, "run": run.id, "plan": run.plan.fingerprint}
            write_archive(conn, place, kept, about)
            _write_quarantine(run, conn, place)
    with run.step("check the archive", str(place)), conn.transaction():
        check_archive(conn, place, kept)
    ending.archive_moves(run, conn, place)
    seals.record(run, conn)
    with run.step("drop the old shape"):
        ending.drop_moves(run)
        prepare.with_locks(run, conn, "finish", lambda c: _drop(run, c, place))
    run.journaled("finished")
    return place


def _write_quarantine(run: Run, conn: Connection, place: Path) -> None:
    for table in ("quarantine", "parked"):
        rows = conn.execute(
            f"SELECT alias, source, key, reason, row, at::text FROM ecluse.{table} WHERE run = %s ORDER BY id",
            (run.id,),
        )
        with (place / f"{table}.jsonl").open("w", encoding="utf-8") as out:
            for alias, source, key, reason, row, at in rows:
                entry = {"alias": alias, "source": source, "key": key, "reason": reason, "row": row, "at": at}
                out.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _drop(run: Run, conn: Connection, place: Path) -> None:
    for statement in drop_statements(run):
        conn.execute(statement)
    journal.advance(conn, run.id, status="finished", stage="finished", note=str(place.resolve()))


def drop_statements(run: Run) -> tuple[str, ...]:
    """All in one transaction with the record. No CASCADE: what someone hung on the old shape is not ours to drop."""
    plan = run.plan
    statements: list[str] = [told.drop(run.id)]
    for member in switch_sql.visible(plan):
        statements += flow_sql.drop_capture(run.id, member, member.table.name)
    statements += [flow_sql.release(run.id, member) for member in plan.joining]
    for flow in plan.builds:
        for member in flow.members:
            statements += flow_sql.drop_log(run.id, member)
        if not flow.new.find:
            home = flow.new.anchor.table.name.schema
            statements.append(f"DROP INDEX IF EXISTS {Name(home, prepare.unit_index_name(flow, 'new')).sql}")
    # A policy may read any of the others, and so hold it.
    statements += [
        f"DROP POLICY IF EXISTS {ident(policy.name)} ON {table.name.within(plan.kept_schema).sql}"
        for table in switch_sql.old_tables(plan)
        for policy in table.policies
    ]
    statements += [drop_name(m.kind, m.signature, m.name, plan.kept_schema) for m in plan.moved]
    for flow in plan.flows:
        asides = (m.table.name for m in flow.new.members if not m.placed)
        statements += [f"DROP TABLE {name.within(plan.next_schema).sql}" for name in asides]
    statements += [f"DROP TABLE IF EXISTS {name.sql}" for name in plan.loaded]
    return (*statements, f"DROP SCHEMA {ident(plan.kept_schema)}", f"DROP SCHEMA {ident(plan.next_schema)}")
