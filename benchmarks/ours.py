"""Écluse, as its commands run it: plan, apply with its proof, switch; and, timed apart, the way back."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.cases.case import Case
from benchmarks.ground import connect
from ecluse.engine.context import Options
from ecluse.engine.planner import make_plan
from ecluse.engine.runner import Engine
from ecluse.model.report import Event
from ecluse.operations.file import parse_migration
from ecluse.postgres.connect import Database


def ecluse(case: Case, conninfo: str, notes: dict[str, float], workers: int = 2) -> None:
    """Plan (noted apart), apply, switch."""
    stages: dict[str, float] = {}

    def listen(event: Event) -> None:
        if event.kind == "done" and event.seconds is not None:
            stages[f"stage {event.step}"] = event.seconds

    database = Database("bench", conninfo)
    began = time.monotonic()
    plan = make_plan(database, parse_migration(case.migration, f"{case.name}.toml", _no_files))
    notes["plan"] = time.monotonic() - began
    engine = Engine(database, Options(workers=workers), listen)
    began = time.monotonic()
    engine.apply(plan)
    notes["apply"] = time.monotonic() - began
    began = time.monotonic()
    notes["under lock"] = engine.switch(case.name)
    notes["switch"] = time.monotonic() - began
    notes |= stages | _statements(conninfo)


def _statements(conninfo: str) -> dict[str, float]:
    """Seconds that the recorded steps took, and those of all chunks together, from the journal."""
    with connect(conninfo) as conn:
        steps = conn.execute("SELECT name, seconds FROM ecluse.step WHERE seconds > 0.01").fetchall()
        chunks = conn.execute("SELECT flow, sum(ms) / 1000, count(*) FROM ecluse.chunk GROUP BY 1").fetchall()
    found = {f"step {name}": float(seconds) for name, seconds in steps}
    return found | {f"chunks {flow} ({n})": float(seconds) for flow, seconds, n in chunks}


def go_back(case: Case, conninfo: str) -> dict[str, float]:
    """Roll the switched migration back, with what was written since."""
    began = time.monotonic()
    held = Engine(Database("bench", conninfo)).rollback(case.name)
    return {"rollback": time.monotonic() - began, "rollback under lock": held}


def _no_files(name: str) -> str:
    raise FileNotFoundError(2, "No such file", str(Path(name)))
