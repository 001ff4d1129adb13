"""The runs: what the commands call. One at a time per database, each resumable from its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import psycopg

from ecluse.engine import (
    build,
    copy,
    drain,
    enums,
    joining,
    journal,
    old_shape,
    prepare,
    quarantine,
    rollback,
    rosters,
    shape,
    structure,
    switch,
)
from ecluse.engine import finish as finishing
from ecluse.engine.at_work import AtWork, watched
from ecluse.engine.cluster import cluster
from ecluse.engine.context import Connection, Options, Restart, Run, Stop
from ecluse.engine.journal import RunRecord
from ecluse.engine.moving.carry import copy_move, drain_moves
from ecluse.engine.moving.closing import closed
from ecluse.engine.moving.expand import capture_origins, forget_origins, prepare_origins
from ecluse.engine.moving.planning import unknown_origin
from ecluse.engine.moving.proving import check_origins
from ecluse.engine.planner import refuse
from ecluse.engine.states import state_of
from ecluse.engine.verify import failures, refuse_disproved, verify_run
from ecluse.errors import (
    CannotConnect,
    CaptureBroken,
    ConnectionLost,
    EcluseError,
    ProofFailed,
    ValueRefused,
    WrongState,
)
from ecluse.model.flow import InputTable
from ecluse.model.plan import Plan
from ecluse.model.report import Event, Verification
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.failures import LOST_HINT, translate
from ecluse.postgres.locks import hold_run_lock


def _silent(event: Event) -> None:
    """The default listener."""


@dataclass(slots=True)
class Engine:
    """One database, one listener, one way to stop. Every method opens its own sessions and closes them."""

    database: Database
    options: Options = field(default_factory=Options)
    emit: Callable[[Event], None] = _silent
    stop: Stop = field(default_factory=Stop)
    origins: Callable[[str], Database] = unknown_origin  # databases that tables come from, by name
    _work: AtWork = field(default_factory=lambda: AtWork(""))

    # --- forward ------------------------------------------------------------------------------------

    def apply(self, plan: Plan) -> RunRecord:
        """Build the new shape up to the gate before the switch, or go on where an earlier run of this plan stopped.

        Raises PlanRefused, AnotherRun, DatabaseChanged, ProofFailed, Interrupted, and what the server raises.
        """
        with self._alone("apply", plan.migration) as conn:
            record = journal.unfinished(conn, plan.migration)
            if record is None:
                refuse(plan)
                self._clean_last(conn, plan.migration)
                with conn.transaction():
                    journal.install(conn)
                    record = journal.open_run(conn, plan, self.options.without_rehearsal)
                    self._begin(conn, record)
            run = self._run(conn, record)
            if record.status == "switched":
                return record
            if record.stage not in ("prepare", "capture"):
                self._check(run, conn)
            self._build(run, conn)
            return self._record(conn, plan.migration)

    def switch(self, migration: str) -> float:
        """Go through the gate; returns the seconds under lock."""
        with self._alone("switch", migration) as conn:
            record = self._record(conn, migration)
            if record.status == "building":
                raise WrongState(
                    f"'{migration}' is not ready: it stands at '{record.stage}'",
                    hint=f"ecluse apply {migration}",
                    state="the old shape is in place",
                )
            run = self._run(conn, record)
            seconds = 0.0
            if record.status == "ready":
                refuse_disproved(conn, record)
                old_shape.make_ready(run, conn)
                try:
                    self._drain(run, conn)
                    joining.settle(run, conn)
                    build.fill_views(run, conn)
                    self._check(run, conn)
                    with watched(self.database, run, "switch"), closed(run, conn):
                        seconds = switch.switch(run, conn)
                    quarantine.tell_growth(run, conn, "switch")
                except Restart as why:
                    self._restart(run, conn, why)
                    raise CaptureBroken(
                        f"{why}; the copy has to be made again",
                        hint=f"ecluse apply {migration}",
                        state="the old shape is in place; the new one has been dropped",
                    ) from None
            switch.after_switch(run, conn)
            structure.accept_scripts(run, conn)
            found = (*structure.probes(run, conn, switched=True), *switch.probes(run, conn))
            journal.record_proof(conn, run.id, "probes", Verification(probes=found))
            switch.require(found, migration)
            return seconds

    def rollback(self, migration: str) -> float:
        """Take the migration back; returns the seconds under lock."""
        with self._alone("rollback", migration) as conn:
            record = journal.last_run(conn, migration)
            if record is None:
                raise WrongState(f"no run of '{migration}' is recorded", state="nothing was changed")
            run = self._run(conn, record)
            if record.status == "rolled_back":
                self._begin(conn, record)
                if "cleaned" not in journal.steps_done(conn, run.id):
                    rollback.clean_up(run, conn)
                return 0.0
            with watched(self.database, run, "rollback"):
                return rollback.rollback(run, conn, record.status)

    def retire(self, migration: str, unused_for: float) -> tuple[old_shape.Use, ...]:
        """Take the old shape away that was kept beside the new one; the uses that were counted until then."""
        with self._alone("retire", migration) as conn:
            return old_shape.retire(self._run(conn, self._record(conn, migration)), conn, unused_for)

    def finish(self, migration: str, folder: Path) -> Path:
        """Archive, check, drop the old shape; returns the archive's folder."""
        with self._alone("finish", migration) as conn:
            record = self._record(conn, migration)
            run = self._run(conn, record)
            with watched(self.database, run, "finish"):
                return finishing.finish(run, conn, record.status, folder)

    def verify(self, migration: str) -> Verification:
        """Prove the migration as it stands now, while applications go on writing. After the switch, probes run too."""
        with self._noted("verify"), self.looking("verify", migration) as conn:
            record = self._record(conn, migration)
            self._begin(conn, record)
            alone = partial(hold_run_lock, self.database, f"verify {migration}", 0.0)
            run = self._run(conn, record)
            result = verify_run(run, conn, record.status, record.stage, alone)
            if record.status == "switched":
                result = replace(result, probes=(*result.probes, *switch.probes(run, conn)))
            with conn.transaction():
                journal.record_proof(conn, record.id, "verify", result)
            return result

    def retry(
        self, migration: str, ids: Sequence[int] | None = None, inputs: Sequence[InputTable] = ()
    ) -> quarantine.Retried:
        """Try held rows again; rows of `inputs` (id maps read anew from their files) are added first."""
        with self._alone("retry", migration) as conn:
            record = self._record(conn, migration)
            return quarantine.retry(self._run(conn, record), conn, record.status, ids, inputs)

    def discard(self, migration: str, ids: Sequence[int]) -> int:
        """Give held rows up; returns how many. They stay in the account and in the archive."""
        with self._alone("discard", migration) as conn:
            return quarantine.discard(conn, self._record(conn, migration).id, ids)

    # --- the stages ---------------------------------------------------------------------------------

    def _build(self, run: Run, conn: Connection) -> None:
        while True:
            record = self._record(conn, run.plan.migration)
            try:
                if record.status == "ready":
                    joining.settle(run, conn)
                    self._drain(run, conn)
                    quarantine.tell_growth(run, conn, "drain")
                    return
                with run.step(record.stage):
                    self._stage(run, conn, record.stage)
            except Restart as why:
                self._restart(run, conn, why)
            self.stop.check("the old shape is in place and in use; nothing is lost")

    def _stage(self, run: Run, conn: Connection, stage: str) -> None:
        if stage == "prepare":
            enums.arrive(run, conn)
            prepare_origins(run)
            prepare.prepare(run, conn)
        elif stage == "capture":
            capture_origins(run, conn)
            with watched(self.database, run, "capture"):
                prepare.capture(run, conn)
            self._check(run, conn)
        elif stage == "seed":
            build.source_indexes(run, conn)
            rosters.index_sources(run, conn)
            copy.seed(run, conn)
        elif stage == "copy":
            with cluster(run, self.database, self.origins) as hired:
                for flow in run.plan.flows:
                    copy.copy_flow(run, conn, flow, hired.crew(run, flow) if hired else None)
                for move in run.plan.moves:
                    copy_move(run, conn, move, hired.crew(run, move.flow) if hired else None)
            with conn.transaction():
                for flow in run.plan.flows:
                    for statement in drain.orphans(run, flow, run.building):
                        conn.execute(statement)
                journal.advance(conn, run.id, stage="repair")
            run.journaled("copied")
        elif stage == "repair":
            build.repair(run, conn)
        elif stage == "index":
            build.index(run, conn)
        elif stage == "drain":
            self._drain(run, conn)
            build.fill_views(run, conn)
            with conn.transaction():
                journal.advance(conn, run.id, stage="verify")
            run.journaled("drained")
        elif stage == "verify":
            joining.settle(run, conn)
            self._drain(run, conn)
            quarantine.refuse_held(run, conn)
            self._check(run, conn)
            self._prove(run, conn)
        else:
            raise WrongState(f"the journal stands at '{stage}', which this version does not know")

    def _check(self, run: Run, conn: Connection) -> None:
        shape.check(run, conn)
        check_origins(run)

    def _drain(self, run: Run, conn: Connection) -> None:
        drain.drain(run, conn, drain.FORWARD, run.building)
        drain_moves(run, conn)

    def _prove(self, run: Run, conn: Connection) -> None:
        result = verify_run(run, conn, "building", "verify")
        with conn.transaction():
            journal.record_proof(conn, run.id, "apply", result)
            if result.passed:
                journal.advance(conn, run.id, status="ready", stage="gate")
        run.journaled("verified")
        if not result.passed:
            # Where the capture was disturbed since the drain, this raises Restart: the proof is not to blame.
            self._drain(run, conn)
            raise ProofFailed(
                "the new shape is not what the plan promised",
                details=failures(result),
                hint=f"ecluse verify {run.plan.migration} --show-values",
                state="the old shape is in place and in use; nothing was switched",
            )

    def _restart(self, run: Run, conn: Connection, why: Restart) -> None:
        again = journal.count_restart(conn, run.id, str(why))
        run.emit(Event("warn", "copy", f"{why}: the copy starts again ({again} of {run.options.max_restarts})"))
        forget_origins(run)
        prepare.forget(run, conn)
        run.journaled("restarted")
        if again > run.options.max_restarts:
            raise CaptureBroken(
                f"{why}, for the {again}th time",
                hint="find out who does it, then run `ecluse apply` again",
                state="the old shape is in place; the new one has been dropped",
            )

    def _clean_last(self, conn: Connection, migration: str) -> None:
        """Finish the clean-up of a rollback that died after its commit: its schemas are in the way."""
        last = journal.last_run(conn, migration)
        if last is not None and last.status == "rolled_back" and "cleaned" not in journal.steps_done(conn, last.id):
            rollback.clean_up(self._run(conn, last), conn)

    # --- around -------------------------------------------------------------------------------------

    def _run(self, conn: Connection, record: RunRecord) -> Run:
        plan = journal.stored_plan(conn, record.id)
        return Run(record.id, plan, self._connect, self.emit, self.options, self.stop)

    def _record(self, conn: Connection, migration: str) -> RunRecord:
        last = journal.last_run(conn, migration)
        if last is not None and last.unfinished:
            return last
        if last is not None and last.status == "finished":
            raise WrongState(
                f"'{migration}' is finished: there is no old shape to compare with or to go back to",
                details=f"the archive is {last.note}" if last.note else "",
                hint="ecluse status",
                state="nothing was changed",
            )
        raise WrongState(
            f"there is no unfinished run of '{migration}'",
            hint=f"ecluse apply {migration}",
            state="nothing was changed",
        )

    def _connect(self, what: str, origin: str = "") -> Connection:
        return open_session(self.origins(origin) if origin else self.database, role=what)

    @contextmanager
    def looking(self, what: str, migration: str) -> Iterator[Connection]:
        """A session beside whatever runs; what the driver raises in it becomes an error of ours."""
        with self._session(what) as conn, self._telling(migration, conn):
            yield conn

    def session_for(self, what: str) -> Connection:
        """A pinned session, to be closed by whoever asked for it."""
        return self._connect(what)

    @contextmanager
    def _session(self, what: str) -> Iterator[Connection]:
        run = Run(0, Plan("", "", "", 0), self._connect, self.emit, self.options, self.stop)
        with run.session(what) as conn:
            conn.add_notice_handler(self._pass_on)
            yield conn

    def _pass_on(self, said: psycopg.errors.Diagnostic) -> None:
        """Tell what a script of the migration warns of; notices are the server's chatter."""
        if said.severity_nonlocalized == "WARNING":
            self.emit(Event("warn", "script", said.message_primary or ""))

    @contextmanager
    def _alone(self, what: str, migration: str) -> Iterator[Connection]:
        lock = hold_run_lock(self.database, f"{what} {migration}")
        with lock, self._session(what) as conn, self._noted(what), self._telling(migration, conn):
            if journal.installed(conn):
                journal.install(conn)
                self._begin(conn, journal.unfinished(conn, migration))
            yield conn

    def _noted(self, what: str) -> AbstractContextManager[None]:
        self._work = AtWork(what)
        return self._work.noted(partial(self._connect, "timeline"))

    def _begin(self, conn: Connection, record: RunRecord | None) -> None:
        if record is not None:
            self._work.begin(conn, record.id)

    @contextmanager
    def _telling(self, migration: str, conn: Connection) -> Iterator[None]:
        """Turn what the driver raises into our errors, each with the state that the database is in now."""
        try:
            yield
        except psycopg.errors.QueryCanceled as error:
            if not self.stop.hard.is_set():
                raise translate(error, self.state(migration)) from error
            self.stop.check(self.state(migration))
        except (psycopg.DataError, psycopg.errors.NotNullViolation) as error:
            known = translate(error, self.state(migration))
            raise ValueRefused(
                known.message,
                details=known.details,
                hint='give the conversion a policy: invalid = "quarantine" or "regenerate"',
                state=known.state,
            ) from None
        except psycopg.Error as error:
            raise translate(error, self.state(migration)) from None
        except CannotConnect as error:
            # The run had its first session: it was stopped half way, whatever of it asked for the next.
            state = self.state(migration)
            raise ConnectionLost(error.message, details=error.details, hint=LOST_HINT, state=state) from None
        except EcluseError as error:
            error.state = error.state or self.state(migration)
            raise

    def state(self, migration: str) -> str:
        """What the database is now, in words; asked anew, since the session that failed may be gone."""
        return state_of(partial(self._connect, "state"), migration)
