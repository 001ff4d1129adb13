"""What a subscriber gets: the messages of pgoutput, protocol version 1, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from ecluse.postgres.connect import Database

Row = dict[str, str | None]


@dataclass(frozen=True)
class Change:
    """One event. `old` has what is sent of the old row: nothing, the replica identity's columns, or all."""

    event: str  # insert | update | delete
    table: str
    new: Row
    old: Row

    def passes(self, column: str, value: str) -> bool:
        """Whether Realtime's filter `column=eq.value` lets it through. It reads the new row, of a DELETE the old."""
        return (self.old if self.event == "delete" else self.new).get(column) == value


class _Reader:
    def __init__(self, message: bytes) -> None:
        self._rest = message

    def take(self, count: int) -> bytes:
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def letter(self) -> str:
        return self.take(1).decode()

    def text(self) -> str:
        end = self._rest.index(b"\0")
        return self.take(end + 1)[:-1].decode()


@contextmanager
def listening(database: Database, publication: str) -> Iterator[Subscriber]:
    """Subscribe from now on; the slot dies with the session."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("SELECT pg_create_logical_replication_slot('listener', 'pgoutput', true)")
        yield Subscriber(conn, publication)


class Subscriber:
    """A temporary slot, and the tables whose description it was sent."""

    def __init__(self, conn: psycopg.Connection[tuple[object, ...]], publication: str) -> None:
        self._conn = conn
        self._publication = publication
        self._tables: dict[int, tuple[str, list[tuple[str, bool]]]] = {}

    def heard(self) -> list[Change]:
        """All that was committed since the last call."""
        # What test servers commit is on disk a moment later, and decoded is only what is; this commit waits for it.
        self._conn.execute("SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'flush', '')")
        rows = self._conn.execute(
            "SELECT data FROM pg_logical_slot_get_binary_changes('listener', NULL, NULL, "
            "'proto_version', '1', 'publication_names', %s)",
            (self._publication,),
        ).fetchall()
        return [change for (data,) in rows if isinstance(data, bytes) and (change := self._decode(_Reader(data)))]

    def _decode(self, message: _Reader) -> Change | None:
        kind = message.letter()
        if kind == "R":
            self._describe(message)
        if kind not in "IUD":
            return None
        table, columns = self._tables[message.number(4)]
        rows: dict[str, Row] = {}
        while part := message.letter():  # K the old key, O the whole old row, N the new row
            row = _row(message, [name for name, _ in columns])
            keys = {name for name, is_key in columns if is_key}
            rows["N" if part == "N" else "O"] = {k: v for k, v in row.items() if k in keys} if part == "K" else row
        event = {"I": "insert", "U": "update", "D": "delete"}[kind]
        return Change(event, table, rows.get("N", {}), rows.get("O", {}))

    def _describe(self, message: _Reader) -> None:
        oid, schema, name = message.number(4), message.text(), message.text()
        message.take(1)
        columns = []
        for _ in range(message.number(2)):
            is_key = bool(message.number(1) & 1)
            columns.append((message.text(), is_key))
            message.take(8)
        self._tables[oid] = f"{schema}.{name}", columns


def _row(message: _Reader, names: list[str]) -> Row:
    """The columns that were sent: one that is stored apart and did not change is not."""
    row: Row = {}
    assert message.number(2) == len(names)
    for name in names:
        kind = message.letter()
        if kind == "n":
            row[name] = None
        elif kind == "t":
            row[name] = message.take(message.number(4)).decode()
    return row
