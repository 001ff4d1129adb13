"""A small application that reads and writes all the time: a process of its own, so that what it measures is its own.

`python -m ecluse.cli.demo.application old|new`, the connection string in ECLUSE_DEMO_DATABASE. It answers each line
`report` on stdin with what it saw since the last one, and ends with its stdin. Its clients use the driver as most
applications do: statements are prepared after a few uses, and a client that fails reconnects and tries once more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

CLIENTS = 3
VARIABLE = "ECLUSE_DEMO_DATABASE"
OLD_WORDS, NEW_WORDS = "demo old", "demo new"
_PAUSE = 0.1
_WAIT = 0.2  # of a client that is turned away: its shape is not there

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(slots=True)
class Seen:
    """What the clients saw. Writes whose connection was cut may have been committed or not."""

    statements: int = 0
    committed: int = 0
    uncertain: int = 0
    reconnects: int = 0
    refused: int = 0  # statements that the server would not carry out; those that were cut off are none
    turned_away: int = 0
    longest: float = 0.0
    latencies: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self) -> dict[str, float]:
        """All of it; counts go on, times begin anew."""
        with self.lock:
            times = sorted(self.latencies)
            found = {
                "statements": self.statements,
                "committed": self.committed,
                "uncertain": self.uncertain,
                "reconnects": self.reconnects,
                "refused": self.refused,
                "turned_away": self.turned_away,
                "longest_ms": self.longest * 1000,
                "median_ms": times[len(times) // 2] * 1000 if times else 0.0,
                "p99_ms": times[int(len(times) * 0.99)] * 1000 if times else 0.0,
            }
            self.longest, self.latencies = 0.0, []
            return found


class Client:
    """One client: a connection, and the statements of its application, one after the other."""

    def __init__(self, number: int, conninfo: str, kind: str, seen: Seen, stop: threading.Event) -> None:
        self._number, self._conninfo, self._seen, self._stop = number, conninfo, seen, stop
        self._round: Callable[[Connection], None] = self._old if kind == "old" else self._new
        self._count = 0
        self._last = ""
        self._writing = False

    def run(self) -> None:
        """Until the application ends."""
        failed = 0
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True, application_name="demo application") as conn:
                    while not self._stop.is_set():
                        self._round(conn)
                        failed = 0
                        time.sleep(_PAUSE)
            except psycopg.Error as error:
                failed += 1
                self._note(error, failed)
                # Once more at once, with a new connection; then the shape is not ours, and we wait for it.
                if failed > 1:
                    self._stop.wait(_WAIT)

    def _note(self, error: psycopg.Error, failed: int) -> None:
        with self._seen.lock:
            if failed == 1:
                self._seen.reconnects += 1
            else:
                self._seen.turned_away += 1
            if not isinstance(error, psycopg.OperationalError):
                self._seen.refused += 1
            elif self._writing:
                self._seen.uncertain += 1
        self._writing = False

    def _ask(self, conn: Connection, sql: str, *values: object, writes: int = 0) -> tuple[Any, ...]:
        began = time.monotonic()
        self._writing = writes > 0
        try:
            row = conn.execute(sql.encode(), values or None).fetchone()
        finally:
            seconds = time.monotonic() - began
            with self._seen.lock:
                self._seen.statements += 1
                self._seen.longest = max(self._seen.longest, seconds)
                self._seen.latencies.append(seconds)
        with self._seen.lock:
            self._seen.committed += writes
        self._writing = False
        return row or ()

    def _words(self, words: str) -> str:
        self._count += 1
        return f"{words} {self._number} {self._count}"

    def _old(self, conn: Connection) -> None:
        """Write a question, answer it, read it, list a user's latest."""
        insert = (
            "INSERT INTO conversations (session_id, user_id, question, response) VALUES (%s, %s, %s, %s) RETURNING id"
        )
        session, user = str(uuid.uuid4()), str(uuid.uuid4())
        self._last = self._ask(conn, insert, session, user, self._words(OLD_WORDS), "thinking", writes=1)[0]
        update = "UPDATE conversations SET response = %s, updated_at = now() WHERE id = %s RETURNING id"
        self._ask(conn, update, "an answer", self._last)
        self._ask(conn, "SELECT question, response FROM conversations WHERE id = %s", self._last)
        latest = "SELECT question FROM conversations WHERE user_id = %s ORDER BY created_at DESC LIMIT 10"
        self._ask(conn, latest, user)

    def _new(self, conn: Connection) -> None:
        """A conversation of two questions, through the functions of the new shape."""
        create = "SELECT public.create_conversation_with_messages(%s::uuid, %s::uuid, %s, %s)"
        session, user = str(uuid.uuid4()), str(uuid.uuid4())
        made = self._ask(conn, create, session, user, self._words(NEW_WORDS), "an answer", writes=1)[0]
        add = "SELECT public.add_message_to_conversation(%s, %s, %s)"
        self._ask(conn, add, made, "user", self._words(NEW_WORDS), writes=1)
        self._ask(conn, add, made, "assistant", "another answer")
        self._ask(conn, "SELECT count(*) FROM public.get_conversation_messages(%s)", made)


def main() -> None:
    """Run the clients until stdin ends."""
    seen, stop = Seen(), threading.Event()
    clients = [Client(n, os.environ[VARIABLE], sys.argv[1], seen, stop) for n in range(CLIENTS)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(seen.report()) + "\n")
        sys.stdout.flush()
    stop.set()
    for thread in threads:
        thread.join(timeout=5)
    sys.stdout.write(json.dumps(seen.report()) + "\n")


if __name__ == "__main__":
    main()
