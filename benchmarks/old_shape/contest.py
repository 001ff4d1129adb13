"""The same statements with the same parameters to all contenders in turn, timed; and whether the answers are equal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from statistics import median, quantiles
from typing import Any

import psycopg

from benchmarks.ground import Connection, connect
from benchmarks.old_shape.cases.case import POOL, Case, Statement

CONTENDERS = ("original", "old_shape", "new_shape", "one_table")
BLOCK = 10
"""So many statements are asked in a row; the first so many are not timed.

The server looks at the parameters of a prepared statement five times, and may then plan without them.
"""

Answers = list[Any]


@dataclass(slots=True)
class Result:
    """What was measured of one statement in one round. Milliseconds."""

    case: str
    rows: int
    statement: str
    prepared: bool
    contender: str
    round: int
    median: float = 0.0
    p95: float = 0.0
    scanned: dict[str, float] = field(default_factory=dict)  # rows read by scans of whole tables, per statement
    wrong: str = ""  # what differs from the answers of the original
    cannot: str = ""


class Contest:
    """All contenders of a case, each with its sessions."""

    def __init__(self, case: Case, rows: int, times: int, places: Mapping[str, tuple[str, str]]) -> None:
        self.case, self.rows, self.times = case, rows, times
        self._looks = {name: look for name, (_, look) in places.items()}
        self._open = ExitStack()
        self._sessions = {
            (name, prepared): self._open.enter_context(_session(conninfo, prepared))
            for name, (conninfo, _) in places.items()
            for prepared in (True, False)
        }
        self._pools = self._read_pools()

    def close(self) -> None:
        """End the sessions."""
        self._open.close()

    def _read_pools(self) -> dict[str, list[Any]]:
        with connect(self._looks["original"]) as conn:
            pools = {each.name: conn.execute(f"{each.pool} LIMIT {POOL}".encode()) for each in self.case.statements}
            return {name: pool.fetchall() for name, pool in pools.items()}

    def round(self, number: int) -> Iterator[Result]:
        """Every statement, planned anew each time and prepared, by each contender."""
        for statement in self.case.statements:
            for prepared in (False, True):
                yield from self._compare(statement, prepared, number)

    def _compare(self, statement: Statement, prepared: bool, number: int) -> Iterator[Result]:
        """A few statements to one contender, the same to the next, and so on: what disturbs one disturbs the others."""
        names = [name for name in CONTENDERS if name in self._looks]
        asked = {name: _Asked(self._sessions[name, prepared], _said(statement, name)) for name in names}
        given = self._given(statement)
        for position in range(0, len(given), BLOCK):
            turn = (number + position // BLOCK) % len(names)
            for name in names[turn:] + names[:turn]:
                asked[name].ask(given[position : position + BLOCK], timed=position > 0)
        for name in names:
            result = asked[name].result(Result(self.case.name, self.rows, statement.name, prepared, name, number))
            result.wrong = _difference(asked["original"].answers, asked[name].answers, exact=name != "new_shape")
            yield result

    def _given(self, statement: Statement) -> list[Any]:
        """The next parameters; reads and updates begin anew when all have been given."""
        pool = self._pools[statement.name]
        wanted = list(islice(pool, self.times + BLOCK))
        del pool[: len(wanted)]
        pool += [] if statement.once else wanted
        return wanted

    def differences(self) -> dict[str, str]:
        """After all that was written: the contenders whose tables the old application sees in another way."""
        contents = {name: _content(look, self.case.compared) for name, look in self._looks.items()}
        found = {}
        for name, content in contents.items():
            last = 2 if name == "new_shape" else 3  # it was never told how a key is written
            differing = [t for t in content if content[t][:last] != contents["original"][t][:last]]
            if differing:
                found[name] = ", ".join(differing)
        return found


def _session(conninfo: str, prepared: bool) -> Connection:
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=0 if prepared else None)


def _said(statement: Statement, contender: str) -> bytes:
    return (statement.new if contender == "new_shape" and statement.new else statement.old).encode()


class _Asked:
    """One contender and one statement: how long it took, and what was answered."""

    def __init__(self, conn: Connection, sql: bytes) -> None:
        self.answers: Answers = []
        self._conn, self._sql = conn, sql
        self._seconds: list[float] = []
        self._cannot = ""
        self._before = _scanned(conn)

    def ask(self, given: list[Any], *, timed: bool) -> None:
        """The statement with each of the parameters; one that failed is not asked again."""
        for parameters in given:
            if self._cannot:
                return
            began = time.perf_counter()
            try:
                cursor = self._conn.execute(self._sql, parameters)
                answer = cursor.fetchall() if cursor.description else cursor.rowcount
            except psycopg.Error as error:
                self._cannot = str(error).strip().splitlines()[0]
                return
            if timed:
                self._seconds.append(time.perf_counter() - began)
            self.answers.append(answer)

    def result(self, result: Result) -> Result:
        """What was measured."""
        result.cannot = self._cannot
        if self._cannot:
            return result
        result.median, result.p95 = median(self._seconds) * 1000, quantiles(self._seconds, n=20)[-1] * 1000
        now = _scanned(self._conn)
        rows = {table: (read - self._before.get(table, 0)) / len(self.answers) for table, read in now.items()}
        result.scanned = {table: read for table, read in rows.items() if read}
        return result


def _scanned(conn: Connection) -> dict[str, int]:
    """Rows read by scans of whole tables so far, also by triggers and foreign keys."""
    conn.execute("SELECT pg_stat_force_next_flush()")
    conn.execute("SELECT pg_stat_clear_snapshot()")
    rows = conn.execute(
        "SELECT schemaname || '.' || relname, seq_tup_read FROM pg_stat_user_tables WHERE seq_tup_read > 0"
    )
    return dict(rows.fetchall())


def _difference(wanted: Answers, found: Answers, *, exact: bool) -> str:
    """The first answer that is another; not `exact`: however ids are written."""
    for one, other in zip(wanted, found, strict=False):
        if one != other and (exact or _plain(one) != _plain(other)):
            return f"{other!r:.200} and not {one!r:.200}"
    return ""


def _plain(answer: Any) -> Any:
    return [[str(value).lower() for value in row] for row in answer] if isinstance(answer, list) else answer


def _content(conninfo: str, tables: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """Count and sums of each table's rows as the old application sees them: in lower case, and as they are."""
    sums = "count(*), sum(hashtextextended(lower(t::text), 0)::numeric), sum(hashtextextended(t::text, 0)::numeric)"
    with connect(conninfo) as conn:
        return {table: conn.execute(f"SELECT {sums} FROM {table} t".encode()).fetchone() or () for table in tables}
