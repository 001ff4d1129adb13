"""One contender, two servers, one measurement, and the proof that it did the work."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field

import psycopg

from benchmarks.move import ours
from benchmarks.move.ground import Content, Ends, TwoServers, content
from benchmarks.move.peers import PEERS
from benchmarks.programs import ProgramFailed

CONTENDERS = ("floor", "directory", "script", "pgcopydb", "ecluse")


@dataclass(slots=True)
class Result:
    """What was measured. Seconds, bytes; `cannot` holds why a contender did not do it."""

    contender: str
    rows: int
    seconds: float = 0.0
    servers: float = 0.0  # seconds of processor of both servers
    clients: float = 0.0  # and of all programs in between
    wal: int = 0  # where the tables arrive
    memory: int = 0
    notes: dict[str, float] = field(default_factory=dict)
    cannot: str = ""


def measure(ground: TwoServers, template: str, contender: str, rows: int, wanted: Content) -> Result:
    """Let a contender move both tables, and compare what arrived with what is wanted."""
    ends = ground.fresh(template)
    wal, cpu, clients = ground.wal(), ground.cpu(), _clients()
    found = Result(contender, rows)
    began = time.monotonic()
    try:
        found.notes = _work(contender, ends)
    except ProgramFailed as error:
        found.cannot = str(error)
        return found
    # The plan is made in the daytime, with the application in place; it is reported, and not counted.
    found.seconds = time.monotonic() - began - found.notes.get("plan", 0.0)
    found.clients = _clients() - clients
    found.wal = ground.wal() - wal
    time.sleep(0.3)  # until the last of the server processes has been counted
    found.servers = ground.cpu() - cpu
    found.memory = int(found.notes.pop("memory", 0.0))
    found.cannot = _difference(ends, wanted)
    return found


def _difference(ends: Ends, wanted: Content) -> str:
    try:
        arrived = content(ends.arrives)
    except psycopg.Error as error:
        return f"what arrived cannot be read: {error.diag.message_primary}"
    differs = [what for what, value in wanted.items() if arrived[what] != value]
    return f"what arrived differs: {', '.join(differs)}" if differs else ""


def _work(contender: str, ends: Ends) -> dict[str, float]:
    return ours.ecluse(ends) if contender == "ecluse" else PEERS[contender](ends)


def _clients() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
