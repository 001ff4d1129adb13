"""Drift: what migrations left here by their switch, and what is not as they left it any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ecluse.engine import journal, structure
from ecluse.engine.context import Connection
from ecluse.engine.journal import RunRecord
from ecluse.model.names import Name
from ecluse.model.plan import Plan
from ecluse.planning.promise import concerned, deviations
from ecluse.planning.structure import Deviation
from ecluse.planning.switch_sql import old_tables, visible
from ecluse.postgres.catalog import read_catalog

_ABSENT = "absent"
_PRESENT = "present"
_NEW = ": is new"


@dataclass(frozen=True, slots=True)
class Drift:
    """Where the catalogue is not as a switched or finished run left it; no deviations where it is."""

    migration: str
    run: int
    status: str  # switched | finished
    deviations: tuple[Deviation, ...]
    known: bool = True  # False where the run's plan is of an earlier version, which promised nothing

    @property
    def gone(self) -> tuple[Deviation, ...]:
        """What was there and is there no more."""
        return tuple(each for each in self.deviations if each.after == _ABSENT)

    @property
    def changed(self) -> tuple[Deviation, ...]:
        """What is otherwise than it was, and, before `finish`, what came in addition."""
        return tuple(each for each in self.deviations if each.after != _ABSENT)


def drift(conn: Connection) -> tuple[Drift, ...]:
    """One for each run that is switched or finished, the newest first. Locks nothing that anyone minds.

    What a later run makes anew is that run's. After `finish` the application may grow: what is there in addition, and
    labels that an enum got at its end, are no drift; before it they are, as for `verify`, for the way back crosses
    them. Of what a migration's own scripts made, what hangs on its tables and views is missed, and nothing else.
    """
    if not journal.installed(conn):
        return ()
    taken: set[Name] = set()
    found = []
    for record in journal.runs(conn):
        if record.status == "rolled_back":
            continue
        plan = journal.stored_plan(conn, record.id)
        if record.status in ("switched", "finished"):
            found.append(_of_run(conn, record, plan, taken))
            taken |= _made_anew(plan)
        # The labels of an enum are there from the beginning of a run on.
        taken |= {enum.name for enum in plan.enums}
    return tuple(found)


def _of_run(conn: Connection, record: RunRecord, plan: Plan, taken: set[Name]) -> Drift:
    if plan.structure is None:
        return Drift(record.migration, record.id, record.status, (), known=False)
    promised = replace(
        plan.structure,
        **{
            kind: tuple(each for each in getattr(plan.structure, kind) if each.name not in taken)
            for kind in ("tables", "parts", "views", "functions", "sequences")
        },
    )
    finished = record.status == "finished"
    now = read_catalog(conn, concerned(plan), measure=False)
    accepted = structure.accepted(conn, record.id)
    there = deviations(plan, promised, now, switched=True, finished=finished)
    new = tuple(each for each in there if str(each) not in accepted)
    others = {str(name) for name in taken}
    mine = [each for each in (*new, *_taken_back(accepted, there)) if each.object not in others]
    return Drift(record.migration, record.id, record.status, tuple(sorted(_lost(mine) if finished else mine)))


def _taken_back(accepted: frozenset[str], there: Sequence[Deviation]) -> Iterator[Deviation]:
    """What the migration's scripts made on its tables, and is there no more."""
    still = {str(each).partition(_NEW)[0] for each in there}
    for line in sorted(accepted):
        subject, new, _ = line.partition(_NEW)
        if new and subject not in still:
            thing, _, what = subject.partition(", ")
            kind, _, name = thing.partition(" ")
            yield Deviation(kind, name, what, _PRESENT, _ABSENT)


def _lost(found: Sequence[Deviation]) -> Iterator[Deviation]:
    """Of what differs after `finish`: what an application that only grew does not explain."""
    for each in found:
        grown = each.kind == "type" and each.after.startswith(f"{each.before}, ")
        if each.before != _ABSENT and not grown:
            yield each


def _made_anew(plan: Plan) -> set[Name]:
    """What a run takes away or builds: whatever an earlier one promised of it holds no longer."""
    names = {t.name for t in old_tables(plan)} | {m.table.name for m in visible(plan)} | {m.name for m in plan.moved}
    names |= {v.name for v in plan.views} | {f.name for f in plan.functions}
    names |= {o.name for d in plan.defines for o in d.objects if o.kind != "trigger"}
    return names | ({s.name for s in plan.structure.sequences} if plan.structure else set())
