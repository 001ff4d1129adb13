"""The old application of each recipe goes on after the switch, beside the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests.beside import Beside
from tests.harness import Writer
from tests.recipes.providers import Words, sample, write


@pytest.mark.parametrize("generation", ["uuid"])
def test_of_one_provider(
    database: Database, fresh_database: Callable[[], Database], tmp_path: Path, generation: str
) -> None:
    replayed, words = fresh_database(), Words(generation)
    for each in (database, replayed):
        sample(each, generation, 100)
    both = Beside.switched(write(database, tmp_path), replayed)
    lines = words.old()
    old, new = Writer(both.old, lines, first=504), Writer(database, [line for line, _ in words.new()])
    # What unlinks activities is an update, and their trigger notes when.
    unlinked = "update activities set id = id where id = 2000000 + {n} and {n} % 5 = 0"
    leaves = next(
        line for line in lines if line.startswith(f"delete from strava_connections where id = {words.id('own')}")
    )
    again = [f"{line}; {unlinked}" if line == leaves else line for line in lines]
    refused = both.write(old, new, [line for _, line in words.new()], 6, again)
    # The same athlete of another user, and another athlete of the same one.
    assert {(number, error.sqlstate) for number, _, error in refused if error} == {(7, "23505"), (9, "23505")}
    assert {number for number, _ in old.committed} | {7, 9} == set(range(len(lines)))
    both.rollback()
