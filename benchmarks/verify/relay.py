"""A relay in front of the server that counts what passes: a port for the client, the server's socket behind it."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import threading
from pathlib import Path
from typing import Any

_PIECE = 1 << 18


class Relay:
    """Runs in a process of its own, so that it takes no time of whoever measures."""

    def __init__(self, to: Path) -> None:
        context = multiprocessing.get_context("fork")
        self._passed = context.Value("Q", 0)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._process = context.Process(target=_serve, args=(listener, to, self._passed), daemon=True)
        self._process.start()
        listener.close()

    @property
    def passed(self) -> int:
        """Bytes so far, both ways."""
        return int(self._passed.value)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()


def _serve(listener: socket.socket, to: Path, passed: Any) -> None:
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(to))
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=(one, other, passed), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket, passed: Any) -> None:
    """Hand on until either side has gone; then the other hears of it too."""
    with contextlib.suppress(OSError):
        while piece := one.recv(_PIECE):
            other.sendall(piece)
            with passed.get_lock():
                passed.value += len(piece)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
