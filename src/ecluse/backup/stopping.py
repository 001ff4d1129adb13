"""How a backup or a restore is stopped: its program ends, its proof ends, and nothing half done stays."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field

from ecluse.errors import Interrupted


@dataclass(slots=True)
class Stopping:
    """The wish to stop. `flag` is what the readers of the proof look at."""

    flag: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[str] | None = None

    def ask(self) -> None:
        """Stop; called from any thread, and again without harm."""
        self.flag.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()

    def running(self, process: subprocess.Popen[str]) -> None:
        """Remember the program that is to be ended."""
        self._process = process
        if self.flag.is_set():
            process.terminate()

    def check(self, state: str) -> None:
        """Raise Interrupted where a stop was asked for."""
        if self.flag.is_set():
            raise Interrupted("stopped on request", state=state)
