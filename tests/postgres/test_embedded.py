"""The embedded server: starting, sharing, and what is left after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import EmbeddedServerFailed
from ecluse.postgres.binaries import bin_dir, major_version
from ecluse.postgres.embedded import EmbeddedServer, server_for
from tests.conftest import FAST, PROGRAMS

USER = """
import sys
from pathlib import Path
from ecluse.postgres.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), Path(sys.argv[2]), {"fsync": "off", "shared_buffers": "16MB"})
server.start()
print("started", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def home(open_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    folder = open_folder / f"own{abs(hash(request.node.nodeid))}" / ".ecluse" / "pg18"
    yield folder
    EmbeddedServer(folder, bin_dir()).stop("immediate")


@pytest.fixture
def new_user(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that uses the server until its standard input is closed."""
    processes: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", USER, str(home), str(bin_dir())]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def _started(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"


def _leave(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


def _handle(home: Path) -> EmbeddedServer:
    return EmbeddedServer(home, bin_dir(), FAST)


def test_starts_creates_a_database_and_stops(home: Path) -> None:
    with _handle(home) as server:
        assert server.is_running()
        conninfo = server.create_database("Shop; --")
        assert server.create_database("Shop; --") == conninfo
        with psycopg.connect(conninfo) as conn:
            row = conn.execute("SELECT current_database(), current_setting('wal_level'), lower('É')").fetchone()
            assert row == ("Shop; --", "logical", "é")
    assert not server.is_running()


def test_each_version_is_the_one_it_says(any_server: EmbeddedServer) -> None:
    with psycopg.connect(any_server.conninfo()) as conn:
        assert conn.info.server_version // 10000 == any_server.version


def test_the_settings_are_the_safe_ones(home: Path) -> None:
    server = EmbeddedServer(home, bin_dir())
    with server, psycopg.connect(server.conninfo()) as conn:
        for name, value in {
            "fsync": "on",
            "autovacuum": "on",
            "max_prepared_transactions": "5",
            "TimeZone": "UTC",
            "listen_addresses": "",
        }.items():
            assert conn.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)


def test_a_crash_keeps_what_was_committed(home: Path) -> None:
    server = EmbeddedServer(home, bin_dir())
    server.start()
    with psycopg.connect(server.conninfo()) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS a")
    server.crash()
    assert not server.is_running()
    server.start()
    with psycopg.connect(server.conninfo()) as conn:
        assert conn.execute("SELECT a FROM kept").fetchone() == (1,)
    server.release()
    server.release()
    assert not server.is_running()


def test_a_killed_postmaster_is_started_again(home: Path) -> None:
    server = _handle(home)
    server.start()
    os.kill(int((server.data_dir / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    time.sleep(0.5)
    server.start()
    assert server.is_running()
    server.release()


def test_two_processes_share_and_the_last_one_stops_it(
    home: Path, new_user: Callable[[], subprocess.Popen[str]]
) -> None:
    first, second = new_user(), new_user()  # both try to create the cluster at once
    _started(first)
    _started(second)
    _leave(first)
    assert _handle(home).is_running()
    _leave(second)
    assert not _handle(home).is_running()


def test_a_killed_owner_is_forgotten(home: Path, new_user: Callable[[], subprocess.Popen[str]]) -> None:
    owner = new_user()
    _started(owner)
    owner.kill()
    owner.wait()
    assert _handle(home).is_running()
    heir = new_user()
    _started(heir)
    _leave(heir)
    assert not _handle(home).is_running()


def test_an_owner_killed_while_it_creates_the_cluster(
    home: Path, new_user: Callable[[], subprocess.Popen[str]]
) -> None:
    owner = new_user()
    deadline = time.monotonic() + 30
    while not list(home.glob("data.new.*/base")) and time.monotonic() < deadline:
        time.sleep(0.005)
    owner.kill()
    owner.wait()
    with _handle(home) as server, psycopg.connect(server.conninfo()) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_threads_and_handles_of_one_process(home: Path) -> None:
    shared = _handle(home)
    handles = [shared, shared, _handle(home), _handle(home)]
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda handle: handle.start(), handles))) == 1
        assert len(set(pool.map(lambda _: shared.create_database("same"), range(4)))) == 1
    shared.release()
    handles[2].release()
    assert shared.is_running()
    handles[3].release()
    assert not shared.is_running()


def test_a_fork_does_not_take_the_server_away(home: Path) -> None:
    with _handle(home) as server:
        child = os.fork()
        if child == 0:
            server.release()
            os._exit(0)
        os.waitpid(child, 0)
        assert server.is_running()


def test_a_long_path_gets_a_socket_in_tmp(open_folder: Path) -> None:
    home = open_folder / ("long" * 25) / "pg18"
    with EmbeddedServer(home, bin_dir(), FAST) as server:
        assert server.socket_dir.parent == Path("/tmp")
        with psycopg.connect(server.conninfo()) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    server.socket_dir.rmdir()


def test_a_path_with_a_quote_and_a_space(open_folder: Path) -> None:
    with EmbeddedServer(open_folder / "it's a place" / "pg18", bin_dir(), FAST) as server:
        assert server.create_database("x")


def test_a_failed_start_shows_the_log(home: Path) -> None:
    server = EmbeddedServer(home, bin_dir(), FAST | {"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedServerFailed) as error:
        server.start()
    assert "shared_buffers" in error.value.details
    assert str(server.log_path) in error.value.hint


def test_the_programs_of_the_system_can_be_used(tmp_path: Path) -> None:
    for major, programs in PROGRAMS.items():
        handle = server_for(tmp_path, programs=programs)
        assert (handle.version, handle.home.name) == (major, f"pg{major}")
    assert major_version(bin_dir(16)) == 16
    assert (bin_dir() / "pg_dump").exists() and (bin_dir() / "psql").exists()
    with pytest.raises(EmbeddedServerFailed, match="no embedded PostgreSQL 12"):
        bin_dir(12)
    with pytest.raises(EmbeddedServerFailed, match="no working PostgreSQL"):
        major_version(tmp_path)


def test_a_user_that_is_not_root(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("all other tests ran as a user already")
    home = open_folder / "user"
    home.mkdir()
    os.chown(home, 65534, 65534)
    child = os.fork()  # and not a new interpreter, which may lie where only root can go
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        with EmbeddedServer(home / "pg18", bin_dir(), FAST) as server:
            running = server.is_running()
        os._exit(0 if running and not server.is_running() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (home / "pg18" / "data").stat().st_uid == 65534
