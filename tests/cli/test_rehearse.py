"""`ecluse rehearse` as a process: on what pgbench made, stopped by a signal, and what `apply` makes of it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.binaries import installed_bin_dirs
from ecluse.postgres.connect import Database
from ecluse.postgres.throwaway import PREFIX
from tests.cli.conftest import Project, ended, load, write_project
from tests.harness import same, snapshot

ACCOUNTS = """\
name = "uuids"
database = "app"

[[operation]]
kind = "convert_column"
table = "public.pgbench_accounts"
column = "abalance"
to = "bigint"
using = "abalance::bigint"
back = "abalance::integer"
"""
PGBENCH = shutil.which("pgbench") or next(
    (str(folder / "pgbench") for folder in installed_bin_dirs().values() if (folder / "pgbench").exists()), ""
)


@pytest.fixture
def folder(open_folder: Path, tmp_path: Path) -> Path:
    """A project that a server's user can enter: the server of the copies stands in it."""
    made = open_folder / f"cli-{tmp_path.name}"
    made.mkdir()
    return made


@pytest.fixture
def bench(folder: Path, database: Database) -> Project:
    """What `pgbench -i` makes, on a protected database."""
    if not PGBENCH:
        pytest.skip("there is no pgbench")
    project = write_project(folder, database, "protect = true\n")
    (folder / "migrations" / "uuids.toml").write_text(ACCOUNTS, encoding="utf-8")
    subprocess.run([PGBENCH, "-i", "-q", "-d", database.conninfo], check=True, capture_output=True)
    return project


def test_what_pgbench_makes_is_rehearsed_and_then_applied(bench: Project) -> None:
    before = snapshot(bench.database)
    assert bench.run("apply", "uuids", "--yes", "--json").error["code"] == "ECL307"
    result = bench.run("rehearse", "uuids", "--sample", "10", "--load", "1", "--json")
    assert result.status == 0, result.err
    value = result.events[-1]
    assert value["passed"] and value["sample"] == 10.0
    # pgbench_accounts hangs on one branch, which is a list of its own: the accounts are drawn by their keys.
    assert 9_000 < value["rows"] < 11_500 and value["real_rows"] == pytest.approx(100_000, rel=0.05)
    assert {event["event"] for event in result.events} >= {"step", "progress", "done", "result"}
    apply = next(step for step in value["steps"] if step["step"] == "apply")
    assert apply["low"] < apply["seconds"] * 10 < apply["high"]
    kept = json.loads(Path(value["record"]).read_text())
    assert kept["fingerprint"] == value["fingerprint"] and kept["passed"]
    report = Path(value["report"])
    assert report.stat().st_mode & 0o077 == 0 and "The rehearsal passed" in report.read_text()
    assert json.loads(report.with_name("report.json").read_text())["fingerprint"] == value["fingerprint"]
    same(snapshot(bench.database), before)
    assert not list((bench.folder / ".ecluse" / "throwaway").iterdir())

    assert bench.run("apply", "uuids", "--yes").status == 0, "it was rehearsed"
    again = bench.run("rehearse", "uuids", "--json")
    assert (again.status, again.error["code"]) == (1, "ECL303")
    assert bench.run("rollback", "uuids", "--yes").status == 0


@pytest.mark.parametrize("moment", ["copy the databases", "copy"])
def test_ctrl_c_leaves_nothing(folder: Path, database: Database, moment: str) -> None:
    project = write_project(folder, database)
    load(project, 3000)
    before = snapshot(database)
    process = project.start("rehearse", "uuids", "--json")
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "step" and event["step"] == moment:
            break
    process.send_signal(signal.SIGINT if moment == "copy" else signal.SIGTERM)
    result = ended(process)
    assert result.status == 130, result.err
    assert result.error["code"] == "ECL506" and "only read" in result.error["state"]
    assert not list((folder / ".ecluse" / "throwaway").iterdir())
    assert not (folder / "rehearsals").exists(), "what was stopped is no rehearsal"
    same(snapshot(database), before)


@pytest.fixture
def staging(folder: Path, database: Database) -> Iterator[Project]:
    """A project with another database, beside which it can rehearse."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("CREATE DATABASE rehearsal_staging")
    other = psycopg.conninfo.make_conninfo(database.conninfo, dbname="rehearsal_staging")
    yield write_project(folder, database, f"[databases.staging]\nurl = {json.dumps(other)}\n")
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("DROP DATABASE rehearsal_staging WITH (FORCE)")


def test_beside_a_named_database_a_failure_is_told_with_its_rows(staging: Project) -> None:
    load(staging, 300)
    staging.execute("ALTER TABLE conversations ADD CHECK (id <> 'x'); INSERT INTO conversations VALUES ('Anna', 'u')")
    result = staging.run("rehearse", "uuids", "--on", "staging", "--load", "0")
    assert result.status == 3, result.err
    assert "NO plan:" in result.out and "it FAILED." in result.out
    assert "xxxx" in result.out and "Anna" not in result.out
    shown = staging.run("rehearse", "uuids", "--on", "staging", "--load", "0", "--show-values", "--json")
    assert "Anna" in shown.events[-1]["failures"][0]["details"]
    assert "Anna" not in (staging.folder / "rehearsals" / "uuids.json").read_text()
    assert staging.execute(f"SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%'") == []
    assert staging.run("rehearse", "uuids", "--on", "staging", "--keep").status == 2


def test_a_kept_server_is_found_and_removed_by_what_is_printed(folder: Path, database: Database) -> None:
    project = write_project(folder, database)
    load(project, 50)
    project.execute("INSERT INTO conversations VALUES ('no uuid', 'u')")
    value = project.run("rehearse", "uuids", "--keep", "--json").events[-1]
    assert not value["passed"]
    look, remove = value["look"]
    asked = subprocess.run(
        f"{look} -Atc 'SELECT count(*) FROM conversations'", shell=True, check=True, capture_output=True, text=True
    )
    assert asked.stdout.strip() == "51"
    subprocess.run(remove, shell=True, check=True, timeout=30)
    assert not list((folder / ".ecluse" / "rehearsals").iterdir())


@pytest.mark.slow
def test_the_estimate_holds(folder: Path, database: Database) -> None:
    """Rehearsed with a sample, then done: what it took is within what was expected."""
    project = write_project(folder, database)
    load(project, 200_000)
    value = project.run("rehearse", "uuids", "--sample", "20", "--load", "1", "--json").events[-1]
    assert value["passed"], value["failures"]
    expected = {step["step"]: step for step in value["steps"]}
    for command in ("apply", "switch", "rollback"):
        began = time.monotonic()
        assert project.run(command, "uuids").status == 0
        seconds = time.monotonic() - began
        low, high = expected[command]["low"], expected[command]["high"]
        assert low < seconds < high + 2.0, (command, low, seconds, high)  # a process takes time to start
