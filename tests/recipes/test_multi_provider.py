"""The recipe `multi_provider` on its sample: there, proved, and back, with numbers and UUIDs, beside a Supabase too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests.harness import same, snapshot
from tests.recipes.providers import GENERATIONS, differences, prepared, written
from tests.recipes.two import of


@pytest.fixture(params=["alone", "beside a Supabase"])
def place(request: pytest.FixtureRequest, any_server_database: Database) -> Iterator[Database]:
    for (each,) in prepared(request.param, any_server_database):
        yield each


@pytest.mark.parametrize("generation", GENERATIONS)
def test_there_and_back(place: Database, tmp_path: Path, open_folder: Path, generation: str) -> None:
    stage = written(place, tmp_path, generation, 400)
    before = snapshot(place)
    assert not stage.plan().refused
    assert stage.apply_as_foreseen() == "ready"
    stage.switch()
    stage.verify()
    held = of(place, "select source, count(*) from ecluse.quarantine group by 1 order by 1")
    assert held == [("public.activities", 2), ("public.strava_connections", 2)]
    assert differences(place, open_folder) == []
    assert of(place, "select count(*) filter (where is_manual and connection_id is not null) from activities") == [(0,)]
    stage.rollback()
    same(snapshot(place), before)
