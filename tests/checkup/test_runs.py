"""The checks of runs: half way, at rest, disproved, finished; and what of a finished one is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.checkup.check import Finding
from ecluse.checkup.examine import examine_database
from ecluse.checkup.registry import TOPICS
from ecluse.engine.drift import accept
from ecluse.errors import WrongState
from ecluse.postgres.connect import Database, open_session
from tests.harness import SCENARIOS, Halted, Listener, Stage, load

IDS = frozenset(check.id for topic in TOPICS if topic.name == "runs" for check in topic.checks)
FAMILY = SCENARIOS / "convert_column" / "fk_family"


def found(database: Database) -> list[tuple[str, str]]:
    """Id and level of what is said of runs, but of what is well."""
    return [(f.id, f.level) for f in examine(database)]


def examine(database: Database) -> list[Finding]:
    return [f for f in examine_database(database, Path(), IDS) if f.level != "good" and f.id != "journal"]


def test_the_life_of_a_run(database: Database, tmp_path: Path) -> None:
    load(database, FAMILY / "before.sql")
    stage = Stage(database, FAMILY / "migration.toml")
    assert found(database) == []
    with pytest.raises(Halted):
        stage.apply(Listener(at=3))
    (half,) = examine(database)
    assert (half.id, half.level, half.object) == ("unfinished-run", "wrong", "fk_family")
    assert half.fix == "ecluse apply fk_family   # or: ecluse rollback fk_family"
    stage.resume()
    assert found(database) == [("unfinished-run", "told")]
    load(database, "ALTER TABLE ecluse_next_fk_family.tags ALTER tag DROP NOT NULL")
    assert not stage.engine().verify(stage.name).passed
    (disproved,) = (f for f in examine(database) if f.id == "proof-failed")
    assert (disproved.level, "column tag: not null" in disproved.found) == ("wrong", True)
    load(database, "ALTER TABLE ecluse_next_fk_family.tags ALTER tag SET NOT NULL")
    stage.verify()
    assert found(database) == [("unfinished-run", "told")]
    stage.switch()
    with open_session(database) as conn, pytest.raises(WrongState, match="no finished run"):
        accept(conn, "fk_family")
    load(database, "DROP VIEW asked")
    assert ("drift", "wrong") in found(database)
    load(database, "CREATE VIEW asked AS SELECT 1 AS one")
    assert ("drift", "wrong") in found(database)
    stage.rollback()
    assert found(database) == []


def test_what_a_finished_migration_left(database: Database, tmp_path: Path) -> None:
    load(database, FAMILY / "before.sql")
    stage = Stage(database, FAMILY / "migration.toml")
    stage.apply()
    stage.switch()
    stage.finish(tmp_path)
    assert found(database) == []
    load(database, "ALTER TABLE people ALTER id DROP DEFAULT; ALTER TABLE people ADD extra text")
    (otherwise,) = examine(database)
    assert (otherwise.id, otherwise.level, otherwise.object) == ("drift", "warning", "public.people")
    load(database, "DROP INDEX conversations_person")
    gone = [f for f in examine(database) if f.level == "wrong"]
    assert [f.object for f in gone] == ["public.conversations"]
    assert "since 'fk_family': table public.conversations, index conversations_person: is gone" in gone[0].found
    with open_session(database) as conn:
        assert len(accept(conn, "fk_family")) == 2
    assert found(database) == []
    load(database, "DROP INDEX conversations_parent")
    assert found(database) == [("drift", "wrong")]
    with open_session(database) as conn:
        assert len(accept(conn, "fk_family")) == 1
    assert found(database) == [], "what was accepted before is still accepted"
    load(database, "UPDATE ecluse.run SET plan = jsonb_set(plan, '{structure}', 'null')")
    (unseen,) = examine(database)
    assert (unseen.id, unseen.seen, "was planned by an earlier version" in unseen.found) == ("drift", False, True)
    load(database, "CREATE SCHEMA ecluse_next_fk_family")
    assert ("left-over-schema", "warning") in found(database)
