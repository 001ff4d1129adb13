"""One contender, one pair of tables: how long for equal ones, and what it says of those with faults."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.verify import peers
from benchmarks.verify.client import Ran
from benchmarks.verify.ground import Ground, Where
from benchmarks.verify.tables import DUPLICATE, SHAPES
from ecluse.redaction import redact

LOOSE = peers.Tables("loose_first", "loose_second", "number", {"number": "integer", "word": "text"})


@dataclass(slots=True)
class Result:
    """What was measured. Seconds and bytes are of the equal tables; `cannot` holds why there is nothing.

    `missed` and `alarms` are names of faults and keys of rows; `faults` is how many were planted, 0 where none were.
    """

    contender: str
    rows: int
    columns: int
    seconds: float = 0.0
    clients: float = 0.0  # seconds of processor of the program
    servers: float = 0.0  # and of the server
    memory: int = 0
    passed: int = 0
    faulted: float = 0.0  # seconds for the tables with faults
    faults: int = 0
    missed: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    said: str = ""  # an error that it told and did not end with
    cannot: str = ""


class Failed(Exception):
    """A contender did not do it; says why."""


def measure(ground: Ground, where: Where, name: str, rows: int, width: int, *, limit: float, plant: bool) -> Result:
    """Everything of one contender; `limit` is in seconds and for each of its programs."""
    found = Result(name, rows, width)
    time.sleep(1)  # until what was prepared has been counted, and is not counted for the one that comes first
    if not peers.installed(name):
        found.cannot = peers.failure(name)
        return found
    chosen, shape = peers.CONTENDERS[name], SHAPES[width]
    tables = peers.Tables("first", "second", "id", {column: kind for column, kind, _ in shape.columns})
    found.left_out = [column for column, kind in tables.columns.items() if kind in chosen.cannot]
    with tempfile.TemporaryDirectory() as folder:
        chosen.before(where, Path(folder))
        try:
            _equal(found, ground, where, tables, Path(folder), limit)
            if plant:
                _faulted(found, ground, where, tables, Path(folder), limit)
        except Failed as error:
            found.cannot = str(error)
    return found


def _equal(found: Result, ground: Ground, where: Where, tables: peers.Tables, folder: Path, limit: float) -> None:
    passed, cpu = ground.relay.passed, ground.server.cpu()
    ran = peers.compare(found.contender, where, tables, folder, limit)
    found.seconds, found.clients, found.memory = ran.seconds, ran.cpu, ran.memory
    time.sleep(0.3)  # until the last of its server processes has been counted
    found.passed, found.servers = ground.relay.passed - passed, ground.server.cpu() - cpu
    found.alarms += sorted(_keys(found.contender, ran, limit))


def _faulted(found: Result, ground: Ground, where: Where, tables: peers.Tables, folder: Path, limit: float) -> None:
    shape = SHAPES[found.columns]
    faults = shape.faults(found.rows)
    ground.plant(where, faults)
    try:
        ran = peers.compare(found.contender, where, tables, folder, limit)
        loose = peers.compare(found.contender, where, LOOSE, folder, limit)
    finally:
        ground.mend(where, shape, faults)
    found.faulted, found.faults = ran.seconds, len(faults) + 1
    keys = _keys(found.contender, ran, limit)
    found.said = next((line for line in ran.err.splitlines() if "ERROR" in line), "")[:160]
    wrong = {str(fault.key) for fault in faults if not fault.equal}
    found.missed = [fault.name for fault in faults if (str(fault.key) in keys) is fault.equal]
    found.alarms += sorted(keys - wrong)
    try:
        duplicate = bool(_keys(found.contender, loose, limit))
    except Failed:
        duplicate = False
    found.missed += [] if duplicate else [DUPLICATE]


def _keys(name: str, ran: Ran, limit: float) -> set[str]:
    chosen = peers.CONTENDERS[name]
    if ran.status is None:
        raise Failed(f"more than {limit:,.0f} s")
    if ran.status not in chosen.statuses:
        lines = [line.strip() for line in (ran.err or ran.out).splitlines() if line.strip()]
        errors = [line for line in lines if "rror" in line and "File " not in line]
        raise Failed(redact((errors or lines)[0])[:200] if lines else f"exit status {ran.status}")
    try:
        return chosen.read(ran.out)
    except (ValueError, KeyError) as error:
        raise Failed(f"what it says cannot be read: {error!r}") from None
