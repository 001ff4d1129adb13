"""How scripts of people work: statements in turn, in one transaction, or in batches."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.ground import Connection, connect

BATCH = 1_000
# The same memory for index builds that Écluse gives itself.
_MEMORY = "SET maintenance_work_mem = '128MB'"


def session(conninfo: str) -> Connection:
    """A session in autocommit with the memory that Écluse has."""
    conn = connect(conninfo)
    conn.execute(_MEMORY)
    return conn


def in_turn(conn: Connection, statements: Sequence[str]) -> None:
    """Each to its end; in autocommit each in a transaction of its own."""
    for statement in statements:
        conn.execute(statement.encode())


def at_once(conninfo: str, statements: Sequence[str], analyze: str) -> None:
    """All in one transaction, while the application waits; then statistics of some tables."""
    with session(conninfo) as conn:
        with conn.transaction():
            in_turn(conn, statements)
        conn.execute(f"ANALYZE {analyze}".encode())


def fill(conn: Connection, batch: str, last: object) -> None:
    """Repeat a batch that begins after a key and returns the last one that it did, until there is none."""
    query = batch.encode()
    while last is not None:
        row = conn.execute(query, (last,)).fetchone()
        last = row[0] if row else None
