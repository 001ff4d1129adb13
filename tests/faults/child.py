"""A run in a process of its own, which kills itself in the middle.

`kill -9` at the n-th record of the journal (just after its commit), or before the n-th statement that any of the run's
sessions sends, which falls in the middle of most transactions. The process is forked from a clean one that has
everything imported, so that many kills cost little.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ecluse.engine import copy
from ecluse.errors import EcluseError
from ecluse.model.report import Event
from ecluse.postgres.connect import Database
from tests.harness import Stage

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(frozen=True, slots=True)
class Order:
    """What the child does: some of apply, resume, switch, rollback, finish, in order; and when it dies."""

    conninfo: str
    file: Path
    commands: tuple[str, ...]
    record: int = 0  # 0: not at a record
    statement: int = 0  # 0: not at a statement
    folder: Path = Path()


def run(order: Order) -> int:
    """Carry the order out in a process of its own; its exit code, -9 where it killed itself."""
    process = _context.Process(target=_child, args=(order,), daemon=True)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def count(order: Order) -> tuple[int, int]:
    """Carry the order out to the end; how many records it makes, and how many statements it sends."""
    mine, its = _context.Pipe(duplex=False)
    process = _context.Process(target=_child, args=(order, its), daemon=True)
    process.start()
    its.close()
    found: tuple[int, int] = mine.recv()
    process.join()
    assert process.exitcode == 0
    return found


class _Counter:
    """Counts, over all threads, and kills the process when the number is reached."""

    def __init__(self, last: int) -> None:
        self.value, self._last, self._lock = 0, last, threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.value += 1
            if self.value == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def _child(order: Order, answer: Any = None) -> None:
    copy._FIRST_PAGES = 4  # several chunks of a small table
    records, statements = _Counter(order.record), _Counter(order.statement)

    def listen(event: Event) -> None:
        if event.kind == "journal":
            records()

    execute = psycopg.Connection.execute

    def counted(self: psycopg.Connection[Any], *args: Any, **kwargs: Any) -> Any:
        statements()
        return execute(self, *args, **kwargs)

    psycopg.Connection.execute = counted  # type: ignore[method-assign]
    stage = Stage(Database("app", order.conninfo), order.file)
    for command in order.commands:
        try:
            _carry_out(stage, command, order, listen)
        except EcluseError as error:
            os.write(2, f"{command}: {error.code} {error}: {error.details}\n".encode())
            os._exit(error.exit_status)
    if answer is not None:
        answer.send((records.value, statements.value))


def _carry_out(stage: Stage, command: str, order: Order, listen: Any) -> None:
    if command == "finish":
        stage.finish(order.folder, listen)
    else:
        getattr(stage, command)(listen)
