"""What people do today, and the floor. Each leaves both tables with rows, indexes, sequences and statistics."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from benchmarks.ground import connect
from benchmarks.move.ground import COLUMNS, INDEXES, TABLES, Ends
from benchmarks.programs import ProgramFailed, environment, pipe, run

Notes = dict[str, float]

_PIPES = 2
# The same memory for index builds that Écluse gives itself; two at a time need no further workers on two cores.
_MEMORY = "SET maintenance_work_mem = '128MB'; SET max_parallel_maintenance_workers = 0"
_RESTORE = {"PGOPTIONS": "-c maintenance_work_mem=128MB"}


@contextmanager
def _timed(notes: Notes, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    notes[what] = time.monotonic() - began


# --- the floor --------------------------------------------------------------------------------------


def floor(ends: Ends) -> Notes:
    """Two pipes of `psql`, binary, by halves of each table; then indexes two at a time. Proves and captures nothing."""
    notes: Notes = {}
    _psql(ends, COLUMNS)
    with _timed(notes, "copy"):
        _side_by_side(lambda part: _copy(ends, *part), _halves(ends))
    with _timed(notes, "indexes"):
        _side_by_side(lambda index: _psql(ends, _MEMORY, index), INDEXES)
    with _timed(notes, "sequences, statistics"):
        _sequences(ends)
        _analyse(ends)
    return notes


def _halves(ends: Ends) -> list[tuple[str, int, int]]:
    """Each table in as many ranges of pages as there are pipes."""
    parts = []
    with connect(ends.leaves) as conn:
        for table in TABLES:
            row = conn.execute(
                "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int", (f"public.{table}",)
            ).fetchone()
            step = (row[0] if row else 0) // _PIPES + 1
            parts += [(table, n * step, (n + 1) * step) for n in range(_PIPES)]
    return parts


def _copy(ends: Ends, table: str, first: int, behind: int) -> None:
    rows = f"SELECT * FROM public.{table} WHERE ctid >= '({first},0)' AND ctid < '({behind},0)'"
    psql = [str(ends.programs / "psql"), "-Xq"]
    out = [*psql, "-d", ends.leaves, "-c", f"COPY ({rows}) TO STDOUT (FORMAT binary)"]
    pipe([out, [*psql, "-d", ends.arrives, "-c", f"COPY public.{table} FROM STDIN (FORMAT binary)"]])


def _sequences(ends: Ends) -> None:
    with connect(ends.leaves) as conn:
        row = conn.execute("SELECT pg_sequence_last_value('public.events_id_seq')").fetchone()
    _psql(ends, f"SELECT setval('public.events_id_seq', {row[0] if row else 1})")


def _analyse(ends: Ends) -> None:
    _psql(ends, f"ANALYZE {', '.join(TABLES)}")


def _psql(ends: Ends, *statements: str) -> None:
    commands = [word for statement in statements for word in ("-c", statement)]
    run([str(ends.programs / "psql"), "-Xqo", os.devnull, "-v", "ON_ERROR_STOP=1", "-d", ends.arrives, *commands])


def _side_by_side(work: Callable[..., None], tasks: Iterable[object]) -> None:
    """Tasks in their order, as many at a time as there are pipes; the first error is raised when all have stopped."""
    left, errors = deque(tasks), list[ProgramFailed]()

    def worker() -> None:
        while left and not errors:
            try:
                work(left.popleft())
            except ProgramFailed as error:
                errors.append(error)

    threads = [threading.Thread(target=worker) for _ in range(_PIPES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# --- pg_dump ----------------------------------------------------------------------------------------


def dump_directory(ends: Ends) -> Notes:
    """`pg_dump -Fd -j2`, uncompressed since both servers are here, then `pg_restore -j2`."""
    notes: Notes = {}
    with tempfile.TemporaryDirectory() as folder:
        dump, program = str(Path(folder) / "dump"), str(ends.programs / "pg_dump")
        with _timed(notes, "pg_dump"):
            run([program, "-Fd", "-j2", "--compress=0", "-f", dump, "-d", ends.leaves])
        with _timed(notes, "pg_restore"):
            run(
                [str(ends.programs / "pg_restore"), "-j2", "--exit-on-error", "-d", ends.arrives, dump],
                environment(**_RESTORE),
            )
    with _timed(notes, "statistics"):
        _analyse(ends)
    return notes


def dump_script(ends: Ends) -> Notes:
    """`pg_dump | psql`."""
    notes: Notes = {}
    psql = [str(ends.programs / "psql"), "-Xqo", os.devnull, "-v", "ON_ERROR_STOP=1", "-d", ends.arrives]
    with _timed(notes, "dump and load"):
        pipe([[str(ends.programs / "pg_dump"), "-d", ends.leaves], psql], environment(**_RESTORE))
    with _timed(notes, "statistics"):
        _analyse(ends)
    return notes


# --- pgcopydb ---------------------------------------------------------------------------------------


def pgcopydb(ends: Ends) -> Notes:
    """`pgcopydb clone` with two table jobs and two index jobs, which also sets sequences and analyses."""
    program = find_pgcopydb()
    if program is None:
        raise ProgramFailed("pgcopydb is not here (`make bench-copy` fetches Debian's package where there is apt-get)")
    env = with_libraries(program, PATH=f"{ends.programs}{os.pathsep}{os.environ['PATH']}")
    with tempfile.TemporaryDirectory() as folder:
        jobs = ["--table-jobs", "2", "--index-jobs", "2", "--dir", str(Path(folder) / "work")]
        run([str(program), "clone", *jobs, "--source", as_uri(ends.leaves), "--target", as_uri(ends.arrives)], env)
    return {}


def find_pgcopydb() -> Path | None:
    """The program on the PATH."""
    found = shutil.which("pgcopydb")
    return Path(found) if found else None


def pgcopydb_version() -> dict[str, str]:
    """What it says of itself, where it is here."""
    found = find_pgcopydb()
    if found is None:
        return {}
    said = subprocess.run([found, "--version"], env=with_libraries(found), capture_output=True, text=True, check=False)
    words = said.stdout.partition("\n")[0].split()
    return {"pgcopydb": words[-1]} if words else {}


def with_libraries(program: Path, **further: str) -> dict[str, str]:
    """Its surroundings: libraries that were unpacked beside it, and not installed."""
    folders = sorted({str(found.parent) for found in program.parent.parent.glob("lib/*/libgc.so*")})
    return environment(**further) | ({"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {})


def as_uri(conninfo: str) -> str:
    """The address in the only form that pgcopydb takes."""
    parts = {name: quote(str(value), safe="") for name, value in conninfo_to_dict(conninfo).items()}
    return f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}&port={parts['port']}"


PEERS: dict[str, Callable[[Ends], Notes]] = {
    "floor": floor,
    "directory": dump_directory,
    "script": dump_script,
    "pgcopydb": pgcopydb,
}
