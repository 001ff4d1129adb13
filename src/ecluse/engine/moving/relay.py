"""Rows from one server to another, without being looked at on the way."""

from __future__ import annotations

import select
from collections.abc import Iterator

import psycopg
from psycopg import pq, sql

from ecluse.engine.context import Connection

# Types whose binary form is the same on every server and version that we know; it takes half the time of text.
_BINARY = frozenset(
    {
        "bigint",
        "boolean",
        "bytea",
        "character varying",
        "date",
        "double precision",
        "integer",
        "interval",
        "json",
        "jsonb",
        "numeric",
        "real",
        "smallint",
        "text",
        "time without time zone",
        "timestamp with time zone",
        "timestamp without time zone",
        "uuid",
    }
)


def relay(source: Connection, query: str, target: Connection, into: str, types: tuple[str, ...]) -> int:
    """Send the rows of a query into a table, `into` being its name and columns; returns how many.

    `types` are those of the columns, the same at both ends. With one that is not known to be the same everywhere,
    COPY's text format is used: what a server prints under the pins of our sessions, any server reads.
    Uses as much memory as one block, or one row.
    """
    sent, taken = relayed(query, into, types)
    out, back = source.cursor(), target.cursor()
    with out.copy(sql.SQL(sent)), back.copy(sql.SQL(taken)) as writing:
        for block in _blocks(source.pgconn):
            writing.write(block)
    return back.rowcount


def relayed(query: str, into: str, types: tuple[str, ...]) -> tuple[str, str]:
    """The two statements of a relay, as the one server and the other get them."""
    how = " (FORMAT binary)" if all(type_.partition("(")[0].strip() in _BINARY for type_ in types) else ""
    return f"COPY ({query}\n) TO STDOUT{how}", f"COPY {into} FROM STDIN{how}"


def _blocks(conn: pq.abc.PGconn) -> Iterator[bytearray]:
    """What a COPY sends, all rows that have come joined to one block, which is used again for the next.

    A row at a time through the driver takes three times as long, and a list of rows twice: its collector walks it.
    """
    rows = bytearray()
    readable = select.poll()
    readable.register(conn.socket, select.POLLIN)
    while True:
        count, row = conn.get_copy_data(1)
        while count > 0:
            rows += row
            count, row = conn.get_copy_data(1)
        if rows:
            yield rows
            rows.clear()
        if count < 0:
            break
        readable.poll()
        conn.consume_input()
    _end(conn)


def _end(conn: pq.abc.PGconn) -> None:
    """Take what comes behind the last row: that it was the last, or why the server stopped."""
    while (result := conn.get_result()) is not None:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"the connection is lost").decode()
            try:
                raised = psycopg.errors.lookup(state)
            except KeyError:
                raised = psycopg.OperationalError
            raise raised(message)
