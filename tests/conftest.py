"""Real servers for tests: one of each major version for a session (and a worker of xdist), a fresh database a test.

`database` is on the newest embedded PostgreSQL, or on that of ECLUSE_TEST_MAJOR; `any_server_database` runs the test
once on each version there is. ECLUSE_TEST_BIN_DIRS names the programs of further servers, separated by colons.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.model.names import ident
from ecluse.postgres.binaries import DEFAULT_VERSION, bin_dir, installed_bin_dirs, major_version
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
}
OLDEST = 14
MAJOR = int(os.environ.get("ECLUSE_TEST_MAJOR", DEFAULT_VERSION))


def _programs() -> dict[int, Path]:
    """The servers by major version: those of the system, those that the environment names, the embedded ones."""
    named = [Path(folder) for folder in os.environ.get("ECLUSE_TEST_BIN_DIRS", "").split(":") if folder]
    embedded = {16: bin_dir(16), 18: bin_dir(18)}
    return installed_bin_dirs() | {major_version(folder): folder for folder in named} | embedded


PROGRAMS = _programs()
MAJORS = sorted((major for major in PROGRAMS if major >= OLDEST), reverse=True)

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A short folder that the server's user can enter; pytest's own is closed to others when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="ecluse-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(open_folder: Path) -> Iterator[Callable[[int], EmbeddedServer]]:
    """Gives the running server of a major version; it starts at its first use."""
    running: dict[int, EmbeddedServer] = {}

    def get(major: int) -> EmbeddedServer:
        if major not in running:
            running[major] = EmbeddedServer(open_folder / f"pg{major}", PROGRAMS[major], FAST)
            running[major].start()
        return running[major]

    yield get
    for server in running.values():
        server.stop("immediate")


@pytest.fixture(scope="session")
def server(servers: Callable[[int], EmbeddedServer]) -> EmbeddedServer:
    """The newest embedded server, or that of ECLUSE_TEST_MAJOR."""
    return servers(MAJOR)


def _fresh(server: EmbeddedServer) -> Iterator[Database]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    conninfo = server.create_database(name)
    yield Database(name="app", conninfo=conninfo, label=f"'app' (PostgreSQL {server.version}, {name})")
    if server.is_running():
        with psycopg.connect(server.conninfo(), autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {ident(name)} WITH (FORCE)".encode())


@pytest.fixture
def database(server: EmbeddedServer) -> Iterator[Database]:
    """A fresh database on `server`."""
    yield from _fresh(server)


@pytest.fixture
def second_database(server: EmbeddedServer) -> Iterator[Database]:
    """Another one beside it, for what goes from one database to another."""
    yield from _fresh(server)


@pytest.fixture
def fresh_database(server: EmbeddedServer) -> Iterator[Callable[[], Database]]:
    """Gives as many more databases as a test wants, on `server`."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(contextlib.contextmanager(_fresh)(server))


@pytest.fixture(params=MAJORS, ids=lambda major: f"pg{major}")
def any_server(request: pytest.FixtureRequest, servers: Callable[[int], EmbeddedServer]) -> EmbeddedServer:
    """Each server that there is and that is not too old."""
    major: int = request.param
    return servers(major)


@pytest.fixture
def any_server_database(any_server: EmbeddedServer) -> Iterator[Database]:
    """A fresh database on each server that there is."""
    yield from _fresh(any_server)
