"""An application that keeps writing through copy, switch and rollback, and a model of what it has committed.

Its statements hold values as plain literals, so they are right in the old shape (text) and in the new one (uuid).
What the server stored comes back by RETURNING: after a rollback the very text must be there again.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from ecluse.model.names import literal
from ecluse.postgres.connect import Database
from tests.harness import load

# Type and value of a column, as SQL over the number {s}.
KINDS = {
    "integer": "({s} * 7919) % 1000",
    "text": "CASE {s} % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('x', {s} % 40) || {s} || ' ' END",
    "numeric(20,6)": "({s} / 7.0)::numeric(20,6)",
    "double precision": "{s} / 3.0::double precision",
    "timestamp with time zone": "'2020-01-01Z'::timestamptz + {s} * interval '1.000001 s'",
    "timestamp without time zone": "'2020-01-01'::timestamp + {s} * interval '1 min'",
    "jsonb": "jsonb_build_object('n', {s}, 'list', jsonb_build_array({s}, NULL, 'é'))",
    "bytea": "decode(md5(({s})::text), 'hex')",
    "boolean": "CASE {s} % 3 WHEN 0 THEN NULL ELSE {s} % 2 = 0 END",
    "text[]": "ARRAY['a,b', NULL, 'q\"' || {s}]",
    "interval": "{s} * interval '1 hour 1 s'",
    "date": "'2000-01-01'::date + {s} % 9000",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A random table: what identifies a row, its further columns, what hangs on it."""

    key: str  # text: u | int: k | both: (u, k)
    columns: tuple[str, ...]
    child: bool
    view: bool
    index: bool
    trigger: bool
    rows: int

    @property
    def key_columns(self) -> tuple[str, ...]:
        return {"text": ("u",), "int": ("k",), "both": ("u", "k")}[self.key]

    def values(self, seed: str) -> list[str]:
        """The values of the further columns, as SQL."""
        return [KINDS[kind].replace("{s}", seed) for kind in self.columns]

    def script(self) -> str:
        """The tables, without rows."""
        key = ", ".join(self.key_columns)
        further = "".join(f", c{n} {kind}" for n, kind in enumerate(self.columns))
        parts = [f"CREATE TABLE things (u text NOT NULL, k integer NOT NULL{further}, PRIMARY KEY ({key}))"]
        if self.child:
            types = ", ".join(f"{c} {'text' if c == 'u' else 'integer'} NOT NULL" for c in self.key_columns)
            parts.append(
                f"CREATE TABLE parts (id integer PRIMARY KEY, {types}, FOREIGN KEY ({key}) REFERENCES things ({key}) "
                "ON UPDATE CASCADE ON DELETE CASCADE)"
            )
            parts.append(f"CREATE INDEX ON parts ({key})")
        if self.index:
            parts.append("CREATE INDEX ON things (k DESC) WHERE k > 0")
        if self.view:
            parts.append("CREATE VIEW seen AS SELECT k, count(*) FROM things GROUP BY k")
        if self.trigger:
            parts.append(
                "CREATE TRIGGER idle BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION "
                "suppress_redundant_updates_trigger()"
            )
        return ";".join(parts)


@dataclass(slots=True)
class Row:
    """A row as it was committed: the key's text, and the number that its values are made of."""

    u: str
    k: int
    seed: int
    parts: list[int] = field(default_factory=list)


class Application:
    """Threads, each with rows of its own, that write until they are told to rest."""

    def __init__(
        self, database: Database, shape: Shape, seed: int, threads: int = 2, old: Database | None = None
    ) -> None:
        """`old`: how the first thread connects, that goes on with the old shape after a switch."""
        self.database, self.shape = database, shape
        self.old = old
        self.retried = 0  # statements that were cut with their session, and tried again once
        self.rows: list[list[Row]] = [[] for _ in range(threads)]
        self.committed = 0
        self.lost: list[str] = []  # what should have been there and was not
        self._random = [random.Random(seed * 100 + n) for n in range(threads)]
        self._next = [1_000_000 * (n + 1) for n in range(threads)]
        self._lock = threading.Lock()
        load(database, shape.script())
        for number in range(shape.rows):
            self._insert_into(number % threads)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write for as long as the block lasts; then nothing is in flight."""
        stop = threading.Event()
        threads = [threading.Thread(target=self._write, args=(n, stop), daemon=True) for n in range(len(self.rows))]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def expected(self) -> list[Row]:
        """Everything that was committed."""
        return [row for rows in self.rows for row in rows]

    # --- below: one thread each ---------------------------------------------------------------------

    def _insert_into(self, number: int) -> None:
        with psycopg.connect(self.database.conninfo, autocommit=True, prepare_threshold=None) as conn:
            self._insert(conn, number)

    def _write(self, number: int, stop: threading.Event) -> None:
        actions = [self._insert, self._update, self._update, self._move, self._delete, self._part]
        conn = self._connect(number)
        while not stop.wait(0.003):
            action = self._random[number].choice(actions)
            try:
                try:
                    action(conn, number)
                except psycopg.OperationalError:
                    if not conn.closed:  # only a session that was ended is begun again
                        raise
                    conn = self._connect(number)
                    self.retried += 1
                    action(conn, number)
                with self._lock:
                    self.committed += 1
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                continue
            except psycopg.Error as error:
                with self._lock:
                    self.lost.append(f"{action.__name__}: {error}")
                break
        conn.close()

    def _connect(self, number: int) -> psycopg.Connection[tuple[object, ...]]:
        there = self.old if self.old is not None and number == 0 else self.database
        return psycopg.connect(there.conninfo, autocommit=True, prepare_threshold=None)

    def _new(self, number: int) -> tuple[str, int, int]:
        self._next[number] += 1
        drawn = self._random[number]
        plain = str(uuid.UUID(int=drawn.getrandbits(128)))
        written = drawn.choice([plain, plain, plain.upper(), "{" + plain + "}", plain.replace("-", "")])
        return written, self._next[number], drawn.randrange(100_000)

    def _pick(self, number: int) -> Row | None:
        return self._random[number].choice(self.rows[number]) if self.rows[number] else None

    def _where(self, row: Row) -> str:
        return " AND ".join(f"{c} = {literal(row.u) if c == 'u' else row.k}" for c in self.shape.key_columns)

    def _one(self, conn: psycopg.Connection[tuple[object, ...]], statement: str, what: str) -> tuple[object, ...]:
        answer = conn.execute(statement.encode()).fetchall()
        if len(answer) != 1:
            with self._lock:
                self.lost.append(f"{what}: {len(answer)} rows, {statement[:200]}")
            return ("", 0)
        return answer[0]

    def _insert(self, conn: psycopg.Connection[tuple[object, ...]], number: int) -> None:
        u, k, seed = self._new(number)
        values = "".join(f", {value}" for value in self.shape.values(str(seed)))
        stored = self._one(conn, f"INSERT INTO things VALUES ({literal(u)}, {k}{values}) RETURNING u::text", "insert")
        self.rows[number].append(Row(str(stored[0]), k, seed))

    def _update(self, conn: psycopg.Connection[tuple[object, ...]], number: int) -> None:
        row, seed = self._pick(number), self._random[number].randrange(100_000)
        if row is None or not self.shape.columns:
            return
        values = ", ".join(f"c{n} = {value}" for n, value in enumerate(self.shape.values(str(seed))))
        # RETURNING gives nothing where a trigger suppresses an update that changes nothing.
        done = conn.execute(f"UPDATE things SET {values} WHERE {self._where(row)}".encode())
        if done.rowcount != 1 and not (self.shape.trigger and row.seed == seed):
            with self._lock:
                self.lost.append(f"update: {done.rowcount} rows of {row.u}")
        row.seed = seed

    def _move(self, conn: psycopg.Connection[tuple[object, ...]], number: int) -> None:
        row = self._pick(number)
        if row is None:
            return
        u, k, _ = self._new(number)
        stored = self._one(
            conn,
            f"UPDATE things SET u = {literal(u)}, k = {k} WHERE {self._where(row)} RETURNING u::text",
            "key change",
        )
        row.u, row.k = str(stored[0]), k

    def _delete(self, conn: psycopg.Connection[tuple[object, ...]], number: int) -> None:
        row = self._pick(number)
        if row is not None:
            self._one(conn, f"DELETE FROM things WHERE {self._where(row)} RETURNING k", "delete")
            self.rows[number].remove(row)

    def _part(self, conn: psycopg.Connection[tuple[object, ...]], number: int) -> None:
        row = self._pick(number)
        if row is None or not self.shape.child:
            return
        self._next[number] += 1
        key = ", ".join(literal(row.u) if c == "u" else str(row.k) for c in self.shape.key_columns)
        conn.execute(f"INSERT INTO parts VALUES ({self._next[number]}, {key})".encode())
        row.parts.append(self._next[number])
