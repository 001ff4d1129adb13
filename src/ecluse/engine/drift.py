"""Drift: what migrations left here by their switch, and what is not as they left it any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ecluse.engine import journal, structure
from ecluse.engine.context import Connection
from ecluse.engine.journal import RunRecord
from ecluse.errors import WrongState
from ecluse.model.names import Name
from ecluse.model.plan import Plan
from ecluse.planning.promise import concerned, deviations
from ecluse.planning.structure import ABSENT, PRESENT, Deviation
from ecluse.planning.switch_sql import old_tables, visible
from ecluse.postgres.catalog import read_catalog

_NEW = ": is new"
_STEP = "drift"


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
        return tuple(each for each in self.deviations if each.after == ABSENT)


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


def accept(conn: Connection, migration: str) -> tuple[Deviation, ...]:
    """Take what is not as the finished migration left it for meant, from now on, and give it back.

    Kept in the journal; nothing else is changed. Raises WrongState where the migration is not finished: before that,
    what it promised is what a rollback and a proof go by.
    """
    with conn.transaction():
        found = next((one for one in drift(conn) if one.migration == migration), None)
        if found is None or found.status != "finished":
            raise WrongState(
                f"'{migration}' has no finished run here, so there is nothing to accept",
                hint=f"ecluse verify {migration}" if found else "ecluse status",
                state="nothing was changed",
            )
        said = _meant(conn, found.run) | {str(each) for each in found.deviations}
        journal.record_step(conn, found.run, _STEP, accepted=sorted(said))
    return found.deviations


def _meant(conn: Connection, run: int) -> frozenset[str]:
    """What was accepted, as it is printed: what differs otherwise later on is drift again."""
    return frozenset(journal.steps_done(conn, run).get(_STEP, {}).get("accepted", ()))


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
    meant = _meant(conn, record.id)
    mine = [e for e in (*new, *_taken_back(accepted, there)) if e.object not in others and str(e) not in meant]
    return Drift(record.migration, record.id, record.status, tuple(sorted(_lost(mine) if finished else mine)))


def _taken_back(accepted: frozenset[str], there: Sequence[Deviation]) -> Iterator[Deviation]:
    """What the migration's scripts made on its tables, and is there no more."""
    still = {str(each).partition(_NEW)[0] for each in there}
    for line in sorted(accepted):
        subject, new, _ = line.partition(_NEW)
        if new and subject not in still:
            thing, _, what = subject.partition(", ")
            kind, _, name = thing.partition(" ")
            yield Deviation(kind, name, what, PRESENT, ABSENT)


def _lost(found: Sequence[Deviation]) -> Iterator[Deviation]:
    """Of what differs after `finish`: what an application that only grew does not explain."""
    for each in found:
        grown = each.kind == "type" and each.after.startswith(f"{each.before}, ")
        if each.before != ABSENT and not grown:
            yield each


def _made_anew(plan: Plan) -> set[Name]:
    """What a run takes away or builds: whatever an earlier one promised of it holds no longer."""
    names = {t.name for t in old_tables(plan)} | {m.table.name for m in visible(plan)} | {m.name for m in plan.moved}
    names |= {v.name for v in plan.views} | {f.name for f in plan.functions}
    names |= {o.name for d in plan.defines for o in d.objects if o.kind != "trigger"}
    return names | ({s.name for s in plan.structure.sequences} if plan.structure else set())
