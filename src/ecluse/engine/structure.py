"""The proof of structure: the catalogue is what the plan promises, before the switch and after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from ecluse.engine import journal
from ecluse.engine.context import Connection, Run
from ecluse.model.plan import Structure
from ecluse.model.report import Event, Probe
from ecluse.planning.elsewhere import followed
from ecluse.planning.promise import concerned, deviations
from ecluse.planning.structure import ABSENT, Deviation
from ecluse.postgres.catalog import read_catalog

_STEP = "structure"
_FEW = 3


def probes(run: Run, conn: Connection, *, switched: bool) -> tuple[Probe, ...]:
    """One that holds, or one for each deviation. Reads the catalogue; locks nothing that anyone minds."""
    promised = run.plan.structure
    if promised is None:
        why = "the plan is of an earlier version, which promised nothing"
        return (Probe("structure", passed=False, ran=False, details=why),)
    planned = accepted(conn, run.id)
    found = [d for d in _deviations(run, conn, promised, switched=switched) if str(d) not in planned]
    if not found:
        return (Probe("structure", passed=True, details="as planned"),)
    return tuple(Probe(_subject(each), passed=False, details=_words(each)) for each in found)


def accepted(conn: Connection, run: int) -> frozenset[str]:
    """The deviations that were taken for planned, as they are printed."""
    return frozenset(journal.steps_done(conn, run).get(_STEP, {}).get("accepted", ()))


def accept_scripts(run: Run, conn: Connection) -> None:
    """Take what the migration's own scripts made in the switch, or after it, for planned, and tell it.

    What such a script does cannot be tried without doing it. To be called once all of them have run; where there are
    none, nothing is accepted.
    """
    scripts = any(s.phase in ("switch", "after") for s in run.plan.scripts)
    free = scripts or not all(followed(define.up) for define in run.plan.defines)
    if not free or run.plan.structure is None or _STEP in journal.steps_done(conn, run.id):
        return
    found = _deviations(run, conn, run.plan.structure, switched=True)
    with conn.transaction():
        journal.record_step(conn, run.id, _STEP, accepted=[str(each) for each in found])
    for told in _told(found):
        run.emit(Event("note", "switch", f"taken as made by the migration's scripts: {told}"))
    run.journaled(_STEP)


def _told(found: tuple[Deviation, ...]) -> Iterator[str]:
    """Each thing with what is new about it; where that is much, what kinds of things, and how many."""
    for (kind, name), group in groupby(found, key=lambda each: (each.kind, each.object)):
        each = list(group)
        if len(each) <= _FEW:
            yield from map(str, each)
            continue
        kinds = Counter(one.what.partition(" ")[0] or kind for one in each)
        words = (f"{count} of {word}" if count > 1 else word for word, count in kinds.items())
        yield f"{kind} {name}: {', '.join(words)}"


def _deviations(run: Run, conn: Connection, promised: Structure, *, switched: bool) -> tuple[Deviation, ...]:
    now = read_catalog(conn, concerned(run.plan), measure=False)
    return deviations(run.plan, promised, now, switched=switched)


def _subject(found: Deviation) -> str:
    return f"structure: {found.kind} {found.object}" + (f", {found.what}" if found.what else "")


def _words(found: Deviation) -> str:
    if found.after == ABSENT:
        return "is missing"
    if found.before == ABSENT:
        return "is not in the plan"
    return f"should be {found.before}, is {found.after}"
