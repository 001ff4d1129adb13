"""Throw-away servers and databases leave nothing; programs are run without a password among their arguments."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import EmbeddedServerFailed, MissingProgram, MissingRights, ProgramFailed
from ecluse.postgres.binaries import bin_dir, client_programs, installed_bin_dirs, nearest_server
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.dump import run_program
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.postgres.stalls import Stalls
from ecluse.postgres.throwaway import PREFIX, sweep, throwaway_database, throwaway_server

_FAST = {"fsync": "off"}
_ABANDON = """
import os, sys
from pathlib import Path
from ecluse.postgres.binaries import nearest_server
from ecluse.postgres.throwaway import throwaway_server
with throwaway_server(Path(sys.argv[1]), nearest_server(18), {"fsync": "off"}) as server:
    os._exit(9)
"""


def _databases(database: Database) -> set[str]:
    with open_session(database) as conn:
        return {row[0] for row in conn.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}%"])}


def test_a_throwaway_server_is_gone_afterwards_and_so_is_one_whose_process_was_killed(open_folder: Path) -> None:
    project = open_folder / "throwaway"
    project.mkdir()
    subprocess.run([sys.executable, "-c", _ABANDON, str(project)], check=False, env=os.environ)
    above = project / ".ecluse" / "throwaway"
    (left,) = above.iterdir()
    sweep(above)
    assert left.exists()  # young: somebody may be making it
    before = time.time() - 100
    os.utime(left, (before, before))
    with throwaway_server(project, nearest_server(18), _FAST) as server:
        assert not left.exists()
        with psycopg.connect(server.conninfo()) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
        home = server.home
        os.utime(home, (before, before))
        sweep(above)
        assert home.exists()
    assert not list(above.iterdir())


def test_a_throwaway_database_is_dropped_and_so_is_one_that_was_left(database: Database) -> None:
    with open_session(database) as conn:
        conn.execute(f"CREATE DATABASE {PREFIX}left".encode())
    with throwaway_database(database) as one:
        assert PREFIX + "left" not in _databases(database)
        with throwaway_database(one) as other, open_session(other) as conn:  # beside another: in use, and not dropped
            conn.execute("CREATE TABLE public.t ()")
            assert {one.name, other.name} <= _databases(database)
    assert not _databases(database)


def test_a_role_without_the_right_to_make_databases_is_told(database: Database) -> None:
    with open_session(database) as conn:
        conn.execute("CREATE ROLE modest LOGIN")
    try:
        modest = Database("app", database.conninfo + " user=modest")
        with pytest.raises(MissingRights, match="may not create databases"), throwaway_database(modest):
            pass
    finally:
        with open_session(database) as conn:
            conn.execute("DROP ROLE modest")


def test_a_program_is_given_no_password_and_repeats_no_value(database: Database, tmp_path: Path) -> None:
    secret = "hush: it's \\ secret"
    known = Database("app", psycopg.conninfo.make_conninfo(database.conninfo, password=secret))
    seen: list[str] = []

    def look(process: subprocess.Popen[str]) -> None:
        folder = Path("/proc") / str(process.pid)
        while not (arguments := (folder / "cmdline").read_text()):  # the kernel fills it in a moment after the start
            time.sleep(0.001)
        seen.append(arguments + (folder / "environ").read_text())

    folder = client_programs(18)
    run_program(folder, "pg_dump", ["--schema-only", "-f", str(tmp_path / "out")], known, running=look)
    assert (tmp_path / "out").read_text().startswith("--")
    assert "pg_dump" in seen[0] and "hush" not in seen[0]

    script = tmp_path / "bad.sql"
    script.write_text("CREATE TABLE t (n integer);\nCOPY t FROM stdin;\nprivate-word\n\\.\n")
    with pytest.raises(ProgramFailed) as failed:
        run_program(folder, "psql", ["-v", "ON_ERROR_STOP=1", "-f", str(script)], known)
    assert "invalid input syntax for type integer" in failed.value.details
    assert "private-word" not in str(failed.value.as_dict())


def test_a_server_that_is_newer_than_every_pg_dump_is_told() -> None:
    with pytest.raises(MissingProgram, match="PostgreSQL 99"):
        client_programs(99)


def test_the_nearest_server_has_the_extensions_where_one_has() -> None:
    assert nearest_server(18) == nearest_server(19) == nearest_server(18, ["plpgsql"]) == bin_dir(18)
    assert nearest_server(16) == bin_dir(16)
    assert nearest_server(18, ["of_nobody"]) == bin_dir(18)
    with pytest.raises(EmbeddedServerFailed, match="99 or newer"):
        nearest_server(18, oldest=99)
    with_contrib = [folder for folder in installed_bin_dirs().values() if (folder / "vacuumlo").exists()]
    if with_contrib:  # it comes with the extensions
        assert nearest_server(18, ["pgcrypto"]) in with_contrib


def test_who_waits_for_a_lock_of_ours_is_seen(database: Database) -> None:
    with open_session(database) as conn:
        conn.execute("CREATE TABLE public.busy ()")
    with Stalls(database) as stalls, psycopg.connect(database.conninfo) as other:
        with open_session(database, role="switch") as ours, ours.transaction():
            ours.execute("LOCK TABLE public.busy")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("SET lock_timeout = '300ms'; SELECT FROM busy")
        other.rollback()
        with psycopg.connect(database.conninfo) as third, third.transaction():  # not ours: no concern of ours
            third.execute("LOCK TABLE busy")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("SET lock_timeout = '100ms'; SELECT FROM busy")
    assert stalls.complete and stalls.waits == 1
    assert 0.05 < stalls.longest < 5.0


def test_a_watch_that_cannot_look_says_so(server: EmbeddedServer) -> None:
    with Stalls(Database("gone", server.conninfo("no_such_database"))) as stalls:
        pass
    assert not stalls.complete
