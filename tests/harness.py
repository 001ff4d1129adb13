"""The harness of scenario folders: a database taken through a migration, stopped anywhere, and compared.

A folder holds `before.sql` (the old shape, with rows), `migration.toml`, and `after.sql` (the new shape, with the rows
that it must have), or `by_hand.sql`: the same change made by hand on the old shape, at rest. `writers_old.sql` and
`writers_new.sql` hold what applications write, a transaction a line; `{n}` is the number of the round.
`writers_back.sql` says the new writes in words of the old shape, line by line, where they differ. All writes must be
deterministic: they are replayed on a database that is not migrated. A line that ends in `-- >= 15` or `-- < 15` is for
servers of such versions only; one of `writers_old.sql` that ends in `-- refused after the switch: 23514` is refused
with that SQLSTATE once the new shape is in place, for it cannot hold the row.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from ecluse.engine import journal
from ecluse.engine.context import Options
from ecluse.engine.dry_run import dry_run
from ecluse.engine.moving.planning import unknown_origin
from ecluse.engine.planner import make_plan
from ecluse.engine.runner import Engine
from ecluse.engine.verify import failures
from ecluse.errors import EcluseError
from ecluse.model.catalog import Catalog, Table
from ecluse.model.names import ident
from ecluse.model.plan import Plan
from ecluse.model.report import Account, DryRun, Event, Verification
from ecluse.planning.structure import difference
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.project import read_migration
from ecluse.postgres.sql import lines_for

FULL = bool(os.environ.get("ECLUSE_TEST_FULL"))
SCENARIOS = Path(__file__).parent / "operations"
# Under the load of a test machine the budget of a switch is no measure; times are the benchmark's business.
OPTIONS = Options(workers=2, switch_budget=30.0, lock_budget=30.0)


def cases() -> list[Path]:
    """Every scenario folder there is."""
    return sorted(path.parent for path in SCENARIOS.glob("*/*/before.sql"))


def case_id(case: Path) -> str:
    """`kind/case`, as tests show it."""
    return f"{case.parent.name}/{case.name}"


def load_wanted(database: Database, case: Path) -> None:
    """Make the database what the migration must make of the scenario's."""
    if (case / "by_hand.sql").exists():
        load(database, case / "before.sql")
        load(database, case / "by_hand.sql")
    else:
        load(database, case / "after.sql")


# --- what a database holds ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database at a moment: its structure, every row of every table, and where its sequences stand."""

    catalog: Catalog
    rows: dict[str, list[str]]
    sequences: dict[str, str]


_RELATIONS = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = ANY (%s)
AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname NOT LIKE 'ecluse%%'
AND n.nspname <> 'information_schema' AND c.relispopulated ORDER BY 1
"""


def snapshot(database: Database) -> Snapshot:
    """The database as it is. Rows are read as text, by no code of the program's own proofs."""
    with open_session(database, role="snapshot") as conn:
        rows = {}
        for (name,) in conn.execute(_RELATIONS, (["r", "m"],)).fetchall():
            found = conn.execute(f'SELECT t::text FROM {name} t ORDER BY t::text COLLATE "C"'.encode())
            rows[name] = [row[0] for row in found]
        sequences = {}
        for (name,) in conn.execute(_RELATIONS, (["S"],)).fetchall():
            last = conn.execute(f"SELECT last_value::text || is_called FROM {name}".encode()).fetchone()
            sequences[name] = last[0] if last else ""
        return Snapshot(read_catalog(conn, measure=False), rows, sequences)


def without_traces(catalog: Catalog) -> Catalog:
    """The catalog without what a run needs until `finish`: its triggers and the indexes on units."""

    def bare(table: Table) -> Table:
        triggers = tuple(t for t in table.triggers if not t.name.startswith("zz_ecluse_capture"))
        indexes = tuple(i for i in table.indexes if not i.name.startswith(("ecluse_unit_", "ecluse_before_")))
        return replace(table, triggers=triggers, indexes=indexes)

    tables = {n: bare(t) for n, t in catalog.tables.items() if not n.schema.startswith("ecluse")}
    sequences = {n: s for n, s in catalog.sequence_details.items() if not n.schema.startswith("ecluse")}
    views = {n: v for n, v in catalog.views.items() if not n.schema.startswith("ecluse")}
    functions = tuple(f for f in catalog.functions if not f.name.schema.startswith("ecluse"))
    schemas = tuple(s for s in catalog.schemas if not s.startswith("ecluse"))
    return replace(
        catalog, tables=tables, sequence_details=sequences, views=views, functions=functions, schemas=schemas
    )


def same_structure(have: Catalog, want: Catalog) -> None:
    """Fail with each thing that differs."""
    deviations = [str(each) for each in difference(want, have)]
    assert not deviations, "\n".join(deviations)


def same_rows(have: Snapshot, want: Snapshot) -> None:
    """Fail with the first rows that differ."""
    assert have.rows.keys() == want.rows.keys()
    for table, rows in want.rows.items():
        missing = sorted(set(rows) - set(have.rows[table]))[:3]
        extra = sorted(set(have.rows[table]) - set(rows))[:3]
        assert have.rows[table] == rows, f"{table}: missing {missing}, extra {extra}"


def same(have: Snapshot, want: Snapshot) -> None:
    """Fail unless structure, rows and sequences are the same."""
    same_structure(have.catalog, want.catalog)
    same_rows(have, want)
    assert have.sequences == want.sequences


# --- a migration on a database --------------------------------------------------------------------


class Halted(BaseException):
    """The run ends here, as if its process had: raised just after a record of the journal was committed."""


@dataclass
class Listener:
    """Hears the events of a run; halts it at the `at`-th record of the journal."""

    at: int | None = None
    heard: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    on_record: Callable[[str], None] = lambda name: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.events.append(event)
            if event.kind != "journal":
                return
            self.heard.append(event.step)
            number = len(self.heard)
        self.on_record(event.step)
        if number == self.at:
            raise Halted(event.step)


@contextmanager
def told() -> Iterator[None]:
    """Let a failing test show all that an error says."""
    try:
        yield
    except EcluseError as error:
        error.add_note("\n".join(part for part in (error.details, error.hint, error.state) if part))
        raise


@dataclass
class Stage:
    """A database and the migration that is carried out on it."""

    database: Database
    file: Path
    options: Options = OPTIONS
    origins: Callable[[str], Database] = unknown_origin

    @property
    def name(self) -> str:
        return read_migration(self.file).name

    def dry_run(self) -> DryRun:
        """What a run would do with the rows."""
        with told():
            return dry_run(self.database, self.plan(), self.origins)

    def apply_as_foreseen(self) -> str:
        """Apply while nobody writes, and fail unless the proof finds what a dry run had counted; the status then."""
        foreseen = self.dry_run()
        status = self.apply()
        with open_session(self.database, role="proof") as conn:
            record = journal.unfinished(conn, self.name)
            proof = journal.last_proof(conn, record.id) if record else None
        assert proof is not None
        same_as_foreseen(foreseen, proof)
        return status

    def engine(self, listener: Callable[[Event], None] | None = None) -> Engine:
        return Engine(self.database, self.options, listener or Listener(), origins=self.origins)

    def plan(self) -> Plan:
        with told():
            return make_plan(self.database, read_migration(self.file), origins=self.origins)

    def apply(self, listener: Callable[[Event], None] | None = None) -> str:
        """Plan and apply; the status that the run has then."""
        with told():
            return self.engine(listener).apply(self.plan()).status

    def resume(self, listener: Callable[[Event], None] | None = None) -> str:
        """Go on with the plan that the journal holds, as `apply` does after a crash."""
        with open_session(self.database, role="resume") as conn:
            assert journal.unfinished(conn, self.name), "the journal forgot the run"
        with told():
            return self.engine(listener).apply(Plan(self.name, "", "", 0)).status

    def switch(self, listener: Callable[[Event], None] | None = None) -> None:
        with told():
            self.engine(listener).switch(self.name)

    def rollback(self, listener: Callable[[Event], None] | None = None) -> None:
        with told():
            self.engine(listener).rollback(self.name)

    def finish(self, folder: Path, listener: Callable[[Event], None] | None = None) -> Path:
        with told():
            return self.engine(listener).finish(self.name, folder)

    def verify(self) -> None:
        result = self.engine().verify(self.name)
        assert result.passed, (
            failures(result)
            + "\n"
            + "\n".join(f"{c.table}, {c.direction}: {d}" for c in result.comparisons for d in c.differences[:3])
        )


def same_as_foreseen(foreseen: DryRun, proof: Verification) -> None:
    """Fail unless a proof found what a dry run had counted, when nobody writes."""
    assert not foreseen.uncounted
    assert not foreseen.refused
    said = [Account(d.table, d.rows_in, d.carried, d.merged, d.quarantined, d.reasons) for d in foreseen.dispositions]
    assert said == list(proof.accounts)
    arrived = {c.table: c.right_rows for c in proof.comparisons if c.direction == "forward"}
    for arrival in foreseen.arrivals:
        assert arrived[arrival.table] == arrival.rows, arrival


def load(database: Database, script: Path | str) -> None:
    """Run a script in a session as applications have it, not pinned; without the lines for other versions."""
    text = script if isinstance(script, str) else script.read_text()
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute(lines_for(text, conn.info.server_version // 10000).encode())


def copy_rows(source: Database, target: Database) -> None:
    """Make the tables of `target`, which have the same definitions, hold what those of `source` hold."""
    with open_session(source, role="copy rows") as there, open_session(target, role="copy rows") as here:
        names = [row[0] for row in there.execute(_RELATIONS, (["r"],))]
        here.execute("SET session_replication_role = replica")
        here.execute(f"TRUNCATE {', '.join(names)}".encode())
        for name in names:
            columns = ", ".join(_stored(there, name))
            with (
                there.cursor().copy(f"COPY {name} ({columns}) TO STDOUT".encode()) as out,
                here.cursor().copy(f"COPY {name} ({columns}) FROM STDIN".encode()) as into,
            ):
                for block in out:
                    into.write(block)
        for (name,) in there.execute(_RELATIONS, (["S"],)).fetchall():
            row = there.execute(f"SELECT last_value, is_called FROM {name}".encode()).fetchone()
            here.execute("SELECT setval(%s::regclass, %s, %s)", (name, *(row or ())))


def _stored(conn: psycopg.Connection[tuple[object, ...]], name: str) -> list[str]:
    rows = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        (name,),
    )
    return [ident(str(row[0])) for row in rows]


OLD_APPLICATION = "ecluse_test_old_application"


def old_application(database: Database) -> Database:
    """The database as an application sees it that goes on using the old shape: a role of its own."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            conn.execute(f"CREATE ROLE {OLD_APPLICATION} LOGIN SUPERUSER PASSWORD 'old'")
        told = psycopg.conninfo.make_conninfo(database.conninfo, user=OLD_APPLICATION, password="old")
    return Database(database.name, told)


# --- writers --------------------------------------------------------------------------------------


class Writer:
    """An application: runs the lines of a file, one transaction a line, and notes what was committed, in order."""

    def __init__(self, database: Database, lines: Sequence[str], first: int = 0) -> None:
        self.database = database
        self.lines = lines
        self.committed: list[tuple[int, int]] = []  # (line, round)
        self.failures: list[psycopg.Error] = []
        self.attempts: list[tuple[int, int, psycopg.Error | None]] = []  # (line, round, why it was refused)
        self._round = first
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)

    def _write(self) -> None:
        with psycopg.connect(self.database.conninfo, autocommit=True, prepare_threshold=None) as conn:
            while not self._stop.is_set():
                self.round(conn)

    def round(self, conn: psycopg.Connection[tuple[object, ...]]) -> None:
        """Each line once."""
        self._round += 1
        for number, line in enumerate(self.lines):
            try:
                conn.execute(line.replace("{n}", str(self._round)).encode())
                self.committed.append((number, self._round))
                self.attempts.append((number, self._round, None))
            except psycopg.Error as error:
                self.failures.append(error)
                self.attempts.append((number, self._round, error))
                if conn.closed:
                    return
            if self._stop.wait(0.002):
                return

    def rounds(self, count: int) -> None:
        """Write so many rounds here and now."""
        with psycopg.connect(self.database.conninfo, autocommit=True, prepare_threshold=None) as conn:
            for _ in range(count):
                self.round(conn)

    def replay(self, database: Database, lines: Sequence[str] | None = None) -> None:
        """Write the same again on another database, in the words of `lines` where they are given."""
        Writer(database, lines or self.lines).repeat(self.committed)

    def repeat(self, committed: Sequence[tuple[int, int]]) -> None:
        """Write what another writer has committed."""
        with psycopg.connect(self.database.conninfo, autocommit=True, prepare_threshold=None) as conn:
            for number, round_ in committed:
                conn.execute(self.lines[number].replace("{n}", str(round_)).encode())

    @contextmanager
    def running(self) -> Iterator[Writer]:
        """Write in a thread for as long as the block lasts."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()


def lines_of(path: Path) -> list[str]:
    """The transactions of a writers' file."""
    if not path.exists():
        return []
    return [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("--")]


def spread(numbers: Sequence[int], most: int, offset: int = 0) -> list[int]:
    """All of them in a full run; else a few, evenly spread and different by `offset`, the last one included."""
    if FULL or len(numbers) <= most:
        return list(numbers)
    step = len(numbers) / most
    return sorted({numbers[int((i + offset % 7 / 7) * step) % len(numbers)] for i in range(most)} | {numbers[-1]})
