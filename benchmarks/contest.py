"""One contender, one database, one measurement."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

import psycopg

from benchmarks import ours
from benchmarks.cases.case import Case
from benchmarks.ground import connect
from benchmarks.load import Felt, Load
from benchmarks.templates import Templates
from benchmarks.watch import LockWatch, size, wal_position
from ecluse.errors import EcluseError


@dataclass(slots=True)
class Result:
    """What was measured. Seconds, bytes; `cannot` holds the error of a contender that did not do it."""

    contender: str
    rows: int
    loaded: bool
    seconds: float = 0.0
    wal: int = 0
    growth: int = 0
    locked: float = 0.0
    cpu: float = 0.0  # of the server, without the application's share
    memory: int = 0
    felt: Felt | None = None
    notes: dict[str, float] = field(default_factory=dict)
    cannot: str = ""


@dataclass(frozen=True, slots=True)
class _Done:
    seconds: float
    memory: int
    notes: dict[str, float]
    cannot: str = ""


def measure(ground: Templates, template: str, contender: str, rows: int, *, loaded: bool, settle: float) -> Result:
    """Let a contender work on a fresh copy, in a process of its own, with the application running or not."""
    conninfo = ground.fresh(template)
    load = Load(conninfo, ground.case.application) if loaded else None
    if load:
        time.sleep(settle)
    with connect(conninfo) as conn:
        wal, before, cpu = wal_position(conn), size(conn), ground.cpu()
        watch = LockWatch(conninfo)
        done = _apart(ground.case, contender, conninfo)
        found = Result(contender, rows, loaded, done.seconds, locked=watch.stop(), memory=done.memory)
        found.wal, found.growth = wal_position(conn) - wal, size(conn) - before
        time.sleep(0.3)  # until the last of its server processes has been counted
        found.cpu = ground.cpu() - cpu
    found.notes, found.cannot = done.notes, done.cannot
    if load:
        time.sleep(settle)
        found.felt = load.stop()
    if contender == "ecluse" and not found.cannot:
        found.notes |= ours.go_back(ground.case, conninfo)
    return found


def quiet(ground: Templates, template: str, rows: int, seconds: float) -> Result:
    """The application alone, for comparison."""
    load = Load(ground.fresh(template), ground.case.application)
    time.sleep(seconds)
    return Result("nothing", rows, True, felt=load.stop())


def _apart(case: Case, contender: str, conninfo: str) -> _Done:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_work, args=(case, contender, conninfo, theirs))
    process.start()
    done: _Done = mine.recv()
    process.join()
    return done


def _work(case: Case, contender: str, conninfo: str, pipe: Pipe) -> None:
    notes: dict[str, float] = {}
    cannot = ""
    began = time.monotonic()
    try:
        if contender == "ecluse":
            ours.ecluse(case, conninfo, notes)
        else:
            notes |= case.peers[contender].work(conninfo)
    except (psycopg.Error, EcluseError) as error:
        traceback.print_exc(file=sys.stderr)
        cannot = str(error).strip().splitlines()[0]
    # The plan is made in the daytime, with the application in place; it is reported, and not counted.
    seconds = time.monotonic() - began - notes.get("plan", 0.0)
    pipe.send(_Done(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, notes, cannot))
