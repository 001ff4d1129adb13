"""A table moves between two databases of a project, by the commands."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project
from tests.moving.places import AS_IT_WAS, INVITATIONS


@pytest.fixture
def project(tmp_path: Path, database: Database, second_database: Database) -> Project:
    extra = f"[databases.origin]\nurl = {json.dumps(second_database.conninfo)}\nprotect = true\n"
    made = write_project(tmp_path, database, extra)
    (tmp_path / "migrations" / "bring.toml").write_text(AS_IT_WAS)
    with psycopg.connect(second_database.conninfo, autocommit=True) as conn:
        conn.execute(INVITATIONS.encode())
    return made


def test_the_whole_life_by_the_commands(project: Project) -> None:
    planned = project.run("plan", "bring")
    assert planned.status == 0, planned.err
    assert "copy public.invitations from 'origin'" in planned.out
    explained = project.run("explain", "bring", "--sql").out
    assert "TO STDOUT (FORMAT binary)" in explained
    assert "closed for writing" in explained

    unrehearsed = ("--without-rehearsal", "a test", "--without-backup", "a test")
    refused = project.run("apply", "bring", "--json", *unrehearsed)
    assert refused.error["code"] == "ECL304", "the origin is protected"
    applied = project.run("apply", "bring", "--switch", "--yes", "--json", *unrehearsed)
    assert applied.status == 0, applied.err
    assert applied.events[-1]["status"] == "switched"
    assert project.run("verify", "bring").status == 0
    assert project.execute("SELECT count(*) FROM invitations") == [(2000,)]

    status = project.run("status", "--json", "--database", "app").value
    fingerprint = status["runs"][0]["fingerprint"]
    assert status["runs"][0]["pending"] == 0
    assert project.run("rollback", "bring", "--yes").status == 0
    assert project.execute("SELECT to_regclass('invitations')") == [(None,)]
    assert project.run("apply", "bring", "--switch", "--yes", *unrehearsed).status == 0
    finished = project.run("finish", "bring", "--confirm", fingerprint, "--yes")
    assert finished.status == 0, finished.err
    folders = [path.name for path in (project.folder / ".ecluse" / "archive").glob("*/*")]
    assert "from-origin" in folders


def test_status_looks_at_every_database(project: Project) -> None:
    settings = project.folder / "ecluse.toml"
    assert project.run("apply", "bring", "--yes", "--without-rehearsal", "a test").status == 0
    settings.write_text(settings.read_text() + "[databases.later]\nurl = 'env:ECLUSE_TEST_NOWHERE'\n")
    shown = project.run("status", "--json")
    assert shown.status == 1, "a database that was not asked may have a run too"
    databases = {one["database"].split("'")[1]: one for one in shown.value["databases"]}
    assert [run["migration"] for run in databases["app"]["runs"]] == ["bring"]
    assert databases["origin"]["runs"] == []
    assert databases["later"]["error"]["code"] == "ECL103"
    read = project.run("status").out
    assert "ready" in read
    assert "ECL103" in read
    assert project.run("status", "--database", "app").status == 0
    assert project.run("status", "--watch").status == 1


def test_an_origin_that_is_not_named_or_does_not_answer_is_told(project: Project) -> None:
    file = project.folder / "migrations" / "bring.toml"
    file.write_text(AS_IT_WAS.replace('"origin"', '"orgin"'))
    unknown = project.run("plan", "bring", "--json")
    assert unknown.error["code"] == "ECL102"
    assert "origin" in unknown.error["message"]
    file.write_text(AS_IT_WAS)
    settings = project.folder / "ecluse.toml"
    lines = settings.read_text().splitlines()
    lines[lines.index("[databases.origin]") + 1] = 'url = "host=127.0.0.1 port=9 dbname=x user=y password=very-secret"'
    settings.write_text("\n".join(lines))
    dead = project.run("plan", "bring", "--json")
    assert dead.error["code"] == "ECL110"
    assert "very-secret" not in dead.err
