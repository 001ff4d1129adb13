"""The recipe `multi_provider` on its sample: there, proved, and back, with numbers and UUIDs, beside a Supabase too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ecluse.planning.expectation import EXTRA, comparable, compare
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.postgres.expected import expected_of
from ecluse.recipes.registry import RECIPES, Choices
from ecluse.supabase.prepare import prepare
from tests.harness import Stage, same, snapshot
from tests.recipes.two import of
from tests.supabase.conftest import drop_roles

RECIPE = RECIPES["multi_provider"]


def written(database: Database, folder: Path, generation: str, rows: int, change: str = "") -> Stage:
    """The sample, and the migration that the recipe writes for it."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        RECIPE.load({"app": conn}, generation, rows, 1)
        if change:
            conn.execute(change.encode())
        files = RECIPE.write({"app": read_catalog(conn)}, {"app": conn}, Choices())
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return Stage(database, folder / "multi_provider" / "migration.toml")


def differences(database: Database, folder: Path) -> list[str]:
    """In what the database differs from the shape that is promised to it."""
    with psycopg.connect(database.conninfo) as conn:
        actual = read_catalog(conn)
    expected = expected_of(RECIPE.shape(actual), "recipe", actual, folder)
    return [str(f) for f in compare(comparable(expected), comparable(actual)) if f.state != EXTRA]


@pytest.fixture(params=["alone", "beside a Supabase"])
def place(request: pytest.FixtureRequest, any_server_database: Database) -> Iterator[Database]:
    if request.param == "alone":
        yield any_server_database
        return
    prepare(any_server_database)
    yield any_server_database
    drop_roles(any_server_database)


@pytest.mark.parametrize("generation", ["integer", "uuid"])
def test_there_and_back(place: Database, tmp_path: Path, open_folder: Path, generation: str) -> None:
    # A plan refuses workouts that refer to activities which may go to quarantine.
    stage = written(place, tmp_path, generation, 400, "alter table workouts drop constraint workouts_activity_id_fkey")
    before = snapshot(place)
    assert not stage.plan().refused
    assert stage.apply() == "ready"
    stage.switch()
    stage.verify()
    held = of(place, "select source, count(*) from ecluse.quarantine group by 1 order by 1")
    assert held == [("public.activities", 2), ("public.strava_connections", 2)]
    assert differences(place, open_folder) == []
    assert of(place, "select count(*) filter (where is_manual and connection_id is not null) from activities") == [(0,)]
    stage.rollback()
    same(snapshot(place), before)
