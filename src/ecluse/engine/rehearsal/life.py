"""The whole life of a migration on copies: there, back, there again and to the end, while applications write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from ecluse.engine import journal, quarantine
from ecluse.engine.context import Options, Stop
from ecluse.engine.planner import make_plan
from ecluse.engine.rehearsal.culprits import culprits
from ecluse.engine.rehearsal.load import Load
from ecluse.engine.rehearsal.load_sql import told_apart
from ecluse.engine.rehearsal.watch import Watch
from ecluse.engine.runner import Engine
from ecluse.engine.verify import failures
from ecluse.errors import EcluseError, Interrupted, PlanRefused
from ecluse.model.catalog import Catalog, Table
from ecluse.model.migration import Migration
from ecluse.model.plan import Plan
from ecluse.model.rehearsal import Figures, Written
from ecluse.model.report import Account, Event, Verification
from ecluse.planning.structure import difference
from ecluse.planning.switch_sql import altered, old_tables, visible
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.copies.place import Place
from ecluse.postgres.failures import translate

_PATIENCE = 4
_LISTED = 20  # deviations of a catalogue


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed in a step. `rows` names rows by table and key, masked unless values were asked for."""

    step: str
    message: str
    code: str = ""
    details: str = ""
    rows: tuple[str, ...] = ()


class Ended(Exception):
    """A step failed, and those after it stand on it."""


@dataclass
class Life:
    """One migration on its copies. What was measured, and what failed, is gathered while it goes on."""

    place: Place
    migration: Migration
    watch: Watch
    emit: Callable[[Event], None]
    stop: Stop
    options: Options
    writers: int
    seconds: float  # how long the new shape is written to
    figures: list[Figures] = field(default_factory=list)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)  # of an apply: seconds of each stage
    failures: list[Failure] = field(default_factory=list)
    written: dict[str, Written] = field(default_factory=dict)
    parked: dict[str, dict[str, int]] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    notes: list[str] = field(default_factory=list)
    plan: Plan | None = None
    _heard: dict[str, float] = field(default_factory=dict)
    _ending: Sequence[Load] = ()

    def live(self, archive: Path) -> None:
        """All of it. What fails is in `failures`; raises Interrupted only."""
        try:
            with self.step("plan"):
                self.plan = self._planned()
            before = self._catalogs()
            self._there(self.plan, before, "apply", "switch")
            self._back(self.plan, before)
            self._there(self.plan, before, "apply again", "switch again")
            if self.plan.old_shape_for:
                with self.step("retire"):
                    self.engine.retire(self.migration.name, 0.0)
            with self.step("finish"):
                self.engine.finish(self.migration.name, archive)
        except Ended:
            pass

    # --- the parts ----------------------------------------------------------------------------------

    def _planned(self) -> Plan:
        made = make_plan(
            self.database,
            self.migration,
            show_values=self.options.show_values,
            origins=self.place.databases.__getitem__,
        )
        if made.refused:
            raise PlanRefused(
                f"the plan is refused, for {len(made.refused)} reasons",
                details="\n".join(f"{h.id}  {h.message}" for h in made.refused),
            )
        return made

    def _there(self, plan: Plan, before: Mapping[str, Catalog], apply: str, switch: str) -> None:
        """Build, prove and switch, while the old application writes up to the last moment."""
        old = self._old_loads(plan, before)
        with self._writing(old, "old"):
            with self.step(apply, old) as rows:
                self.engine.apply(plan)
                rows.append(self._accounts())
            with self.step(f"verify after {apply}", old):
                self._verified()
            self._end_with(old)
            with self.step(switch, old):
                self.engine.switch(self.migration.name)
        with self.step(f"verify after {switch}"):
            self._verified()

    def _back(self, plan: Plan, before: dict[str, Catalog]) -> None:
        """Let the new application write, and the old one where its shape is kept; then carry all of it home."""
        with open_session(self.database, role="rehearse") as conn:
            there = read_catalog(conn).tables
        names = [*(m.table.name for m in visible(plan)), *altered(plan)]
        new = Load(self.database, [there[name] for name in names if name in there], self.writers, "new")
        loads = [new, *self._kept_loads(plan)]
        self._tell_left_out(new, "new")
        with self._writing(loads, "new"):
            with self.step("writes of the new shape", loads):
                self.stop.soft.wait(self.seconds)
                self.stop.check("the copies are removed")
                self._verified()
            self._end_with(loads)
            with self.step("rollback", loads):
                self.engine.rollback(self.migration.name)
        with self.step("the old shape is back"):
            self._home(before)

    def _home(self, before: dict[str, Catalog]) -> None:
        now = self._catalogs()
        found = []
        for name, was in before.items():
            for one in difference(was, now[name]):
                # What a script makes and leaves is its author's business; what was there is as it was.
                if one.before == "absent" and not one.what:
                    self._say(f"after the rollback '{name}' has what it had not: {one.kind} {one.object}")
                else:
                    found.append(f"'{name}': {one}")
        with open_session(self.database, role="rehearse") as conn:
            record = journal.last_run(conn, self.migration.name)
            self.parked = quarantine.summary(conn, record.id)["parked"] if record else {}
        if found:
            more = f"\n… and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
            raise EcluseError(
                "the rollback did not leave the catalogue as it was", details="\n".join(found[:_LISTED]) + more
            )

    # --- around -------------------------------------------------------------------------------------

    @property
    def database(self) -> Database:
        """The copy of the migration's database."""
        return self.place.databases[self.migration.database]

    @property
    def engine(self) -> Engine:
        """The real engine, on the copies."""
        return Engine(self.database, self.options, self._hear, self.stop, self.place.databases.__getitem__)

    def _hear(self, event: Event) -> None:
        if event.kind == "done" and event.seconds is not None:
            self._heard[event.step] = self._heard.get(event.step, 0.0) + event.seconds
        if event.kind == "journal" and event.step in ("switched", "rolled back"):
            for load in self._ending:
                load.ask_to_stop()
        self.emit(event)

    @contextmanager
    def step(self, name: str, loads: Sequence[Load] = ()) -> Iterator[list[int]]:
        """Measure one step; where it fails, note it and end the life. The list that is given takes the step's rows."""
        self.stop.check("the copies are removed")
        self.emit(Event("step", name))
        self._heard.clear()
        for load in loads:
            load.felt()
        self.watch.begin()
        rows: list[int] = []
        failed = ""
        try:
            yield rows
            for load in loads:
                self._tell_failed(name, load)
        except Interrupted:
            raise
        except (EcluseError, psycopg.Error) as error:
            known = error if isinstance(error, EcluseError) else translate(error)
            failed = known.message
            self._note(name, known)
            raise Ended from None
        finally:
            self._measure(name, loads, rows, failed)
        self.emit(Event("done", name, seconds=self.figures[-1].seconds))

    def _measure(self, name: str, loads: Sequence[Load], rows: list[int], failed: str) -> None:
        seen = self.watch.seen()
        felt = [load.felt() for load in loads]
        worst = [longest for longest, _ in felt if longest is not None]
        usual = [middle for _, middle in felt if middle is not None]
        self.stages[name] = dict(self._heard)
        self.figures.append(
            Figures(
                name,
                seen.seconds,
                rows=sum(rows) if rows else None,
                wal_bytes=seen.wal,
                disk_bytes=seen.disk,
                longest_lock=seen.longest_lock,
                worst_stall=max(worst, default=None),
                median=max(usual, default=None),
                failed=failed,
            )
        )

    def _note(self, step: str, error: EcluseError) -> None:
        rows: list[str] = []
        if self.plan is not None:
            # The server may be what failed.
            with suppress(EcluseError, psycopg.Error), open_session(self.database, role="rehearse") as conn:
                rows = culprits(conn, self.plan, show_values=self.options.show_values)
        code = error.sqlstate or error.code
        self.failures.append(Failure(step, error.message, code, error.details, tuple(rows)))
        self.emit(Event("warn", step, f"{step} failed: {error.message}"))

    def _tell_failed(self, step: str, load: Load) -> None:
        """Statements of the application that failed for another reason than a constraint are a failure of the step."""
        if load.failed:
            said, load.failed = load.failed, []
            raise EcluseError(
                f"the application's statements failed in {len(said)} ways that they would not without the migration",
                details="\n".join(said),
            )

    @contextmanager
    def _writing(self, loads: Sequence[Load], shape: str) -> Iterator[None]:
        with ExitStack() as stack:
            for load in loads:
                stack.callback(load.stop)
                load.start()
            try:
                yield
            finally:
                for load in loads:
                    load.ask_to_stop()
        self._ending = ()
        for load in loads:
            self._add(one := load.written())
            if one.refused and not one.committed:
                self._say(
                    f"not one write of the {one.shape} application came through, of {one.refused:,}: what was "
                    "rehearsed after it was rehearsed without writes"
                )

    def _end_with(self, loads: Sequence[Load]) -> None:
        """The next step changes the shape that these write to: they stop at the moment when it has."""
        self._ending = loads
        for load in loads:
            load.end_soon()

    def _add(self, one: Written) -> None:
        was = self.written.get(one.shape, Written(one.shape, 0))
        self.written[one.shape] = replace(
            one,
            committed=was.committed + one.committed,
            refused=was.refused + one.refused,
            failed=was.failed + one.failed,
        )

    def _old_loads(self, plan: Plan, before: Mapping[str, Catalog]) -> list[Load]:
        known = before[self.migration.database].tables
        here = [*old_tables(plan), *(known[name] for name in altered(plan) if name in known)]
        by_place: dict[str, list[Table]] = {self.migration.database: here}
        for move in plan.moves:
            by_place.setdefault(move.origin, []).append(move.old.table)
        loads = [
            Load(self.place.databases[name], tables, self.writers, "old", alone=told_apart(plan))
            for name, tables in by_place.items()
            if tables
        ]
        for load in loads:
            self._tell_left_out(load, "old")
        return loads

    def _kept_loads(self, plan: Plan) -> list[Load]:
        """The old application where it goes on with the old shape, as the role that does."""
        tables = [member.table for flow in plan.flows for member in flow.old.members]
        loads = []
        for role in plan.old_shape_for:
            there = self.place.as_role(self.migration.database, role)
            try:
                load = Load(there, tables, self.writers, "old, kept", by_path=True) if there else None
            except psycopg.Error as error:
                load, why = None, translate(error).message
            else:
                why = "nobody can sign in as that role on the copy"
            if load is None:
                self._say(f"writes of {role} in the old shape beside the new one were not rehearsed: {why}")
            else:
                loads.append(load)
        return loads

    def _tell_left_out(self, load: Load, shape: str) -> None:
        if load.left_out and self.writers:
            names = ", ".join(sorted(load.left_out))
            self._say(f"the {shape} application did not write to {names}: no rows, or no key")

    def _say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _verified(self) -> None:
        found = self._verification()
        self.accounts = found.accounts or self.accounts
        if not found.passed:
            raise EcluseError("the proof does not hold", details=failures(found))

    def _verification(self) -> Verification:
        """A probe that writers met each time it was tried is no finding about the migration: it is tried again."""
        found = self.engine.verify(self.migration.name)
        for _ in range(_PATIENCE):
            if all(probe.ran for probe in found.probes):
                break
            found = self.engine.verify(self.migration.name)
        return found

    def _accounts(self) -> int:
        with open_session(self.database, role="rehearse") as conn:
            record = journal.last_run(conn, self.migration.name)
            self.accounts = journal.last_accounts(conn, record.id) if record else ()
        return sum(account.rows_in for account in self.accounts)

    def _catalogs(self) -> dict[str, Catalog]:
        found = {}
        for name, database in self.place.databases.items():
            with open_session(database, role="rehearse") as conn:
                found[name] = read_catalog(conn, measure=False)
        return found
