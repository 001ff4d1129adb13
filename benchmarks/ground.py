"""The server of a benchmark, and what is asked of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from ecluse.model.names import ident, literal
from ecluse.postgres.binaries import bin_dir
from ecluse.postgres.embedded import EmbeddedServer

Connection = psycopg.Connection[Any]


class Server:
    """The server of a benchmark, with the product's own settings and perhaps others, and its databases."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._server = EmbeddedServer(folder, bin_dir(), settings)
        self._server.start()

    def close(self) -> None:
        """Stop the server."""
        self._server.stop()

    def session(self, database: str = "postgres") -> Connection:
        """A plain session, as any client would open it."""
        return connect(self._server.conninfo(database))

    def create(self, name: str) -> str:
        """Make a database where there is none of that name; gives its connection string."""
        self._server.create_database(name)
        return self._server.conninfo(name)

    def fresh(self, template: str, name: str = "bench") -> str:
        """A copy of the template, everything on disk; gives its connection string."""
        with self.session() as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE)".encode())
            copied = f"CREATE DATABASE {ident(name)} TEMPLATE {ident(template)} STRATEGY FILE_COPY"
            conn.execute(copied.encode())
            conn.execute("CHECKPOINT")
        return self._server.conninfo(name)

    def drop(self, name: str) -> None:
        """Give the space back."""
        with self.session() as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE)".encode())

    def cpu(self) -> float:
        """Seconds of processor that the ended processes of the server took; 0 where the system does not tell."""
        return server_cpu(self._server)

    def commit(self) -> str:
        """The median time of a small commit: what a loop waits for, and every write."""
        with self.session() as conn:
            conn.execute("CREATE TABLE IF NOT EXISTS tock (at timestamptz)")
            found = median_time(lambda: conn.execute("INSERT INTO tock VALUES (now())"))
            conn.execute("DROP TABLE tock")
        return f"{found * 1000:.1f} ms"

    def settings(self) -> dict[str, str]:
        """What the figures depend on."""
        with self.session() as conn:
            return settings_of(conn)


def settings_of(conn: Connection) -> dict[str, str]:
    """What the figures depend on, of the server of this session."""
    names = (
        "server_version",
        "fsync",
        "synchronous_commit",
        "shared_buffers",
        "max_wal_size",
        "wal_level",
        "autovacuum",
    )
    answer = conn.execute("SELECT " + ", ".join(f"current_setting({literal(n)})" for n in names)).fetchone()
    return dict(zip(names, answer or (), strict=True))


def server_cpu(server: EmbeddedServer) -> float:
    """Seconds of processor that the ended processes of a server took; 0 where the system does not tell."""
    pid = (server.data_dir / "postmaster.pid").read_text().partition("\n")[0]
    times = Path("/proc", pid, "stat")
    if not times.exists():
        return 0.0
    fields = times.read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def median_time(work: Callable[[], object]) -> float:
    """Seconds that something small takes, the median of a hundred times."""
    seconds = []
    for _ in range(100):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def connect(conninfo: str) -> Connection:
    """A session in autocommit that prepares nothing, so that it outlives a change of types."""
    return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
