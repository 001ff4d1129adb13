"""The application: clients in a process of their own that read and write by key at a steady rate, each statement timed.

A statement that waits is timed from when it was due: who is stalled cannot complain less often for it.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

import psycopg

from benchmarks.ground import Connection, connect

CLIENTS = 4


@dataclass(slots=True)
class Felt:
    """What the application felt. Times in milliseconds."""

    statements: int = 0
    p50: float = 0.0
    p99: float = 0.0
    worst: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Application:
    """What it does: the ids that it knows at first, one transaction with one of them, and how many a second.

    The function is found again by its name in another process. It may put new ids into the list.
    """

    ids: str
    transaction: Callable[[Connection, random.Random, list[Any]], None]
    rate: float  # of all clients together


@dataclass(slots=True)
class _Client:
    conninfo: str
    app: Application
    stop: threading.Event
    times: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def run(self, number: int, ids: list[Any]) -> None:
        chance = random.Random(number)
        ids = list(ids)
        conn = connect(self.conninfo)
        pause = CLIENTS / self.app.rate
        due = time.monotonic() + chance.random() * pause
        while not self.stop.wait(max(0.0, due - time.monotonic())):
            try:
                self.app.transaction(conn, chance, ids)
            except psycopg.Error as error:
                self.errors[error.sqlstate or type(error).__name__] += 1
                if conn.closed:
                    conn = connect(self.conninfo)
            now = time.monotonic()
            self.times.append(now - due)
            # Late transactions are not made up for: a pool does not either.
            due = max(due + pause, now)
        conn.close()


def _main(conninfo: str, app: Application, pipe: Pipe) -> None:
    with connect(conninfo) as conn:
        ids = [row[0] for row in conn.execute(app.ids.encode())]
    stop = threading.Event()
    clients = [_Client(conninfo, app, stop) for _ in range(CLIENTS)]
    threads = [threading.Thread(target=c.run, args=(n, ids)) for n, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    pipe.send("running")
    pipe.recv()
    stop.set()
    for thread in threads:
        thread.join()
    pipe.send(felt([t for c in clients for t in c.times], sum((c.errors for c in clients), Counter[str]())))


def felt(seconds: list[float], errors: Counter[str]) -> Felt:
    """Sum up."""
    times = sorted(s * 1000 for s in seconds)
    if not times:
        return Felt(errors=dict(errors))
    return Felt(len(times), times[len(times) // 2], times[int(len(times) * 0.99)], times[-1], dict(errors))


class Load:
    """The application, running from `start` to `stop`."""

    def __init__(self, conninfo: str, app: Application) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(conninfo, app, theirs), daemon=True)
        self._process.start()
        self._pipe.recv()

    def stop(self) -> Felt:
        """End it and say what it felt."""
        self._pipe.send("stop")
        result: Felt = self._pipe.recv()
        self._process.join()
        return result
