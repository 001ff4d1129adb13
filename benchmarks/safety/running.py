"""A program from its start to its end, or to `kill -9` of it and all that it started, as when its machine is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.ground import Connection, connect
from benchmarks.safety.contenders import Command, Contender
from benchmarks.safety.ground import Scene
from benchmarks.safety.hazards import Kill
from benchmarks.safety.judge import Ended
from benchmarks.safety.tables import KEEPER

_PATIENCE = 150.0

_AT_WORK = f"SELECT 1 FROM pg_stat_activity WHERE usename = '{KEEPER}' AND datname = current_database()"
_CHANGES = f"{_AT_WORK} AND state <> 'idle' AND query ~ %s"
_HOLDS = """
 AND EXISTS (SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_stat_activity.pid AND l.mode = 'AccessExclusiveLock' AND l.granted
    AND c.relnamespace = 'public'::regnamespace AND c.relname = 'conversations')
"""


class Missed(Exception):
    """The program ended before it could be killed, after so many `seconds` of work."""

    def __init__(self, said: str, seconds: float = 0.0) -> None:
        super().__init__(said)
        self.seconds = seconds


@dataclass(slots=True)
class Ran:
    """How it ended, and how long it was at work in the database, in seconds."""

    ended: Ended
    seconds: float


def run(contender: Contender, scene: Scene, kill: Kill = None, seconds: float = 0.0, *, resumed: bool = False) -> Ran:
    """Start it and wait for its end. `kill`: when it is killed instead; of `seconds`, where it is a share.

    Raises Missed where it ended before.
    """
    command = contender.command(scene)
    with tempfile.TemporaryFile("w+", errors="replace") as complaints, connect(_where(contender, scene)) as conn:
        process = _start(command, contender.resume if resumed else (), complaints.fileno())
        try:
            began = _await(conn, process, _AT_WORK)
            if kill is not None:
                if kill == "switch":
                    holds = "" if contender.copies else _HOLDS
                    _await(conn, process, _CHANGES + holds, contender.switch)
                else:
                    time.sleep(max(0.0, began + kill * seconds - time.monotonic()))
                _kill(process)
            status = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            return Ran(Ended(-1, f"did not end in {_PATIENCE:.0f} s"), _PATIENCE)
        finally:
            # Whatever it started and left behind goes as well.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        complaints.seek(0)
        said = complaints.read()
    seconds = time.monotonic() - began
    if kill is None:
        return Ran(contender.complaint(status, said), seconds)
    if status != -signal.SIGKILL:
        raise Missed(said, seconds)
    _rest(scene)
    return Ran(Ended(status, "killed"), seconds)


def _where(contender: Contender, scene: Scene) -> str:
    """The database that the program changes, for a superuser."""
    return scene.elsewhere_admin if contender.copies else scene.admin


def _start(command: Command, further: Sequence[str], complaints: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command.words, *further],
        env=command.env,
        stdin=subprocess.DEVNULL,
        stdout=complaints,
        stderr=complaints,
        start_new_session=True,
    )


def _await(conn: Connection, process: subprocess.Popen[bytes], question: str, *values: str) -> float:
    """Ask again and again until there is an answer or the program has ended; gives when that was."""
    deadline = time.monotonic() + _PATIENCE
    query = question.encode()
    while process.poll() is None and time.monotonic() < deadline:
        if conn.execute(query, values or None).fetchone():
            break
    return time.monotonic()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:  # its number may be another's else
        os.killpg(process.pid, signal.SIGKILL)


def _rest(scene: Scene) -> None:
    """Wait until the server has seen that the program is gone; whoever starts it again takes longer than that."""
    deadline = time.monotonic() + _PATIENCE
    for conninfo in (scene.admin, scene.elsewhere_admin):
        with connect(conninfo) as conn:
            while conn.execute(_AT_WORK.encode()).fetchone() and time.monotonic() < deadline:
                time.sleep(0.02)
