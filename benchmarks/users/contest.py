"""One contender, one fresh database, one measurement, and whether what arrived is what it should be."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.ground import connect
from benchmarks.load import Felt, Load
from benchmarks.programs import ProgramFailed
from benchmarks.users import ours
from benchmarks.users.ground import Content, People, content
from benchmarks.users.peers import PEERS
from benchmarks.watch import LockWatch, wal_position

CONTENDERS = ("floor", "executemany", "unsynced", "loop", "ecluse")


@dataclass(slots=True)
class Result:
    """What was measured. Seconds, bytes; `cannot` holds why a contender did not do it."""

    contender: str
    rows: int  # users in the legacy table
    users: int  # those that the contender was given
    loaded: bool = False
    seconds: float = 0.0
    cpu: float = 0.0  # of the server
    wal: int = 0
    locked: float = 0.0  # the longest that a table of the application was locked from outside seen, ours only
    memory: int = 0
    felt: Felt | None = None
    notes: dict[str, float] = field(default_factory=dict)
    cannot: str = ""


def measure(
    ground: People, template: str, contender: str, rows: int, wanted: Content, *, settle: float | None = None
) -> Result:
    """Let a contender import the users; `settle`: while people sign in, from so many seconds before until after."""
    conninfo = ground.fresh(template)
    most = None if contender == "ecluse" else PEERS[contender][1]
    found = Result(contender, rows, min(rows, most or rows), settle is not None)
    load = Load(conninfo, ours.APPLICATION) if settle is not None else None
    time.sleep(settle or 0)
    try:
        with ours.project(conninfo) as settings, connect(conninfo) as conn:
            wal, cpu = wal_position(conn), ground.cpu()
            _time(found, conninfo, settings)
            found.wal = wal_position(conn) - wal
            time.sleep(0.3)  # until the last of its server processes has been counted
            found.cpu = ground.cpu() - cpu
            if load:
                time.sleep(settle or 0)
                found.felt = load.stop()
                load = None
            else:
                found.cannot = _difference(conninfo, found.users, wanted)
            if contender == "ecluse":
                _go_back(found, settings)
    except (ProgramFailed, psycopg.Error) as error:
        found.cannot = str(error).strip().splitlines()[0]
    if load:
        load.stop()
    return found


def _time(found: Result, conninfo: str, settings: Path) -> None:
    """Everything is counted, the plan as well: a script makes none, so it has none to make in the daytime."""
    watch = LockWatch(conninfo) if found.contender == "ecluse" else None
    began = time.monotonic()
    try:
        if found.contender == "ecluse":
            found.notes = ours.ecluse(settings)
        else:
            found.notes = PEERS[found.contender][0](conninfo, found.users)
    finally:
        found.seconds = time.monotonic() - began
        found.locked = watch.stop() if watch else 0.0
    found.memory = int(found.notes.pop("memory", 0.0))


def _difference(conninfo: str, users: int, wanted: Content) -> str:
    arrived = content(conninfo, users)
    return "" if arrived == wanted[users] else f"what arrived differs: {arrived} and not {wanted[users]}"


def _go_back(found: Result, settings: Path) -> None:
    began = time.monotonic()
    notes = ours.go_back(settings)
    found.notes["rollback"] = time.monotonic() - began
    found.notes["rollback under lock"] = notes["under lock"]
    found.memory = max(found.memory, int(notes["memory"]))
