"""`ecluse backup` as a process: what it says, and that nothing half done stays whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests.cli.conftest import Project, Result, await_answer, ended, load, write_project
from tests.conftest import FAST, MAJOR, PROGRAMS

HERE = ("--on", "app")


@pytest.fixture
def small(tmp_path: Path, database: Database) -> Project:
    """A project with few rows, and a view that pg_dump can be made to wait for."""
    return _small(tmp_path, database)


def _small(folder: Path, database: Database) -> Project:
    project = write_project(folder, database)
    load(project, 100)
    project.execute("CREATE VIEW held AS SELECT id FROM conversations")
    return project


def shelf(project: Project) -> Path:
    return project.folder / ".ecluse" / "backups" / "app"


def in_dump(project: Project, holder: psycopg.Connection[tuple[object, ...]]) -> subprocess.Popen[str]:
    """A backup whose pg_dump waits for the view, which `holder` is altering."""
    holder.execute("ALTER VIEW held SET (security_barrier = true)")
    process = project.start("backup", "--json", *HERE)
    await_answer(
        project,
        process,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'ecluse dump' AND wait_event_type = 'Lock'",
        True,
    )
    return process


def nothing_left(project: Project) -> None:
    assert not list(shelf(project).iterdir())
    assert project.run("backups", "--json").value["backups"] == []


def test_the_life_of_backups(small: Project) -> None:
    made = small.run("backup", "--json", *HERE)
    assert made.status == 0, made
    assert {"step", "progress", "done", "result"} == {event["event"] for event in made.events}
    steps = [event for event in made.events if event["event"] == "progress" and event["step"] == "dump"]
    assert steps and all(0 <= event["done"] <= event["total"] for event in steps)
    (first,) = made.events[-1]["backups"]
    assert first["verified"] and first["rows"] == 250 and Path(first["folder"]).parent == shelf(small)

    second = small.run("backup", "app", "--no-verify")
    assert second.status == 0 and "not verified: nobody has restored it yet" in second.out
    assert "write the dump: done in" in second.err
    listed = small.run("backups")
    assert listed.status == 0 and len(listed.out.splitlines()) == 3
    assert listed.out.splitlines()[1].split()[-2:] == ["no", "none"]

    asked = small.run("backups", "prune", "--keep", "0")
    assert asked.status == 1 and "ECL304" in asked.err
    pruned = small.run("backups", "prune", "--keep", "0", "--yes")
    assert pruned.status == 0 and pruned.out.count("removed:") == 1
    assert [Path(first["folder"])] == list(shelf(small).iterdir())

    dump = next(shelf(small).glob("*/dump/*.gz"))
    dump.write_bytes(dump.read_bytes()[:-1])
    assert f"damaged: dump/{dump.name}" in small.run("backups").out
    refused = small.run("backups", "verify", "latest", *HERE)
    assert (refused.status, f"dump/{dump.name}: it is cut off" in refused.err) == (3, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(small: Project, number: signal.Signals) -> None:
    with psycopg.connect(small.database.conninfo) as holder:
        process = in_dump(small, holder)
        process.send_signal(number)
        stopped = ended(process)
    assert (stopped.status, stopped.error["code"]) == (130, "ECL506")
    assert stopped.error["state"] == "no backup was kept; the database was only read"
    nothing_left(small)


def test_killed(small: Project) -> None:
    """What a killed backup leaves is never listed as one, is told, and goes with the next pruning."""
    with psycopg.connect(small.database.conninfo) as holder:
        process = in_dump(small, holder)
        assert small.run("backups", "--json").value["left"] == []  # somebody works on it
        process.kill()
        ended(process)
    (left,) = shelf(small).iterdir()
    found = small.run("backups")
    assert found.status == 0 and "There is no backup in" in found.out and str(left) in found.out
    assert small.run("backups", "prune", "--keep", "9").status == 0
    nothing_left(small)


def test_the_server_vanishes(open_folder: Path, tmp_path: Path) -> None:
    server = EmbeddedServer(open_folder / "vanishing", PROGRAMS[MAJOR], FAST)
    server.start()
    try:
        project = _small(tmp_path, Database("app", server.create_database("app")))
        holder: psycopg.Connection[tuple[object, ...]] = psycopg.connect(project.database.conninfo)
        process = in_dump(project, holder)
        server.crash()
        lost = ended(process)
        holder.close()
        assert (lost.status, lost.error["code"]) == (4, "ECL501"), lost
        assert lost.error["state"] == "no backup was kept; the database was only read"
        nothing_left(project)
        refused = project.run("backup")
        assert (refused.status, "ECL110" in refused.err) == (1, True)
    finally:
        server.stop("immediate")


def test_a_wrong_password(open_folder: Path, tmp_path: Path, server: EmbeddedServer) -> None:
    hba = server.data_dir / "pg_hba.conf"
    before = hba.read_text()
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("CREATE ROLE locked LOGIN PASSWORD 'open'")
        try:
            hba.write_text("local all locked scram-sha-256\n" + before)
            conn.execute("SELECT pg_reload_conf()")
            time.sleep(0.2)
            address = make_conninfo(server.conninfo(), user="locked", password="sesame")
            project = write_project(tmp_path, Database("app", address))
            refused = project.run("backup", "--json")
            assert (refused.status, refused.error["code"]) == (1, "ECL110")
            assert "the password" in refused.error["hint"] and "sesame" not in refused.err
            assert not (project.folder / ".ecluse" / "backups").exists()
        finally:
            hba.write_text(before)
            conn.execute("SELECT pg_reload_conf()")
            conn.execute("DROP ROLE locked")


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for half a megabyte."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = tmp_path / "narrow"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small: Project, narrow: Path) -> None:
    """What cannot be compressed does not fit, though the estimate had hope; the warning said so before."""
    small.execute(
        "CREATE TABLE random AS SELECT string_agg(md5(random()::text), '') AS t"
        " FROM generate_series(1, 60000) n GROUP BY n % 100"
    )
    full = small.run("backup", "--json", "--to", str(narrow), *HERE)
    _no_room(full, narrow)
    assert full.events[0]["event"] == "warn" and "the disk may become full" in full.events[0]["message"]
    small.execute("INSERT INTO random SELECT t || n FROM random, generate_series(1, 8) n")
    hopeless = small.run("backup", "--json", "--to", str(narrow), *HERE)
    _no_room(hopeless, narrow)
    assert hopeless.out == "" and "MB free" in hopeless.error["message"]


def _no_room(found: Result, folder: Path) -> None:
    assert (found.status, found.error["code"]) == (1, "ECL118"), found
    assert found.error["state"] == "no backup was kept; the database was only read"
    assert not list(folder.iterdir())
