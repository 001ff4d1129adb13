"""Écluse, as a person runs it: a project, a migration file, `ecluse apply --switch`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from benchmarks.move.ground import TABLES, Ends
from benchmarks.move.programs import ProgramFailed, environment
from ecluse.operations.registry import OPERATIONS

_NAME = "leave"
NOT_THERE = "not there yet: the operation `move_table`"


def there() -> bool:
    """Whether this version can move a table to another server."""
    return "move_table" in OPERATIONS


def ecluse(ends: Ends) -> dict[str, float]:
    """Both tables in one migration, proof included, up to the moment when they are in use where they arrived.

    The notes tell each stage, `plan`: all until the run begins, and `memory`: the most that the process held, in bytes.
    """
    if not there():
        raise ProgramFailed(NOT_THERE)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as complaints:
        settings = _write_project(Path(folder), ends)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "ecluse", "apply", _NAME, "--switch", "--json", "--config", str(settings)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        assert process.stdout
        notes = _listen(process.stdout, process.pid, began)
        if process.wait() != 0:
            complaints.seek(0)
            said = complaints.read().strip().splitlines()
            raise ProgramFailed(f"ecluse: {said[0] if said else f'exit status {process.returncode}'}")
    return notes


def _listen(events: IO[str], pid: int, began: float) -> dict[str, float]:
    notes: dict[str, float] = {}
    for line in events:
        event = json.loads(line)
        notes.setdefault("plan", time.monotonic() - began)
        # The peak only rises, so what is read at the last line is the peak, but for the end of the process.
        notes["memory"] = max(notes.get("memory", 0.0), _peak(pid))
        if event["event"] == "done" and "seconds" in event:
            name = f"stage {event['step']}"
            notes[name] = notes.get(name, 0.0) + event["seconds"]
        if event["event"] == "result":
            notes["under lock"] = event.get("seconds_under_lock") or 0.0
    return notes


def _peak(pid: int) -> float:
    """The most memory that a process has held so far, in bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _write_project(folder: Path, ends: Ends) -> Path:
    """Two databases and a migration; gives the settings file."""
    settings, migrations = folder / "ecluse.toml", folder / "migrations"
    settings.write_text(f"[databases]\napp = {json.dumps(ends.leaves)}\nelsewhere = {json.dumps(ends.arrives)}\n")
    operations = "".join(
        f'\n[[operation]]\nkind = "move_table"\nfrom = "app"\ntable = "public.{table}"\n' for table in TABLES
    )
    migrations.mkdir()
    (migrations / f"{_NAME}.toml").write_text(f'name = "{_NAME}"\ndatabase = "elsewhere"\n{operations}')
    return settings
