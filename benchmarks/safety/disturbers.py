"""Others who use the database meanwhile. They remember what the server told them is committed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from benchmarks.ground import Connection, connect
from benchmarks.safety.ground import Scene
from benchmarks.safety.picture import TABLES

Written = dict[str, dict[str, tuple[str | None, ...]]]
Disturber = Callable[[Scene, Written], Iterator[None]]

_READER_SECONDS = 30.0
_BEFORE, _AFTER = 0.5, 0.5  # how long the writers are at it alone, before and after
_HOLD = 0.1  # how long a writer of the loop has one table and not yet the other
_BACK = {table: ", ".join(f"{column}::text" for column in columns) for table, columns in TABLES.items()}


def quiet(scene: Scene, written: Written) -> Iterator[None]:
    """Nobody."""
    yield


def long_reader(scene: Scene, written: Written) -> Iterator[None]:
    """A transaction that has read both tables, and stays open for 30 seconds or until all is over."""
    over = threading.Event()
    with connect(scene.admin) as conn:
        conn.execute("BEGIN; SELECT count(*) FROM conversations JOIN tags ON tags.conversation_id = conversations.id")

        def read() -> None:
            over.wait(_READER_SECONDS)
            conn.execute("COMMIT")

        with _beside([read], over):
            yield


def inserts(scene: Scene, written: Written) -> Iterator[None]:
    """Two clients that insert conversations, each with a tag, in one transaction, as fast as they can."""
    over = threading.Event()

    def write() -> None:
        with connect(scene.admin) as conn:
            while not over.wait(0.002):
                _attempt(conn, lambda conn: _converse(conn), written)

    with _beside([write, write], over):
        time.sleep(_BEFORE)
        yield
        time.sleep(_AFTER)


def deadlocks(scene: Scene, written: Written) -> Iterator[None]:
    """Two clients in a loop that change a row of one table and, a little later, one of the other; one each way."""
    over = threading.Event()
    with connect(scene.admin) as conn:
        conversations = [row[0] for row in conn.execute("SELECT id FROM conversations ORDER BY id LIMIT 2")]

    def loop(number: int) -> Callable[[], None]:
        steps = [("conversations", "response", conversations[number]), ("tags", "tag", str(number + 1))]

        def run() -> None:
            with connect(scene.admin) as conn:
                while not over.wait(0.01):
                    _attempt(conn, lambda conn: _both(conn, steps if number % 2 else steps[::-1]), written)

        return run

    with _beside([loop(number) for number in range(2)], over):
        time.sleep(_BEFORE)
        yield
        time.sleep(_AFTER)


@contextmanager
def _beside(works: list[Callable[[], None]], over: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


_Rows = list[tuple[str, tuple[str | None, ...]]]


def _attempt(conn: Connection, work: Callable[[Connection], _Rows], written: Written) -> None:
    """One transaction; what it wrote counts when its commit was answered. One that failed is forgotten."""
    try:
        with conn.transaction():
            rows = work(conn)
    except psycopg.Error:
        return
    for table, (key, *rest) in rows:
        written.setdefault(table, {})[key or ""] = tuple(rest)


def _converse(conn: Connection) -> _Rows:
    new = str(uuid.uuid4())
    said = (
        ("conversations", f"(id, session_id, user_id, question) VALUES ('{new}', 'web', 'user-1', 'how?')"),
        ("tags", f"(conversation_id, tag) VALUES ('{new}', 'new')"),
    )
    return [_one(conn, table, f"INSERT INTO {table} {words}") for table, words in said]


def _both(conn: Connection, steps: list[tuple[str, str, str]]) -> _Rows:
    rows = []
    for table, column, key in steps:
        rows.append(_one(conn, table, f"UPDATE {table} SET {column} = clock_timestamp()::text WHERE id = '{key}'"))
        if len(rows) == 1:
            time.sleep(_HOLD)
    return rows


def _one(conn: Connection, table: str, statement: str) -> tuple[str, tuple[str | None, ...]]:
    row = conn.execute(f"{statement} RETURNING {_BACK[table]}".encode()).fetchone()
    if row is None:
        raise psycopg.DataError(f"no row of {table} was written")
    return table, row
