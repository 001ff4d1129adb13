"""A project on a real database, and `ecluse` as a process: what stands on stdout, on stderr, and the exit status."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

import ecluse
from ecluse.cli.main import run
from ecluse.postgres.connect import Database
from tests.cli.memories import INTEGER, UUID, World

MIGRATION = """\
name = "uuids"
database = "app"

[[operation]]
kind = "convert_column"
table = "public.conversations"
column = "id"
to = "uuid"
"""

LEGACY = """
CREATE TABLE conversations (id text PRIMARY KEY DEFAULT gen_random_uuid()::text, user_id text NOT NULL,
    question text, settings jsonb, created_at timestamptz DEFAULT now());
CREATE TABLE tags (id serial PRIMARY KEY, conversation_id text NOT NULL REFERENCES conversations ON DELETE CASCADE);
CREATE TABLE events (id serial PRIMARY KEY, conversation text, payload jsonb, seen_by text[]);
CREATE INDEX ON tags (conversation_id);
INSERT INTO conversations SELECT gen_random_uuid()::text, 'user ' || n %% 7, repeat('q', 200), '{}', now()
    FROM generate_series(1, %(rows)s) n;
INSERT INTO tags (conversation_id) SELECT id FROM conversations LIMIT 100;
INSERT INTO events (conversation, payload, seen_by)
    SELECT id, jsonb_build_object('about', jsonb_build_object('id', id)), ARRAY[id] FROM conversations LIMIT 50;
ANALYZE;
"""

SLOW = ("--workers", "1", "--max-rate", "1500")
MANY = 20_000


@dataclass(frozen=True)
class Result:
    """What a process left."""

    status: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The document on stdout."""
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, str]:
        """The error object on stderr."""
        found: dict[str, str] = json.loads(self.err.splitlines()[-1])
        return found


@dataclass(frozen=True)
class Project:
    """A folder with ecluse.toml and a migration."""

    folder: Path
    database: Database
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a process of ours finds in its environment: the tests' own copy of the program, wherever it runs."""
        here = {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(Path(ecluse.__file__).parents[1])}
        return os.environ | here | dict(self.variables)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The process, running."""
        command = [sys.executable, "-m", "ecluse", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.folder, text=True, env=self.environment, **streams)  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str) -> Result:
        """The process, ended."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return Result(process.returncode, out, err)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """A statement in the database, and what it gives."""
        with psycopg.connect(self.database.conninfo, autocommit=True) as conn:
            cursor = conn.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class Here(Project):
    """The same with its commands run in this process, where many of them would take minutes as processes."""

    capture: Any = None  # capsys

    def run(self, *arguments: str) -> Result:
        """The command, ended."""
        with contextlib.chdir(self.folder):
            status = run(arguments)
        return Result(status, *self.capture.readouterr())


def write_project(folder: Path, database: Database, extra: str = "") -> Project:
    """A project whose database `app` is this one."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = f"[databases.app]\nurl = {json.dumps(database.conninfo)}\n{extra}"
    (folder / "ecluse.toml").write_text(settings, encoding="utf-8")
    (folder / "migrations").mkdir(exist_ok=True)
    (folder / "migrations" / "uuids.toml").write_text(MIGRATION, encoding="utf-8")
    return Project(folder, database)


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    """A folder with nothing in it."""
    return Project(tmp_path, Database("app", ""))


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Project:
    """A legacy database with 2,000 conversations, and a migration for it."""
    made = write_project(tmp_path, database)
    load(made, 2000)
    return made


def load(project: Project, rows: int) -> None:
    """Create the legacy tables."""
    with psycopg.connect(project.database.conninfo, autocommit=True) as conn:
        psycopg.ClientCursor(conn).execute(LEGACY.encode(), {"rows": rows})


@pytest.fixture
def large(project: Project) -> Project:
    """With rows for several chunks."""
    enlarge(project)
    return project


def enlarge(project: Project) -> None:
    """Add MANY conversations of about a kilobyte."""
    project.execute(
        "INSERT INTO conversations SELECT gen_random_uuid()::text, 'u', repeat('r', 900) "
        f"FROM generate_series(1, {MANY})"
    )
    project.execute("VACUUM ANALYZE")


def await_copy(project: Project, process: subprocess.Popen[str]) -> None:
    """Wait until the first chunk is recorded."""
    await_answer(project, process, "SELECT to_regclass('ecluse.chunk') IS NOT NULL", True)
    await_answer(project, process, "SELECT count(*) > 0 FROM ecluse.chunk", True)


def await_answer(project: Project, process: subprocess.Popen[str], question: str, wanted: object) -> None:
    """Wait, while the process works, until the database gives that answer."""
    for _ in range(200):
        assert process.poll() is None, process.communicate()
        if project.execute(question)[:1] == [(wanted,)]:
            return
        time.sleep(0.05)
    raise AssertionError(f"'{question}' was never {wanted}")


@contextmanager
def mounted(folder: Path, size: str, mode: str) -> Iterator[Path]:
    """A file system of its own of that size; the test is skipped where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode={mode}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def ended(process: subprocess.Popen[str]) -> Result:
    """What a process that is about to end leaves."""
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


@pytest.fixture
def integer(tmp_path: Path, database: Database) -> World:
    """Memories before a migration: people are numbers."""
    return World(write_project(tmp_path, database), INTEGER)


@pytest.fixture
def uuid(tmp_path: Path, database: Database) -> World:
    """Memories after it."""
    return World(write_project(tmp_path, database), UUID)


@pytest.fixture(params=["integer", "uuid"])
def world(request: pytest.FixtureRequest) -> World:
    """Either."""
    found: World = request.getfixturevalue(request.param)
    return found
