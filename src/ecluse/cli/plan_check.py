"""`ecluse plan --check`: may this project be deployed? Each pending migration, and what earlier ones left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecluse.cli.invocation import Invocation
from ecluse.cli.project import Project
from ecluse.cli.rehearsed import shortcoming
from ecluse.cli.render import checked
from ecluse.errors import EcluseError, UnknownMigration

if TYPE_CHECKING:
    from ecluse.model.plan import Plan
    from ecluse.model.rehearsal import Rehearsal
    from ecluse.postgres.connect import Database

OK = "ok"
_NOT_ASKED = "not known"  # no verdict: a question that could not be asked is no pass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one migration. `status`: pending, or that of its run. `reasons` are why it is not ok."""

    migration: str
    verdict: str
    database: str = ""
    status: str = "pending"
    fingerprint: str = ""
    rehearsed: str = ""  # when
    reasons: tuple[str, ...] = ()
    hint: str = ""


def check(invocation: Invocation, names: tuple[str, ...], saved: Path | None) -> int:
    """Show a verdict for each migration; 0 where all are ok, 3 where one is not, 1 where one could not be asked for.

    Nothing is changed. Without names, all migrations of the project are meant, and all its databases.
    """
    project = Project.of(invocation)
    looked: dict[str, Database] = {}
    verdicts = [_verdict(project, name, saved, looked) for name in names or tuple(project.migration_names())]
    if not names:
        for name in project.names():
            with suppress(EcluseError):  # said below, where a migration is for it; else nobody needs it
                looked.setdefault(name, project.database(name))
    drifts = [each for database in looked.values() for each in _drifted(database)]
    value = {
        "ok": all(v.verdict == OK for v in verdicts) and not any(d["reasons"] for d in drifts),
        "asked": len(verdicts),
        "migrations": verdicts,
        "drift": drifts,
    }
    invocation.show(value, checked.lines, checked.brief)
    if value["ok"]:
        return 0
    asked = all(v.verdict != _NOT_ASKED for v in verdicts) and all(d["asked"] for d in drifts)
    return 3 if asked else 1


def _verdict(project: Project, text: str, saved: Path | None, looked: dict[str, Database]) -> Verdict:
    try:
        return _asked(project, text, saved, looked)
    except UnknownMigration:
        raise
    except EcluseError as error:
        # Settings and connections are family 1: then nothing was asked, and nothing is known.
        word = _NOT_ASKED if error.code.startswith("ECL1") else "cannot be planned"
        return Verdict(text, word, reasons=_told(error), hint=error.hint)


def _told(error: EcluseError) -> tuple[str, ...]:
    return (f"{error.message}  [{error.as_dict()['code']}]", *error.details.splitlines())


def _asked(project: Project, text: str, saved: Path | None, looked: dict[str, Database]) -> Verdict:
    from ecluse.cli.plan_file import read_plan
    from ecluse.engine.planner import check_fingerprint, make_plan
    from ecluse.engine.status import last_run, unfinished_plan
    from ecluse.postgres.rehearsals import read_rehearsal

    wanted = project.migration(text)
    database = project.database(wanted.database)
    looked[database.name] = database
    record = last_run(database, wanted.name)
    if record and record.status in ("switched", "finished"):
        return Verdict(wanted.name, OK, str(database), record.status, record.fingerprint)
    begun = unfinished_plan(database, wanted.name)
    plan = begun[1] if begun else make_plan(database, wanted, origins=project.origin)
    if saved:
        check_fingerprint(read_plan(saved), plan)
    status = record.status if begun and record else "pending"
    return _judged(plan, read_rehearsal(project.folder, wanted.name), str(database), status)


def _judged(plan: Plan, rehearsal: Rehearsal | None, database: str, status: str) -> Verdict:
    name, at = plan.migration, rehearsal.at if rehearsal else ""
    known = (database, status, plan.fingerprint, at)
    if plan.refused:
        reasons = tuple(f"{h.id}  {h.message}" for h in plan.refused)
        return Verdict(name, "refused", *known, reasons, f"ecluse plan {name}")
    lacks = shortcoming(rehearsal, plan)
    if lacks:
        word, why, details = lacks
        return Verdict(name, word, *known, (f"the plan {why}", *details.splitlines()), f"ecluse rehearse {name}")
    return Verdict(name, OK, *known)


def _drifted(database: Database) -> Iterator[dict[str, Any]]:
    """What of a database is not as its switched and finished migrations left it."""
    import psycopg

    from ecluse.engine.drift import drift
    from ecluse.postgres.connect import open_session
    from ecluse.postgres.failures import translate

    try:
        with open_session(database, role="plan check") as conn:
            found = drift(conn)
    except (EcluseError, psycopg.Error) as error:
        why = _told(error if isinstance(error, EcluseError) else translate(error))
        yield {"database": str(database), "migration": "", "asked": False, "reasons": why, "hint": ""}
        return
    for each in found:
        reasons = [str(deviation) for deviation in each.deviations]
        known = {"database": str(database), "migration": each.migration, "run": each.run, "status": each.status}
        # Before `finish`, a proof and a rollback go by what was promised: nobody can say that it was meant.
        meant = f"put it back; or, if it is meant: ecluse doctor --accept {each.migration}"
        hint = meant if each.status == "finished" else f"ecluse verify {each.migration}"
        yield known | {"asked": True, "known": each.known, "reasons": reasons, "hint": hint if reasons else ""}
