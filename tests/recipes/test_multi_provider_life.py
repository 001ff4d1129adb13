"""The life of the recipe `multi_provider`: applications write to both shapes, and it goes back from anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import Halted, Listener, Writer, same, same_rows, snapshot
from tests.recipes.providers import CROSSED, GENERATIONS, Words, prepared, sample, write, written
from tests.recipes.two import of

UNREFERRED = "alter table workouts drop constraint workouts_activity_id_fkey"


@pytest.fixture(params=["alone", "beside a Supabase"])
def places(
    request: pytest.FixtureRequest, fresh_database: Callable[[], Database]
) -> Iterator[tuple[Database, Database]]:
    """A database, and one that is not migrated, where the same is written."""
    for one, other in prepared(request.param, fresh_database(), fresh_database()):
        yield one, other


def whole(writer: Writer) -> None:
    """Every line was written, and none failed."""
    assert not writer.failures, writer.failures[0]
    assert {line for line, _ in writer.committed} == set(range(len(writer.lines)))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_while_everybody_writes(places: tuple[Database, Database], tmp_path: Path, generation: str) -> None:
    place, unmigrated = places
    words = Words(generation)
    for each in places:
        sample(each, generation, 300, UNREFERRED)
    before = snapshot(place)
    stage = write(place, tmp_path)
    old = Writer(place, words.old())
    with old.running():
        assert stage.apply() == "ready"
    old.rounds(6)
    whole(old)
    stage.switch()
    stage.verify()
    assert of(place, CROSSED) == [(0,)]

    new = Writer(place, [line for line, _ in words.new()])
    new.rounds(16)
    whole(new)
    stage.verify()
    stage.rollback()
    old.replay(unmigrated)
    new.replay(unmigrated, [line for _, line in words.new()])
    back = snapshot(place)
    harness.same_structure(back.catalog, before.catalog)
    same_rows(back, snapshot(unmigrated))
    rounds = range(1, 17)
    there = [n for n in rounds if n % 5]  # users who stayed
    assert Counter(source for (source,) in of(place, "select source from ecluse.parked")) == {
        "public.provider_connections": 2 * len(there),
        "public.activities": len(there),
        "public.sync_history": len([n for n in there if n % 3]),
        "public.oauth_states": len(there),
    }

    again = write(place, tmp_path)
    assert again.apply() == "ready"
    again.switch()
    again.verify()
    assert of(place, CROSSED) == [(0,)]
    linked = "select count(*) from activities where id between 6000001 and 7000016 and connection_id is null"
    assert of(place, linked) == [(2 * len([n for n in there if n % 3 == 0]),)]
