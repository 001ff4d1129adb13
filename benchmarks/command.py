"""`ecluse` as a person starts it, in a process of its own, listened to while it works."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from benchmarks.programs import ProgramFailed, environment


def run(settings: Path, *words: str) -> dict[str, float]:
    """One command to its end. Raises ProgramFailed.

    The notes tell each stage, `plan`: all until the run begins, `switch`: all after the proof, `under lock`, and
    `memory`: the most that the process held, in bytes.
    """
    with tempfile.TemporaryFile("w+") as complaints:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "ecluse", *words, "--json", "--yes", "--config", str(settings)],
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
    proved = 0.0
    for line in events:
        event = json.loads(line)
        notes.setdefault("plan", time.monotonic() - began)
        # The peak only rises, so what is read at the last line is the peak, but for the end of the process.
        notes["memory"] = max(notes.get("memory", 0.0), _peak(pid))
        if event["event"] == "done" and "seconds" in event:
            name = f"stage {event['step']}"
            notes[name] = notes.get(name, 0.0) + event["seconds"]
            proved = time.monotonic() if event["step"] == "verify" else proved
        if event["event"] == "result":
            notes["under lock"] = event.get("seconds_under_lock") or 0.0
            notes |= {"switch": time.monotonic() - proved} if proved else {}
    return notes


def _peak(pid: int) -> float:
    """The most memory that a process has held so far, in bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
