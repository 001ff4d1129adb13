"""One program, run to its end or to a limit: what it said, how long it took, and how much its processes held."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import environment

_TICK = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Ran:
    """Seconds, bytes. `status` is None for a program that was ended at the limit."""

    status: int | None
    out: str
    err: str
    seconds: float
    cpu: float
    memory: int


def run(words: Sequence[str], limit: float, env: Mapping[str, str] | None = None) -> Ran:
    """Start a program in a session of its own, and end all of that at the limit."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        before, began = _cpu(), time.monotonic()
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment(**(env or {})),
            start_new_session=True,
        )
        watch = _Memory(process.pid)
        status: int | None = None
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds, memory = time.monotonic() - began, watch.stop()
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read())
    return Ran(status, said[0], said[1], seconds, _cpu() - before, memory)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Memory:
    """Samples the resident memory of a process and of all that it started; knows the most that it saw."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(_TICK):
            self._most = max(self._most, sum(map(_resident, _tree(self._pid))))

    def stop(self) -> int:
        """Bytes."""
        self._stop.set()
        self._thread.join()
        return self._most


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path("/proc", str(parent), "task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path("/proc", str(pid), "statm").read_text().split()[1]) * _PAGE
    return 0
