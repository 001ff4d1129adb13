"""The whole way there and back on every server version there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import SCENARIOS, Listener, Stage, Writer, lines_of, load


@pytest.mark.parametrize("case", ["convert_column/fk_family", "merge_rows/sessions"])
def test_there_and_back(any_server_database: Database, case: str, tmp_path: Path) -> None:
    folder = SCENARIOS / case
    load(any_server_database, folder / "before.sql")
    before = harness.snapshot(any_server_database)
    stage = Stage(any_server_database, folder / "migration.toml")
    stage.apply()
    stage.switch()
    stage.verify()
    stage.rollback()
    harness.same(harness.snapshot(any_server_database), before)
    with Writer(any_server_database, lines_of(folder / "writers_old.sql")).running():
        assert stage.apply() == "ready"
        listener = Listener()
        stage.switch(listener)
    assert "switched" in listener.heard
    stage.finish(tmp_path)
    left = harness.snapshot(any_server_database).catalog
    assert [t for t in left.tables if t.schema.startswith("ecluse_")] == []
