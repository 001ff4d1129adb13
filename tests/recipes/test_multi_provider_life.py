"""The life of the recipe `multi_provider`: applications write to both shapes, and it goes back from anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import Halted, Listener, Writer, same_rows, snapshot
from tests.recipes.providers import CROSSED, GENERATIONS, Words, leave_out_half, prepared, sample, write
from tests.recipes.two import of


@pytest.fixture(params=["alone", "beside a Supabase"])
def places(request: pytest.FixtureRequest, fresh_database: Callable[[], Database]) -> Iterator[tuple[Database, ...]]:
    """A database, and one that is not migrated, where the same is written."""
    yield from prepared(request.param, fresh_database(), fresh_database())


def whole(writer: Writer) -> None:
    """Every line was written, and none failed."""
    assert not writer.failures, writer.failures[0]
    assert {line for line, _ in writer.committed} == set(range(len(writer.lines)))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_while_everybody_writes(places: tuple[Database, ...], tmp_path: Path, generation: str) -> None:
    place, unmigrated = places
    words = Words(generation)
    for each in places:
        sample(each, generation, 300)
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


@pytest.mark.parametrize("generation", GENERATIONS)
def test_it_goes_back_from_every_stage(
    places: tuple[Database, ...], tmp_path: Path, generation: str, request: pytest.FixtureRequest
) -> None:
    """The old application writes before each attempt, and nothing of it is lost or changed."""
    leave_out_half(request)
    place, unmigrated = places
    for each in places:
        sample(each, generation, 60)
    before = snapshot(place).catalog
    stage = write(place, tmp_path)
    whole_life = Listener()
    stage.apply(whole_life)
    stage.switch(whole_life)
    stage.rollback()
    old = Writer(place, Words(generation).old())
    points = range(1, len(whole_life.heard) + 1)
    for point in harness.spread(points, 6, GENERATIONS.index(generation)):
        old.rounds(1)
        listener = Listener(at=point)
        with pytest.raises(Halted):
            stage.apply(listener)
            stage.switch(listener)
        if "switched" not in listener.heard:
            old.rounds(1)
        stage.rollback()
    assert not old.failures
    old.replay(unmigrated)
    back = snapshot(place)
    harness.same_structure(back.catalog, before)
    same_rows(back, snapshot(unmigrated))
    assert of(place, "select count(*) from ecluse.parked") == [(0,)]


def test_it_goes_on_from_every_stage(database: Database, second_database: Database, tmp_path: Path) -> None:
    """Halted after each record in turn, in one and the same run, while the old application writes."""
    for each in (database, second_database):
        sample(each, "integer", 60)
    stage, at_once = write(database, tmp_path / "a"), write(second_database, tmp_path / "b")
    old = Writer(database, Words("integer").old())
    listener = Listener(at=1)
    while True:
        try:
            stage.resume(listener) if listener.heard else stage.apply(listener)
            stage.switch(listener)
            break
        except Halted:
            if "switched" not in listener.heard and len(old.committed) < 400:
                old.rounds(1)
            listener.at = len(listener.heard) + 1
    assert not old.failures
    old.replay(second_database)
    at_once.apply()
    at_once.switch()
    switched, wanted = snapshot(database), snapshot(second_database)
    harness.same_structure(harness.without_traces(switched.catalog), harness.without_traces(wanted.catalog))
    same_rows(switched, wanted)
    stage.verify()
    stage.rollback()
