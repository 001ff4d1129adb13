"""The copy: ranges of pages, each with its record in one transaction, by parallel workers.

It may be sloppy about exactly the rows that capture knows; `repair` and `drain` put those right.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from ecluse.engine import journal, prepare, rosters
from ecluse.engine.context import Connection, Run
from ecluse.model.flow import Flow
from ecluse.model.report import Event
from ecluse.planning import flow_sql, held_sql
from ecluse.planning.pages import page_range
from ecluse.postgres.locks import replica_lag, waiters_behind

_FIRST_PAGES = 256
_MOST_PAGES = 65_536


@dataclass(slots=True)
class Ranges:
    """The pages still to be copied, handed out in pieces to workers. Thread-safe."""

    gaps: list[tuple[int, int]]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def after(cls, pages: int, done: list[tuple[int, int]]) -> Ranges:
        """What remains of 0..pages once the done ranges are taken out."""
        gaps, at = [], 0
        for lo, hi in sorted(done):
            if lo > at:
                gaps.append((at, lo))
            at = max(at, hi)
        if at < pages:
            gaps.append((at, pages))
        return cls(gaps)

    def take(self, pages: int) -> tuple[int, int] | None:
        """The next range of at most that many pages."""
        with self._lock:
            if not self.gaps:
                return None
            lo, hi = self.gaps[0]
            if hi - lo > pages:
                self.gaps[0] = (lo + pages, hi)
                return lo, lo + pages
            self.gaps.pop(0)
            return lo, hi


@dataclass(slots=True)
class Progress:
    """Rows copied so far, shared by the workers; and whether they should wait."""

    rows: int = 0
    pages: int = 0
    paused: threading.Event = field(default_factory=threading.Event)
    failed: threading.Event = field(default_factory=threading.Event)
    pids: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Worker:
    """Who carries ranges of pages: the session behind which others may wait, and how a range is carried.

    `chunk(lo, hi)` carries the pages lo <= page < hi and records them in one transaction; it returns rows and seconds.
    """

    pid: int | None
    chunk: Callable[[int, int], tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Crew:
    """How a worker is hired, and how many of them work side by side."""

    hire: Callable[[], AbstractContextManager[Worker]]
    hands: int


def copy_flow(run: Run, conn: Connection, flow: Flow, crew: Crew | None = None) -> None:
    """Copy one flow's old tables into the bare new ones. `conn` is the run's own session, for control."""
    carry(run, conn, flow, crew or Crew(lambda: hire(run, flow), run.options.workers), minding=conn)


def carry(run: Run, conn: Connection, flow: Flow, crew: Crew, *, minding: Connection) -> None:
    """Hand out the pages of a flow's anchor to parallel workers. `minding` sees who waits for the old tables."""
    pages = prepare.pages_of(conn, run, flow.old.anchor)
    done = conn.execute(
        "SELECT lo, hi, rows FROM ecluse.chunk WHERE run = %s AND flow = %s", (run.id, flow.name)
    ).fetchall()
    ranges = Ranges.after(pages, [(lo, hi) for lo, hi, _ in done])
    progress = Progress(rows=sum(r for _, _, r in done), pages=sum(hi - lo for lo, hi, _ in done))
    before = progress.rows
    began = time.monotonic()
    with ThreadPoolExecutor(crew.hands) as pool:
        work = [pool.submit(_work, run, crew, ranges, progress) for _ in range(crew.hands)]
        while wait(work, timeout=0.1).not_done:
            _tell(run, flow, progress, pages, before, began)
            _mind_others(run, conn, minding, progress)
        for future in work:
            future.result()
    run.stop.check(f"stopped after {progress.pages:,} of {pages:,} pages of {flow.name}; nothing is lost")
    _tell(run, flow, progress, pages, before, began)


def _tell(run: Run, flow: Flow, progress: Progress, pages: int, before: int, began: float) -> None:
    elapsed = max(time.monotonic() - began, 1e-6)
    total = round(progress.rows * pages / progress.pages) if progress.pages else None
    exact = progress.pages >= pages
    run.emit(
        Event(
            "progress",
            "copy",
            str(flow.old.anchor.table.name),
            done=progress.rows,
            total=progress.rows if exact else total,
            total_is="exact" if exact else "estimate",
            rate=(progress.rows - before) / elapsed,
        )
    )


def _mind_others(run: Run, conn: Connection, minding: Connection, progress: Progress) -> None:
    behind = waiters_behind(minding, sorted(progress.pids)) if progress.pids else 0
    lag = replica_lag(conn).seconds
    late = lag is not None and lag > run.options.max_lag_seconds
    if (behind or late) and not progress.paused.is_set():
        progress.paused.set()
        why = f"{behind} sessions wait behind us" if behind else f"a replica is {lag:.0f} s behind"
        run.emit(Event("note", "copy", f"pausing: {why}"))
    elif progress.paused.is_set() and not behind and not late:
        progress.paused.clear()


@contextmanager
def hire(run: Run, flow: Flow) -> Iterator[Worker]:
    """A worker with a session of its own in the database of the run."""
    with run.session("copy") as conn:
        # What a range looks up, in a roster or an id map, has just been written, so it is in memory. By the costs of a
        # disk the planner would rather read all of it, again for each range.
        conn.execute("SET random_page_cost = 1.1")
        yield Worker(conn.info.backend_pid, lambda lo, hi: _chunk(run, conn, flow, lo, hi))


def _work(run: Run, crew: Crew, ranges: Ranges, progress: Progress) -> None:
    pages = _FIRST_PAGES
    try:
        with crew.hire() as worker:
            if worker.pid is not None:
                with progress.lock:
                    progress.pids.add(worker.pid)
            while not run.stop.soft.is_set() and not progress.failed.is_set():
                if progress.paused.is_set():
                    time.sleep(0.05)
                    continue
                taken = ranges.take(pages)
                if taken is None:
                    return
                rows, seconds = worker.chunk(*taken)
                with progress.lock:
                    progress.rows += rows
                    progress.pages += taken[1] - taken[0]
                pages = _next_size(pages, seconds, run.options.chunk_seconds)
                _hold_rate(run, crew, rows, seconds)
    except BaseException:
        progress.failed.set()  # the other workers stop after the chunk in hand
        raise


def _next_size(pages: int, seconds: float, target: float) -> int:
    """Aim at a time, not at a row count; at most double, so that one quick chunk proves nothing."""
    wanted = pages * min(2.0, max(0.25, target / max(seconds, 1e-4)))
    return int(min(_MOST_PAGES, max(8, wanted)))


def _hold_rate(run: Run, crew: Crew, rows: int, seconds: float) -> None:
    if run.options.max_rate:
        wait = rows * crew.hands / run.options.max_rate - seconds
        run.stop.soft.wait(max(0.0, wait))


def _chunk(run: Run, conn: Connection, flow: Flow, lo: int, hi: int) -> tuple[int, float]:
    began = time.monotonic()
    rows = 0
    with conn.transaction():
        # All members of a chunk at one snapshot: a satellite whose anchor another statement saw otherwise would
        # hang on nothing, and no unit would find it.
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for member in flow.old.members:
            conn.execute(f"LOCK TABLE {member.table.name.sql} IN ACCESS SHARE MODE")
        prepare.check_watch(conn, run, flow)
        for number, statement in enumerate(chunk_statements(run, flow, lo, hi)):
            count = conn.execute(statement).rowcount
            rows += count if number == 0 else 0
        seconds = time.monotonic() - began
        record_chunk(conn, run, flow, lo, hi, rows, seconds)
    run.journaled(f"chunk {flow.name} {lo}")
    return rows, seconds


def recorded(conn: Connection, run: Run, flow: str, lo: int) -> int | None:
    """The rows of the range that begins at `lo`, where it is recorded as copied."""
    row = conn.execute(
        "SELECT rows FROM ecluse.chunk WHERE run = %s AND flow = %s AND lo = %s", (run.id, flow, lo)
    ).fetchone()
    return int(row[0]) if row else None


def record_chunk(conn: Connection, run: Run, flow: Flow, lo: int, hi: int, rows: int, seconds: float) -> None:
    """Record a range as copied, in the transaction that copied it."""
    conn.execute(
        "INSERT INTO ecluse.chunk (run, flow, lo, hi, rows, ms) VALUES (%s, %s, %s, %s, %s, %s)",
        (run.id, flow.name, lo, hi, rows, seconds * 1000),
    )


def chunk_statements(run: Run, flow: Flow, lo: int, hi: int) -> tuple[str, ...]:
    """The statements of one range of pages: the new members, the anchor first, then the quarantine."""
    at = run.building
    rows = flow_sql.rows_range(flow.old.anchor, at, lo, hi)
    statements = [flow_sql.insert(m, at, flow_sql.mapped(m, flow.old, at, rows)) for m in flow.new.members]
    if held_sql.quarantines(flow):
        everything = f"(SELECT m.* FROM {at.sql(flow.old.anchor.alias)} m WHERE {page_range(lo, hi)})"
        if flow.old.anchor.rejects:
            statements.append(held_sql.quarantine_anchor(run.id, flow, at, everything))
        statements += [held_sql.quarantine_satellite(run.id, flow, m, at, everything) for m in flow.old.satellites]
    return tuple(statements)


def seed(run: Run, conn: Connection) -> None:
    """Log the units that no range of pages may cut."""
    at = run.building
    with conn.transaction():
        for flow in run.plan.flows:
            if flow.old.several:
                conn.execute(flow_sql.seed_log(run.id, flow, at))
        rosters.fill(run, conn)
        journal.advance(conn, run.id, stage="copy")
    run.journaled("seeded")
