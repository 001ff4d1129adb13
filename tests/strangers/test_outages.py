"""A wrong password, a server that is not there: every command of the safety net says so, and nothing is half made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import EmbeddedServer
from tests.cli.conftest import Project, write_project
from tests.conftest import FAST, MAJOR, PROGRAMS

COMMANDS = (
    ("rehearse", "uuids"),
    ("backup",),
    ("compare", "app:conversations", "app:tags"),
    ("apply", "uuids", "--dry-run"),
    ("export", "uuids", "--as", "sql", "--out", "out"),
    ("restore", "latest", "--new", "other"),
)
SECRET = "hush-hush"


@pytest.fixture(scope="module")
def strict(open_folder: Path) -> Iterator[EmbeddedServer]:
    """A server that asks for a password."""
    server = EmbeddedServer(open_folder / "strict", PROGRAMS[MAJOR], FAST)
    server.start()
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("CREATE ROLE locked LOGIN SUPERUSER PASSWORD 'right'")
    rules = server.data_dir / "pg_hba.conf"
    rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("SELECT pg_reload_conf()")
    yield server
    server.stop("immediate")


def _with_backup(folder: Path, database: Database) -> Project:
    project = write_project(folder, database)
    project.execute("CREATE TABLE conversations (id text PRIMARY KEY); CREATE TABLE tags (id text PRIMARY KEY)")
    made = project.run("backup", "--no-verify")
    assert made.status == 0, made
    return project


def _pointed(project: Project, database: Database) -> Project:
    settings = f"[databases.app]\nurl = {json.dumps(database.conninfo)}\n"
    (project.folder / "ecluse.toml").write_text(settings, encoding="utf-8")
    return project


def _files(folder: Path) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file() and f.name != ".gitignore"}


def _refuses(project: Project, commands: tuple[tuple[str, ...], ...], finding: str) -> None:
    before = _files(project.folder)
    for command in commands:
        result = project.run(*command, "--json")
        assert result.status == 1, (command, result)
        assert result.error["code"] == "ECL110", (command, result.error)
        assert result.error["hint"], command
        assert SECRET not in result.out + result.err
    for command, status in ((("doctor", "--json"), 3), (("plan", "--check", "--json"), 1)):
        told = project.run(*command)
        assert told.status == status, told
        assert (finding if command[0] == "doctor" else "cannot connect") in told.out, told
        assert SECRET not in told.out + told.err
    assert _files(project.folder) == before


def test_a_wrong_password(tmp_path: Path, database: Database, strict: EmbeddedServer) -> None:
    project = _with_backup(tmp_path, database)
    locked = Database("app", make_conninfo(strict.conninfo(), user="locked", password=SECRET))
    _refuses(_pointed(project, locked), COMMANDS, "wrong-password")


def test_a_server_that_is_not_there(tmp_path: Path, database: Database) -> None:
    project = _with_backup(tmp_path, database)
    gone = Database("app", f"host=127.0.0.1 port=1 user=u password={SECRET} dbname=d")
    _refuses(_pointed(project, gone), COMMANDS[:2], "connection-refused")
