"""A run of which all can be told: rows are carried, merged and quarantined, a table gets another name, one is new."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ecluse.cli.main import run
from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, Result

OLD = """
CREATE TABLE people (id text PRIMARY KEY, email text, name text);
CREATE TABLE sessions (id integer PRIMARY KEY, session text, person text, title text, hits integer, at timestamptz);
CREATE TABLE talks (id integer PRIMARY KEY, question text, response text);
INSERT INTO people SELECT CASE n % 10 WHEN 0 THEN 'nobody-' || n || '@secret.example' ELSE md5('p' || n)::uuid::text
    END, 'mail-' || n || '@secret.example', '<b>name & ' || n
    FROM generate_series(1, 40) n;
INSERT INTO sessions SELECT n, 's' || n / 2, 'a', 'title ' || n, n, '2020-01-01' FROM generate_series(1, 30) n;
INSERT INTO talks SELECT n, 'question ' || n, 'response ' || n FROM generate_series(1, 20) n;
"""

MIGRATION = """
name = "shapes"
database = "app"

[[operation]]
kind = "convert_column"
table = "public.people"
column = "id"
invalid = "quarantine"

[[operation]]
kind = "merge_rows"
table = "public.sessions"
by = "session"
distinct_on = ["person"]
order_by = "at"
keep = { title = "last", hits = "sum" }
metadata = "metadata"

[[operation]]
kind = "split_table"
table = "public.talks"
drop_columns = ["question", "response"]

  [[operation.into]]
  table = "public.lines"
  parent = ["talk_id"]
  columns = { talk_id = "integer not null", n = "integer not null", role = "text not null", content = "text not null" }

    [operation.into.constraints]
    lines_pkey = "primary key (talk_id, n)"

    [[operation.into.rows]]
    values = { role = "'user'", content = "question", n = "1" }

    [[operation.into.rows]]
    values = { role = "'assistant'", content = "response", n = "2" }
"""


class Here(Project):
    """A project whose commands run in this very process: there are many of them, and starting one takes longer."""

    def run(self, *arguments: str) -> Result:
        """The command, ended."""
        before, out, err = Path.cwd(), io.StringIO(), io.StringIO()
        os.chdir(self.folder)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                status = run(arguments)
        finally:
            os.chdir(before)
        return Result(status, out.getvalue(), err.getvalue())


@pytest.fixture
def shapes(tmp_path: Path, database: Database) -> Project:
    """The project, with nothing applied."""
    (tmp_path / "ecluse.toml").write_text(f"[databases.app]\nurl = {json.dumps(database.conninfo)}\n", encoding="utf-8")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "shapes.toml").write_text(MIGRATION, encoding="utf-8")
    project = Here(tmp_path, database)
    project.execute(OLD)
    return project


def reports(result: Result) -> tuple[dict[str, Any], str]:
    """The report that a command wrote, and its page."""
    paths = result.events[-1]["report"]
    read = (Path(paths[kind]).read_text(encoding="utf-8") for kind in ("json", "html"))
    text, page = read
    found: dict[str, Any] = json.loads(text)
    return found, page
