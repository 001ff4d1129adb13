"""`import_users` on a prepared database: who becomes whom, what follows them, and an exact way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from ecluse.supabase.prepare import prepare
from tests.harness import Stage, load, same, snapshot
from tests.supabase.conftest import ask, drop_roles
from tests.supabase.people import ACCOUNTS, BCRYPT, GRACE, LEGACY, MIGRATION


@pytest.fixture
def stage(any_server_database: Database, tmp_path: Path) -> Iterator[Stage]:
    """People of every kind beside an account that is there already, and the migration that imports them."""
    prepare(any_server_database)
    load(any_server_database, ACCOUNTS)
    load(any_server_database, LEGACY)
    file = tmp_path / "people.toml"
    file.write_text(MIGRATION)
    yield Stage(any_server_database, file)
    drop_roles(any_server_database)


def test_everybody_becomes_who_they_are(stage: Stage) -> None:
    plan = stage.plan()
    assert not plan.refused, [h.message for h in plan.refused]
    assert stage.apply() == "ready"
    stage.switch()
    stage.verify()
