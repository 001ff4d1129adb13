"""A rehearsal from the snapshot of the real databases to its record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from ecluse.engine.context import Options, Stop
from ecluse.engine.rehearsal.estimate import Scale, expected
from ecluse.engine.rehearsal.life import Failure, Life
from ecluse.engine.rehearsal.real import old_tables, planned_there, sample_of
from ecluse.engine.rehearsal.watch import Watch
from ecluse.errors import EcluseError, Interrupted
from ecluse.model.catalog import Table
from ecluse.model.migration import Migration
from ecluse.model.plan import Plan
from ecluse.model.rehearsal import Figures, Rehearsal
from ecluse.model.report import Account, Event
from ecluse.operations.compile import origins_of
from ecluse.postgres.binaries import nearest_server, server_programs
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.copies.copying import Copied, copy_database, require_room
from ecluse.postgres.copies.place import Place, own_place, place_beside
from ecluse.postgres.copies.source import Source, read_speed

_READ_PAGES = 4096  # 32 MB are read on both sides to compare the machines


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be rehearsed, and how. `on` is where the copies are made; else on a server of their own."""

    migration: Migration
    database: Callable[[str], Database]  # by the name that the migration knows
    project: Path
    sample: float = 100.0
    load: int = 2
    on: Database | None = None
    keep: bool = False
    seconds: float = 3.0  # how long the new shape is written to
    options: Options = field(default_factory=Options)
    settings: Mapping[str, str] | None = None  # of the server of the copies
    whole_below: int = 1000  # smaller tables are taken whole by a sample


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of it. `look` is how to connect to a server that was kept, and how to remove it."""

    record: Rehearsal
    failures: tuple[Failure, ...]
    copied: tuple[Copied, ...]
    accounts: tuple[Account, ...]
    parked: Mapping[str, Mapping[str, int]]
    plan: Plan
    look: tuple[str, ...] = ()


def rehearse(asked: Asked, emit: Callable[[Event], None], stop: Stop) -> Rehearsed:
    """Copy, live, measure, and leave nothing behind.

    The real databases are read, in read-only transactions at one snapshot each. Raises what makes a rehearsal
    impossible: NoRoom, CopyFailed, MissingRights, WrongState, Interrupted; what fails on the copies is in the result.
    """
    try:
        return _rehearse(asked, emit, stop)
    except Interrupted:
        raise Interrupted(
            "the rehearsal was stopped on request",
            hint=f"ecluse rehearse {asked.migration.name}",
            state="the real database was only read; the copies are removed",
        ) from None


def _rehearse(asked: Asked, emit: Callable[[Event], None], stop: Stop) -> Rehearsed:
    names = (asked.migration.database, *origins_of(asked.migration))
    with ExitStack() as stack:
        sources = {name: stack.enter_context(Source(asked.database(name))) for name in names}
        plan = planned_there(asked.migration, sources)
        if asked.on is None:
            size = sum(table.size for source in sources.values() for table in source.tables)
            require_room(asked.project / ".ecluse", size, asked.sample)
        place = stack.enter_context(_place(asked, sources))
        copying = _Copying(asked, sources, place, plan, emit, stop)
        copied = copying.copy()
        scale = _scale(asked, sources, place, plan)
        # The snapshots are let go: from here on, the real databases are not needed.
        for source in sources.values():
            source.conn.close()
        return _lived(asked, place, plan, copying.figures, copied, scale, emit, stop)


@contextmanager
def _place(asked: Asked, sources: Mapping[str, Source]) -> Iterator[Place]:
    if asked.on is not None:
        with place_beside(asked.on) as place:
            yield place
        return
    extensions = frozenset(name for source in sources.values() for name in source.catalog.extensions)
    major = sources[asked.migration.database].major
    # What a newer server printed an older one may not read; an older one is taken where there is no other.
    newer = any(version >= major for version in server_programs())
    programs = nearest_server(major, extensions, oldest=major if newer else 0)
    with own_place(asked.project, programs, asked.settings, keep=asked.keep) as place:
        yield place


@dataclass
class _Copying:
    """The copying of all databases as one step."""

    asked: Asked
    sources: Mapping[str, Source]
    place: Place
    plan: Plan
    emit: Callable[[Event], None]
    stop: Stop
    figures: list[Figures] = field(default_factory=list)

    def copy(self) -> list[Copied]:
        """Copy each database."""
        began = datetime.now(UTC)
        self.emit(Event("step", "copy the databases"))
        copied = [self._one(name, source) for name, source in self.sources.items()]
        seconds = (datetime.now(UTC) - began).total_seconds()
        rows = sum(one.rows for one in copied)
        self.figures.append(Figures("copy the databases", seconds, rows=rows))
        self.emit(Event("done", "copy the databases", f"{rows:,} rows", seconds=seconds))
        return copied

    def _one(self, name: str, source: Source) -> Copied:
        asked = self.asked
        sample = None
        if asked.sample < 100:
            sample = sample_of(asked.migration, name, source, self.plan, asked.sample, asked.whole_below)
        try:
            return copy_database(
                source,
                name,
                self.place,
                sample=sample,
                workers=asked.options.workers,
                told=self._tell,
                check=self._check,
            )
        except EcluseError:
            # What failed after somebody asked to stop is told as the stop.
            self._check()
            raise

    def _tell(self, name: str, rows: int, done: int, parts: int) -> None:
        self.emit(Event("progress", "copy the databases", name, done=rows, position=(done, parts)))

    def _check(self) -> None:
        if self.stop.soft.is_set():
            raise Interrupted("stopped on request")


def _lived(
    asked: Asked,
    place: Place,
    plan: Plan,
    figures: Sequence[Figures],
    copied: Sequence[Copied],
    scale: Scale,
    emit: Callable[[Event], None],
    stop: Stop,
) -> Rehearsed:
    watched = [place.watching(name) for name in place.databases]
    with tempfile.TemporaryDirectory(prefix="ecluse-") as archive, Watch(watched) as watch:
        life = Life(place, asked.migration, watch, emit, stop, asked.options, asked.load, asked.seconds)
        life.live(Path(archive))
    notes = [*place.notes, *(note for one in copied for note in one.notes), *life.notes, *_differences(plan, life)]
    if not watch.complete:
        notes.append("locks and disk could not be watched all the time")
    if not place.own:
        notes.append("the server is used by others too: its log and its times are not the rehearsal's alone")
    steps = [expected(f, scale, _stages(f, life)) for f in life.figures]
    record = Rehearsal(
        migration=asked.migration.name,
        fingerprint=plan.fingerprint,
        source=asked.migration.digest,
        passed=not life.failures,
        at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        database=asked.migration.database,
        server_version=plan.server_version,
        sample=asked.sample,
        load=asked.load,
        rows=sum(one.rows for one in copied),
        steps=(*figures, *steps),
        failures=tuple(f"{f.step}: {f.message}" for f in life.failures),
        notes=tuple(dict.fromkeys(notes)),
        real_rows=scale.real_rows,
        on=asked.on.name if asked.on else "",
        rehearsed_version=place.major,
        written=tuple(life.written.values()),
        basis=scale.basis,
    )
    look = place.how_to_look() if asked.keep else ()
    return Rehearsed(record, tuple(life.failures), tuple(copied), life.accounts, life.parked, life.plan or plan, look)


def _stages(figures: Figures, life: Life) -> dict[str, float] | None:
    return life.stages.get(figures.step) if figures.step.startswith("apply") else None


def _differences(plan: Plan, life: Life) -> list[str]:
    """A copy is made of definitions, and PostgreSQL may print one in other words when it has read it."""
    if life.plan is None or life.plan.fingerprint == plan.fingerprint:
        return []
    return [f"the plan of the copy is {life.plan.fingerprint}: the server prints some definitions of it in other words"]


# --- how the copy and the real database compare -------------------------------------------------------


def _scale(asked: Asked, sources: Mapping[str, Source], place: Place, plan: Plan) -> Scale:
    """Rows of the tables that the plan reads, here and there, and how fast a table is read here and there."""
    tables = old_tables(plan)
    real = {table.name: table for source in sources.values() for table in source.tables}
    largest = max((real[t.name] for t in tables if t.name in real), key=lambda t: t.pages, default=None)
    here = 0
    speeds: list[tuple[float, float]] = []
    for name, source in sources.items():
        with open_session(place.databases[name], role="rehearse") as conn:
            mine = [table for table in tables if table.name in {t.name for t in source.tables}]
            here += sum(_count(conn, table) for table in mine)
            if largest is not None and largest in mine:
                speeds += _speeds(source, conn, largest)
    there = here if asked.sample >= 100 else max(here, round(sum(max(t.rows, 0.0) for t in tables)))
    machine = speeds[0][0] / speeds[0][1] if speeds and speeds[0][1] else None
    return Scale(here, there, machine)


def _count(conn: psycopg.Connection[tuple[object, ...]], table: Table) -> int:
    row = conn.execute(f"SELECT count(*) FROM {table.name.sql}".encode()).fetchone()
    return int(str(row[0])) if row else 0


def _speeds(source: Source, here: psycopg.Connection[tuple[object, ...]], table: Table) -> list[tuple[float, float]]:
    """Pages a second, here and there, of as many pages as both have."""
    row = here.execute(
        "SELECT pg_catalog.pg_relation_size(%s::regclass) / current_setting('block_size')::bigint", [table.name.sql]
    ).fetchone()
    pages = min(_READ_PAGES, table.pages, int(str(row[0])) if row else 0)
    if pages < 64:  # half a megabyte says nothing of a machine
        return []
    mine, theirs = read_speed(here, table, pages), read_speed(source.conn, table, pages)
    return [(mine, theirs)] if mine and theirs else []
