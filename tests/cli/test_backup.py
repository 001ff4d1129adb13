"""`ecluse backup` as a process: what it says, and that nothing half done stays whatever happens."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.backup.files import write_manifest
from ecluse.backup.shelf import look
from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests.cli.conftest import Project, Result, await_answer, ended, load, mounted, write_project
from tests.conftest import FAST, MAJOR, PROGRAMS

HERE = ("--on", "app")
DUMPING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ecluse dump'"
)


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
    # Told is now and then: which steps are among them is a matter of time.
    steps = [event for event in made.events if event["event"] == "progress"]
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
        for _ in range(100):  # its session, which waits for the view, is ended as well
            if small.execute(DUMPING) == [(0,)]:
                break
            time.sleep(0.05)
        assert small.execute(DUMPING) == [(0,)]
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
    with mounted(tmp_path / "narrow", "512k", "0700") as folder:
        yield folder


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


# --- restore ----------------------------------------------------------------------------------------


def test_restore_says_what_would_be_lost_and_asks(small: Project, server: EmbeddedServer) -> None:
    assert small.run("backup", "--no-verify", "--quiet").status == 0
    small.execute("DELETE FROM tags WHERE id > 90; CREATE TABLE since (id int)")
    assert small.run("apply", "uuids").status == 0
    shown = small.run("restore", "latest", "--in-place", "--dry-run", "--json")
    assert shown.status == 0, shown
    found = shown.events[-1]
    lost = {each["table"]: (each["then"], each["now"]) for each in found["lost"]["changes"]}
    assert lost["public.tags"] == (100, 90) and lost["public.since"] == (None, 0)
    assert "public.events" not in lost and lost["ecluse.run"] == (None, 1)
    assert found["lost"]["steps"] == [{"migration": "uuids", "run": 1, "then": "", "now": "ready"}]
    assert (found["restored"], found["verified"]) == (None, False)

    for given, status, code in ((), 1, "ECL304"), (("--yes",), 1, "ECL304"), (("--confirm", "apple"), 1, "ECL304"):
        asked = small.run("restore", "latest", "--in-place", *given)
        assert (asked.status, code in asked.err) == (status, True), asked
        assert "migration uuids, run 1: began since, is ready" in asked.err
    assert small.execute("SELECT count(*) FROM tags") == [(90,)]
    assert small.run("restore", "latest").status == 2
    assert small.run("restore", "latest", "--new", "n", "--in-place").status == 2

    done = small.run("restore", "latest", "--in-place", "--confirm", "app")
    assert done.status == 0, done
    (kept,) = re.findall(r'DROP DATABASE "(.*)";', done.out)
    assert small.execute("SELECT count(*), to_regclass('since') FROM tags") == [(100, None)]
    assert small.run("status", "--json").value["runs"] == []
    beside = small.run("restore", "latest", "--table", "tags", *HERE)
    assert beside.status == 0 and "public.tags is in ecluse_restored.tags: 100 rows, compared" in beside.out
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        assert conn.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [kept]).fetchone() == (1,)
        conn.execute(f'DROP DATABASE "{kept}"'.encode())

    toc = next(shelf(small).glob("*/dump/toc.dat"))
    toc.write_bytes(toc.read_bytes()[:100])
    for where in (("--in-place", "--confirm", "app"), ("--new", "n"), ("--table", "tags")):
        refused = small.run("restore", "latest", *where, "--json")
        assert (refused.status, refused.error["code"], refused.out) == (3, "ECL603", ""), refused
        assert "dump/toc.dat: it is cut off: 100 of" in refused.error["details"]


# --- before a switch --------------------------------------------------------------------------------


def test_a_protected_database_is_backed_up_before_its_switch(open_folder: Path, server: EmbeddedServer) -> None:
    """Verified on a server of our own, as nobody is named: so the project is where its user can enter."""
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("CREATE DATABASE guarded")
        try:
            database = Database("app", server.conninfo("guarded"))
            project = write_project(open_folder / "guarded", database, "protect = true\n")
            load(project, 50)
            _guarded(project)
        finally:
            conn.execute("DROP DATABASE guarded WITH (FORCE)")


def _of_elsewhere_or_before(project: Project, known: tuple[str, ...]) -> None:
    """A verified backup of what had this name elsewhere, or of before the run, is none that the switch wants."""
    assert project.run("backup", "--quiet").status == 0
    (folder, manifest) = next((k.folder, k.manifest) for k in look(shelf(project)).kept if k.sound)
    assert manifest is not None and manifest.server
    early = "2020-01-01T00:00:00Z"  # before the run began
    for other in (replace(manifest, server="1"), replace(manifest, called="staging"), replace(manifest, at=early)):
        write_manifest(folder, other)
        refused = project.run("switch", *known)
        assert (refused.status, "ECL308" in refused.err) == (1, True), refused
    shutil.rmtree(folder)


def _guarded(project: Project) -> None:
    known = ("uuids", "--yes")
    early = project.run("apply", *known, "--without-rehearsal", "a test", "--switch")
    assert (early.status, "ECL308" in early.err, "nothing was changed" in early.err) == (1, True, True)
    assert project.run("status", "--json").value["runs"] == []  # nothing was built in vain
    assert project.run("apply", *known, "--without-rehearsal", "a test").status == 0
    assert project.run("backup", "--no-verify", "--quiet").status == 0
    refused = project.run("switch", *known)  # not verified: of no use
    assert (refused.status, "ECL308" in refused.err) == (1, True)
    assert "ecluse switch uuids --backup" in refused.err
    _of_elsewhere_or_before(project, known)
    done = project.run("switch", *known, "--backup", "--json")
    assert done.status == 0, done
    (record,) = project.execute("SELECT detail FROM ecluse.step WHERE name = 'backup'")
    assert list(record[0]["backups"]) == ["app"] and record[0]["without"] == ""
    listed = project.run("backups", "--json").value["backups"]
    assert [each["verified"] for each in listed] == [True, False]
    assert listed[0]["name"] == record[0]["backups"]["app"]["backup"]
    assert listed[0]["migrations"] == [{"migration": "uuids", "status": "ready"}]
