"""Rows from a source to its copy: by COPY, in ranges of pages, by several readers at one snapshot."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg

from ecluse.errors import ConnectionLost, DiskFull, EcluseError, MissingRights
from ecluse.model.catalog import Table
from ecluse.model.names import ident
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.copies.source import Source
from ecluse.postgres.failures import translate

_RANGE = 8192  # pages of a range: 64 MB
_NOTHING = "nothing was changed"
# What COPY reads is written as text under our pins, so that versions and types without a binary form do not matter.


@dataclass(frozen=True, slots=True)
class Part:
    """A range of pages of a table; the last one of each is open."""

    table: Table
    low: int
    high: int | None

    def query(self, chosen: str = "") -> str:
        """The rows of the range, of those for which `chosen`, a condition over `m`, holds."""
        where = [f"m.ctid >= '({self.low},0)'"] if self.low else []
        where += [f"m.ctid < '({self.high},0)'"] if self.high is not None else []
        where += [chosen] if chosen else []
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        return f"SELECT {columns(self.table, 'm')} FROM ONLY {self.table.name.sql} AS m{condition}"


def columns(table: Table, alias: str = "") -> str:
    """The columns that are copied: what is generated makes itself."""
    dot = f"{alias}." if alias else ""
    return ", ".join(f"{dot}{ident(name)}" for name in table.written)


def parts(tables: Iterable[Table]) -> list[Part]:
    """Ranges of all tables, the longest tables first."""
    found = []
    for table in sorted(tables, key=lambda table: -table.pages):
        lows = range(0, max(table.pages, 1), _RANGE)
        found += [Part(table, low, low + _RANGE if low + _RANGE < table.pages else None) for low in lows]
    return found


def copy_rows(
    source: Source,
    copy: Database,
    todo: Sequence[Part],
    *,
    workers: int,
    chosen: Callable[[Table], str] = lambda table: "",
    told: Callable[[int, int, int], None] = lambda rows, done, parts: None,
    check: Callable[[], None] = lambda: None,
) -> int:
    """Copy these ranges; returns how many rows. `told` hears of rows and ranges; `check` may raise to stop it.

    Raises MissingRights where rows are hidden or may not be read, and what reading or writing raises.
    """
    left: queue.SimpleQueue[Part] = queue.SimpleQueue()
    for part in todo:
        left.put(part)
    done: list[int] = []
    stop = threading.Event()

    def work() -> None:
        with source.reader() as there, closing(open_session(copy, role="rehearse")) as here:
            # Nobody but us sees the copy, and a crash ends it.
            here.execute("SET synchronous_commit = off")
            here.execute("SET lc_monetary = 'C'")
            while not stop.is_set():
                try:
                    part = left.get_nowait()
                except queue.Empty:
                    return
                rows = carry(there, here, part.query(chosen(part.table)), part.table, check)
                done.append(rows)
                told(sum(done), len(done), len(todo))

    with ThreadPoolExecutor(max(1, min(workers, len(todo)))) as pool:
        futures = [pool.submit(work) for _ in range(max(1, min(workers, len(todo))))]
        try:
            for future in futures:
                future.result()
        finally:
            stop.set()
    return sum(done)


def carry(there: Session, here: Session, query: str, table: Table, check: Callable[[], None] = lambda: None) -> int:
    """Copy the rows of one query into the table of that name; returns how many. `check` may raise to stop it."""
    try:
        with there.cursor() as reading, here.cursor() as writing:
            with (
                reading.copy(f"COPY ({query}) TO STDOUT".encode()) as out,
                writing.copy(f"COPY {table.name.sql} ({columns(table)}) FROM STDIN".encode()) as into,
            ):
                for block in out:
                    check()
                    into.write(block)
            return writing.rowcount
    except psycopg.Error as error:
        raise _told(error, table) from None


def _told(error: psycopg.Error, table: Table) -> EcluseError:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return MissingRights(
            f"the rows of {table.name} cannot all be read: {error.diag.message_primary}",
            hint="rehearse as the owner, or as a role with BYPASSRLS",
            state=_NOTHING,
        )
    known = translate(error, _NOTHING)
    if not isinstance(known, DiskFull | ConnectionLost):
        known.message = f"the rows of {table.name} cannot be copied: {known.message}"
    return known
