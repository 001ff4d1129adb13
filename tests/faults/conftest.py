"""What most fault tests start from: two tables with a key to convert, a few hundred rows, and a run that can be met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ecluse.engine import copy
from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import Stage, load

SHAPE = """
CREATE TABLE chats (id text PRIMARY KEY, person text NOT NULL, body text, updated_at timestamptz DEFAULT '2020-01-01Z');
CREATE INDEX chats_person ON chats (person);
CREATE TABLE tags (id int PRIMARY KEY, chat_id text NOT NULL REFERENCES chats (id) ON DELETE CASCADE, tag text);
CREATE INDEX tags_chat ON tags (chat_id);
INSERT INTO chats SELECT md5('c' || n)::uuid::text, 'p' || n % 10, repeat('b', 300) FROM generate_series(1, 600) n;
INSERT INTO tags SELECT n, md5('c' || n)::uuid::text, 't' FROM generate_series(1, 200) n;
"""
MIGRATION = """
name = "{name}"
database = "app"

[[operation]]
kind = "convert_column"
table = "public.{table}"
column = "id"
{more}
"""


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks of a small table."""
    monkeypatch.setattr(copy, "_FIRST_PAGES", 4)


@pytest.fixture
def staged(tmp_path: Path) -> Callable[..., Stage]:
    """Makes a stage of any database: runs its script, writes its migration."""

    def make(database: Database, shape: str = SHAPE, table: str = "chats", name: str = "ids", more: str = "") -> Stage:
        load(database, shape)
        file = tmp_path / f"{name}.toml"
        file.write_text(MIGRATION.format(name=name, table=table, more=more))
        return Stage(database, file)

    return make


@pytest.fixture
def chats(database: Database, staged: Callable[..., Stage], small_chunks: None) -> Stage:
    """The usual stage."""
    return staged(database)


def sql(stage: Stage, *statements: str) -> list[tuple[object, ...]]:
    """Run statements as an application would, each in its own transaction; the rows of the last."""
    with psycopg.connect(stage.database.conninfo, autocommit=True) as conn:
        for statement in statements:
            cursor = conn.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def there_and_back(stage: Stage, hazard: str) -> None:
    """The plan tells of it; the rows read the same in the new shape, and everything is as it was after a rollback."""
    before = harness.snapshot(stage.database)
    plan = stage.plan()
    assert hazard in {h.id for h in plan.hazards}, plan.hazards
    assert plan.refused == ()
    stage.engine().apply(plan)
    stage.switch()
    assert harness.snapshot(stage.database).rows == before.rows
    stage.verify()
    stage.rollback()
    harness.same(harness.snapshot(stage.database), before)
