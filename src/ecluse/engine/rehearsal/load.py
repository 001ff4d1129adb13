"""A synthetic application: threads that insert, update and delete by key, each statement timed.

Rows are copies of rows that are there, with a new key; values are those of other rows. So what is written is such as
the application writes, without a word about what it means. What a constraint or a trigger refuses is only counted.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ecluse.engine.rehearsal.load_sql import Writes, numbered, writes
from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident
from ecluse.model.rehearsal import Written
from ecluse.postgres.connect import Database
from ecluse.postgres.failures import translate

_KEYS = 500  # of a table that a writer knows
_PAUSE = 0.004  # seconds between statements
_FAR = 900_000_000  # numbers in texts begin here
# Data that does not fit, constraints, conflicts and locks, rights, what a trigger raises: an application knows these.
_REFUSED = frozenset({"22", "23", "40", "55", "P0", "27", "44"})
_DISTINCT = """
    SELECT attname FROM pg_catalog.pg_stats WHERE schemaname = %s AND tablename = %s AND n_distinct <= -0.99
        AND null_frac < 0.5
"""


@dataclass
class _Target:
    writes: Writes
    keys: list[tuple[str, ...]]
    next: int
    own: list[tuple[str, ...]] = field(default_factory=list)


class Load:
    """Writers on the tables of one database, from `start` to `stop`. `shape` is what is said of them: old or new.

    `alone`: columns in which a new row must not be like another, though no key of the table says so.
    `by_path`: tables are named without their schema, as who uses the old shape beside the new one does.
    """

    def __init__(
        self,
        database: Database,
        tables: Sequence[Table],
        writers: int,
        shape: str,
        *,
        by_path: bool = False,
        alone: Mapping[Name, frozenset[str]] | None = None,
    ) -> None:
        self._conninfo = make_conninfo(database.conninfo, application_name="rehearsal")
        self._writers = writers
        self._shape = shape
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._times: list[float] = []
        self.committed = self.refused = 0
        self.failed: list[str] = []
        self.left_out: list[str] = []  # tables that are not written to
        self._alone = alone or {}
        self._targets = list(self._prepare(tables, by_path))

    def start(self) -> None:
        """Begin to write."""
        for number in range(self._writers if self._targets else 0):
            thread = threading.Thread(target=self._write, args=(number,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def end_soon(self) -> None:
        """From now on the tables may change their shape at any moment: that statements fail then is no wonder."""
        self._ending.set()

    def stop(self) -> None:
        """Write no more; returns when nothing is in flight."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def ask_to_stop(self) -> None:
        """Write no more, without waiting for it."""
        self._ending.set()
        self._stop.set()

    def felt(self) -> tuple[float | None, float | None]:
        """The longest statement since the last call, and the median, in seconds."""
        with self._lock:
            times, self._times = self._times, []
        return (max(times), median(times)) if times else (None, None)

    def written(self) -> Written:
        """What came of it."""
        return Written(self._shape, self.committed, self.refused, len(self.failed))

    # --- below: before the threads ------------------------------------------------------------------

    def _prepare(self, tables: Sequence[Table], by_path: bool) -> Iterator[_Target]:
        with closing(self._connect()) as conn:
            for table in tables:
                distinct = {row[0] for row in conn.execute(_DISTINCT, (table.name.schema, table.name.name))}
                distinct |= self._alone.get(table.name, frozenset())
                known = {column.name for column in table.columns}
                source = ident(table.name.name) if by_path else table.name.sql
                found = writes(table, source, frozenset(distinct & known))
                keys = _keys(conn, found) if found else []
                if found is None or not keys:
                    self.left_out.append(str(table.name))
                    continue
                row = conn.execute("SELECT %s::regclass::oid::bigint", [source]).fetchone()
                found = replace(found, oid=int(row[0]) if row else 0)
                target = _Target(found, keys, _first(conn, found))
                if self._shape == "old":
                    target.writes = self._tried(conn, target)
                if target.writes.insertable or target.writes.changeable:
                    yield target
                else:
                    self.left_out.append(str(table.name))

    def _tried(self, conn: psycopg.Connection[tuple[Any, ...]], target: _Target) -> Writes:
        """The statements that work before anything is migrated: what fails already then is no finding."""
        found, key = target.writes, target.keys[0]
        if found.insertable and not _works(conn, found.insert(key, target.next + 1)):
            found = replace(found, insertable=False)
        good = tuple(name for name in found.changeable if _works(conn, found.update(key, key, (name,))))
        return replace(found, changeable=good)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)

    # --- below: one thread each ---------------------------------------------------------------------

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        conn = self._connect()
        while not self._stop.wait(_PAUSE):
            target = chance.choice(self._targets)
            began = time.monotonic()
            try:
                self._once(conn, target, chance)
            except psycopg.Error as error:
                self._count(error, target)
                if conn.closed:
                    with contextlib.suppress(psycopg.Error):
                        conn = self._connect()
            finally:
                with self._lock:
                    self._times.append(time.monotonic() - began)
        conn.close()

    def _once(self, conn: psycopg.Connection[tuple[Any, ...]], target: _Target, chance: random.Random) -> None:
        found = target.writes
        with self._lock:
            like, key = chance.choice(target.keys), chance.choice(target.keys)
            target.next += 1
            number = target.next
            mine = target.own.pop() if len(target.own) > 20 or (target.own and chance.random() < 0.1) else None
        if mine is not None:
            changed = conn.execute(found.delete(mine).encode()).rowcount
            with self._lock:
                target.keys = [one for one in target.keys if one != mine]
        elif found.insertable and (chance.random() < 0.4 or not found.changeable):
            row = conn.execute(found.insert(like, number).encode()).fetchone()
            changed = int(row is not None)
            if row is not None:
                with self._lock:
                    target.keys.append(tuple(row))
                    target.own.append(tuple(row))
        else:
            names = tuple(chance.sample(found.changeable, min(len(found.changeable), chance.choice((1, 1, 2)))))
            changed = conn.execute(found.update(key, like, names).encode()).rowcount
        # A statement that met no row, as one does once its table is another, wrote nothing.
        with self._lock:
            self.committed += bool(changed > 0)

    def _count(self, error: psycopg.Error, target: _Target) -> None:
        state = error.sqlstate or ""
        with self._lock:
            if state[:2] in _REFUSED or state == "42501":
                self.refused += 1
            elif not self._ending.is_set():
                said = f"{target.writes.table.name}: {translate(error).message}"
                if said not in self.failed:
                    self.failed.append(said)


def _works(conn: psycopg.Connection[tuple[Any, ...]], statement: str) -> bool:
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement.encode())
    except psycopg.Error as error:
        return (error.sqlstate or "")[:2] in _REFUSED
    return True


def _keys(conn: psycopg.Connection[tuple[Any, ...]], found: Writes) -> list[tuple[str, ...]]:
    try:
        return [tuple(row) for row in conn.execute(found.keys(_KEYS).encode())]
    except (psycopg.errors.WrongObjectType, psycopg.errors.FeatureNotSupported):  # a view
        said = ", ".join(f"m.{ident(name)}::text" for name in found.key)
        return [tuple(row) for row in conn.execute(f"SELECT {said} FROM {found.source} AS m LIMIT {_KEYS}".encode())]


def _first(conn: psycopg.Connection[tuple[Any, ...]], found: Writes) -> int:
    """Where fresh numbers begin."""
    names = numbered(found.table, tuple(found.fresh))
    if not names:
        return _FAR
    largest = ", ".join(f"max({ident(name)})" for name in names)
    row = conn.execute(f"SELECT {largest} FROM {found.source}".encode()).fetchone()
    return int(max(value or 0 for value in row)) if row else 0
