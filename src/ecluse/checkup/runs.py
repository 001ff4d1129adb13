"""The runs of migrations: those that are not at their end, and what they left that is there no more."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.checkup.check import Found, Level, Patient, Topic, Unseen, listed
from ecluse.engine import journal
from ecluse.engine.drift import Drift, drift
from ecluse.engine.status import read_status
from ecluse.engine.verify import failures
from ecluse.model.names import ident
from ecluse.postgres.locks import run_lock_holders

RUNS = Topic("runs", "Migrations")


def _installed(at: Patient) -> bool:
    """Whether there is a journal. Raises where there is one, and we may not read it."""
    if not at.value("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'ecluse')"):
        return False
    if not at.value("SELECT has_schema_privilege('ecluse', 'USAGE')"):
        raise Unseen(f"no right to read the journal: GRANT USAGE ON SCHEMA ecluse TO {at.role}")
    return journal.installed(at.conn)


@RUNS.check("journal", "told", "what the journal says", means="Told, so that a report says what was looked at.", fix="")
def the_journal(at: Patient) -> Iterator[Found]:
    """How many runs there are, and who is at work."""
    if not _installed(at):
        yield Found("", "there is none yet; the first `ecluse apply` makes it (schema ecluse)")
        return
    count = len(journal.runs(at.conn))
    yield Found("", f"{count} {'run is' if count == 1 else 'runs are'} recorded")
    for holder in run_lock_holders(at.conn):
        yield Found("", f"at work now: {holder}")


@RUNS.check(
    "unfinished-run",
    "wrong",
    "a run stopped half way",
    means="Its process is gone. The old shape is in use and nothing is lost; triggers log each change of its tables "
    "until the run goes on or is taken back. A run that waits for `switch` or `finish` is told only.",
    fix="ecluse apply <migration>   # or: ecluse rollback <migration>",
)
def unfinished(at: Patient) -> Iterator[Found]:
    """Runs that are neither finished nor rolled back, while nobody works on them."""
    if not _installed(at):
        return
    status = read_status(at.conn)
    if status.working:
        return
    for run in status.runs:
        fix = "   # or: ".join(run.next)
        if run.closed:
            told = f"'{run.migration}' closed {listed(run.closed)} for writing, and nobody can write there"
            yield Found(run.migration, told, fix)
        elif run.unfinished:
            told = f"'{run.migration}' is '{run.status}' at '{run.stage}'"
            yield Found(run.migration, told, fix, level=None if run.status == "building" else "told")
        elif run.status == "rolled_back" and run.next:
            yield Found(run.migration, f"the rollback of '{run.migration}' died before it had tidied up", fix)


@RUNS.check(
    "proof-failed",
    "wrong",
    "the last proof of a run did not hold",
    means="Rows, structure or behaviour are not what the plan promised. The switch is refused until a proof holds.",
    fix="ecluse verify <migration> --show-values   # or: ecluse rollback <migration>",
)
def disproved(at: Patient) -> Iterator[Found]:
    """Of runs that are not at their end."""
    if not _installed(at):
        return
    for run in journal.runs(at.conn):
        last = journal.last_proof(at.conn, run.id) if run.unfinished else None
        if last is not None and not last.passed:
            first = failures(last).splitlines()
            fix = f"ecluse verify {run.migration} --show-values   # or: ecluse rollback {run.migration}"
            yield Found(run.migration, f"'{run.migration}': {listed(first, 3)}", fix)


@RUNS.check(
    "drift",
    "wrong",
    "what a migration left is gone, or is otherwise",
    means="A view, a function, a trigger, a right or a column that a switched or finished migration made is there no "
    "more: an older deployment, a restore or a hand took it. What only differs from what was left is a warning after "
    "`finish`, for the application may have meant it.",
    fix="SELECT jsonb_pretty(plan -> 'structure') FROM ecluse.run WHERE id = <run>   -- make it so again; or, where "
    "it is meant: ecluse doctor --accept <migration>",
)
def drifted(at: Patient) -> Iterator[Found]:
    """Each deviation by itself."""
    if not _installed(at):
        return
    unknown = []
    for one in drift(at.conn):
        if not one.known:
            unknown.append(f"'{one.migration}' (run {one.run}) was planned by an earlier version")
        milder: Level | None = None if one.status == "switched" else "warning"
        for each in one.deviations:
            level = None if each in one.gone else milder
            yield Found(each.object, f"since '{one.migration}': {each}", _as_it_was(one), level)
    if unknown:
        raise Unseen(listed(unknown))


def _as_it_was(one: Drift) -> str:
    then = "then: ecluse verify" if one.status == "switched" else "or, where it is meant: ecluse doctor --accept"
    asked = f"SELECT jsonb_pretty(plan -> 'structure') FROM ecluse.run WHERE id = {one.run}"
    return f"{asked}   -- make it so again; {then} {one.migration}"


@RUNS.check(
    "left-over-schema",
    "warning",
    "a schema of a run is left, and no run needs it",
    means="It holds a copy of tables, as large as they are. A restore of some schemas only, or a journal that was "
    "dropped, leaves it.",
    fix="ecluse status; then: DROP SCHEMA <name> CASCADE   -- once you have looked into it",
)
def left_over(at: Patient) -> Iterator[Found]:
    """Schemas of ours that belong to no unfinished run."""
    known = {run.migration for run in journal.runs(at.conn) if run.unfinished} if _installed(at) else set()
    for (name,) in at.rows(
        r"SELECT nspname FROM pg_namespace WHERE nspname ~ '^ecluse_(next|kept|before)_.' ORDER BY 1"
    ):
        if name.split("_", 2)[2] not in known:
            yield Found(name, f"schema {name} belongs to no unfinished run", f"DROP SCHEMA {ident(name)} CASCADE")
