"""Enums: made and extended when a run begins, and taken back when a rollback has put everything else home.

Each is a transaction of its own with its record: a label can be used only when the transaction that adds it is
committed. Only what the record says is ours is ever taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import psycopg

from ecluse.engine import journal, prepare, relabel
from ecluse.engine.context import Connection, Run
from ecluse.engine.labelled import Labelled, gone, held_by, standing, users
from ecluse.errors import DatabaseChanged, WrongState
from ecluse.model.names import Name
from ecluse.model.plan import Enum, Hazard, Plan
from ecluse.model.report import Event
from ecluse.planning import enum_sql

_STANDS = """
SELECT t.oid::bigint, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid
WHERE n.nspname = %s AND t.typname = %s GROUP BY t.oid
"""


def _stands(conn: Connection, name: Name) -> tuple[int, tuple[str, ...]] | None:
    """The enum's oid, and its labels in order."""
    row = conn.execute(_STANDS, (name.schema, name.name)).fetchone()
    return (row[0], tuple(row[1])) if row else None


def _step(enum: Enum) -> str:
    return f"enum {enum.name}"


def _step_back(enum: Enum) -> str:
    return f"enum back {enum.name}"


def foresee(conn: Connection, plan: Plan) -> Iterator[Hazard]:
    """What would forbid a rollback to take a label off again, as things are now: rows are asked for by itself."""
    for enum in plan.enums:
        found = _stands(conn, enum.name) if enum.added else None
        if found:
            labelled = Labelled(enum.name, found[0], enum.found, enum.added)
            for obstacle in standing(conn, labelled, gone(plan, switched=False, home=False)).obstacles:
                told = (
                    f"a rollback is refused while {obstacle} stands on enum {enum.name}: it could not be carried over"
                )
                yield Hazard("label-held", "warn", str(enum.name), told, "drop it before a rollback, and make it again")


# --- forward ------------------------------------------------------------------------------------------


def arrive(run: Run, conn: Connection) -> None:
    """Make and extend them, each once: a copy that starts again finds them there. Raises DatabaseChanged."""
    for enum in run.plan.enums:
        if _step(enum) not in journal.steps_done(conn, run.id):
            prepare.with_locks(run, conn, "enum", partial(_arrive, run, enum))
            run.journaled(_step(enum))


def _arrive(run: Run, enum: Enum, conn: Connection) -> None:
    found = _stands(conn, enum.name)
    if enum.made and found is None:
        for statement in enum_sql.create(enum):
            conn.execute(statement)
        found = _stands(conn, enum.name)
        assert found is not None
        journal.record_step(conn, run.id, _step(enum), made=True, oid=found[0])
        return
    oid, labels = _as_planned(run, enum, found)
    added = [label for label in enum.added if label not in labels]
    for statement in enum_sql.extend(enum) if added else ():
        conn.execute(statement)
    journal.record_step(conn, run.id, _step(enum), added=added, oid=oid)


def _as_planned(run: Run, enum: Enum, found: tuple[int, tuple[str, ...]] | None) -> tuple[int, tuple[str, ...]]:
    """What stands there, where the plan is of it; another may have made the type, or added the labels, meanwhile."""
    wanted = enum.found or enum.labels
    if found is not None and tuple(label for label in found[1] if label not in enum.added) == wanted:
        return found
    raise DatabaseChanged(
        f"enum {enum.name} is {'gone' if found is None else 'another than the plan found'}",
        details=f"planned: {', '.join(wanted)}" + (f"\nnow: {', '.join(found[1])}" if found else ""),
        hint=f"ecluse rollback {run.plan.migration}, then plan and apply again; or undo the change",
        state="the old shape is in place and in use",
    )


# --- and back -----------------------------------------------------------------------------------------


def _ours(run: Run, conn: Connection) -> list[tuple[Enum, Labelled | None]]:
    """What this run made (None) or extended, and has not taken back yet, where it is still there."""
    done = journal.steps_done(conn, run.id)
    ours: list[tuple[Enum, Labelled | None]] = []
    for enum in reversed(run.plan.enums):
        mine, found = done.get(_step(enum), {}), _stands(conn, enum.name)
        if _step_back(enum) in done or found is None or found[0] != mine.get("oid"):
            continue
        added = tuple(label for label in mine.get("added", ()) if label in found[1])
        if mine.get("made"):
            ours.append((enum, None))
        elif added:
            stays = tuple(label for label in found[1] if label not in added)
            ours.append((enum, Labelled(enum.name, found[0], stays, added)))
    return ours


def refuse_used(run: Run, conn: Connection, *, switched: bool, home: bool = False) -> None:
    """Raise WrongState where a label could not be taken back: before anything of a rollback is done.

    Asked of what is there after the rollback; the tables of the new shape are gone by then. `home`: the new writes
    have been carried into the kept tables, which are asked as well.
    """
    leaving = gone(run.plan, switched=switched, home=home)
    for enum, labelled in _ours(run, conn):
        why = held_by(conn, labelled, leaving) if labelled else None
        if why:
            words = ", ".join(f"'{label}'" for label in labelled.added) if labelled else ""
            shape, hints = "new" if switched else "old", list(why.hints)
            if any(run.plan.kept_schema in hint for hint in hints):
                hints.append(
                    f"those of {run.plan.kept_schema} came home: change them in the new tables, roll back again"
                )
            raise WrongState(
                f"a rollback would have to take {words} off enum {enum.name}, and cannot",
                details="\n".join(why.reasons),
                hint="\n".join(hints),
                state=f"nothing was changed; the {shape} shape is in use",
            )


def depart(run: Run, conn: Connection) -> bool:
    """Drop the types that the run made and take its labels off the others; whether all that could be done.

    To be called when everything else of a rollback is done. Types that others use stay, and are theirs from then on.
    """
    done = True
    for enum, labelled in _ours(run, conn):
        if labelled is None:
            _drop(run, conn, enum)
        elif why := relabel.take_off(run, conn, labelled, _step_back(enum)):
            words = ", ".join(f"'{label}'" for label in labelled.added)
            run.emit(Event("warn", "rollback", f"{words} stays in enum {enum.name}: {'; '.join(why)}"))
            done = False
            continue
        run.journaled(_step_back(enum))
    if not done:
        again = (
            f"everything else is taken back; once that is settled, run it again: ecluse rollback {run.plan.migration}"
        )
        run.emit(Event("warn", "rollback", again))
    return done


def _drop(run: Run, conn: Connection, enum: Enum) -> None:
    with conn.transaction():
        stays: list[str] = []
        try:
            with conn.transaction():
                conn.execute(enum_sql.drop(enum.name))
        except psycopg.errors.DependentObjectsStillExist:
            stays = users(conn, enum.name)
        journal.record_step(conn, run.id, _step_back(enum), stays=stays)
    if stays:
        told = f"enum {enum.name} stays, because of {', '.join(stays)}; without that: {enum_sql.drop(enum.name)}"
        run.emit(Event("warn", "rollback", told))
