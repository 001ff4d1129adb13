"""The recipe `self_hosted_supabase` on its sample: users become accounts, rows follow them, and everything comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.recipes.registry import RECIPES, Choices
from ecluse.supabase.prepare import prepare
from tests.harness import Stage, same_rows, same_structure, snapshot
from tests.supabase.conftest import ask, drop_roles

RECIPE = RECIPES["self_hosted_supabase"]


@pytest.fixture
def stage(any_server_database: Database, tmp_path: Path) -> Iterator[Stage]:
    """The sample of 400 users on a prepared database, and the migration that the recipe writes for it."""
    prepare(any_server_database)
    yield written(any_server_database, tmp_path, 400)
    drop_roles(any_server_database)


def written(database: Database, folder: Path, rows: int) -> Stage:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        RECIPE.load({"app": conn}, "services", rows, 1)
        files = RECIPE.write({"app": read_catalog(conn)}, {"app": conn}, Choices())
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return Stage(database, folder / "self_hosted_supabase" / "migration.toml")


def test_there_and_back(stage: Stage) -> None:
    before = snapshot(stage.database)
    plan = stage.plan()
    assert not plan.refused, [h.message for h in plan.refused]
    assert stage.apply() == "ready"
    stage.switch()
    stage.verify()
    counts = "SELECT count(*) FROM user_id_mapping", "SELECT count(*) FROM ecluse.quarantine WHERE source = 'public.users'"
    [(mapped,)], [(held,)] = (ask(stage.database, query) for query in counts)
    assert mapped + held == 400
    stage.rollback()
    after = snapshot(stage.database)
    same_structure(after.catalog, before.catalog)
    same_rows(after, before)
