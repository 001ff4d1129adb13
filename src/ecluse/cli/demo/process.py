"""The applications of the demonstration as seen from outside: started, asked, ended."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import ecluse
from ecluse.cli.demo.application import VARIABLE
from ecluse.errors import OurBug

Report = dict[str, float]


class Application:
    """One running application."""

    def __init__(self, kind: str, conninfo: str) -> None:
        here = {VARIABLE: conninfo, "PYTHONPATH": str(Path(ecluse.__file__).parents[1])}
        self._kind = kind
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ecluse.cli.demo.application", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | here,
            # Ctrl-C is for us: the application is ended by us too.
            start_new_session=True,
        )

    def report(self) -> Report:
        """What it saw; its times are since the last report."""
        stdin = self._pipe(self._process.stdin)
        stdin.write("report\n")
        stdin.flush()
        return self._read()

    def end(self) -> Report:
        """End it, and hear its last report."""
        self._pipe(self._process.stdin).close()
        last = self._read()
        self._process.wait(timeout=10)
        return last

    def kill(self) -> None:
        """End it without a word, where it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _read(self) -> Report:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise OurBug(f"the {self._kind} application of the demonstration ended by itself")
        found: Report = json.loads(line)
        return found

    def _pipe(self, pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


@contextlib.contextmanager
def running(kind: str, conninfo: str) -> Iterator[Application]:
    """An application that does not outlive this block."""
    application = Application(kind, conninfo)
    try:
        yield application
    finally:
        application.kill()
