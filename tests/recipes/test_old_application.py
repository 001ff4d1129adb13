"""The old application of each recipe goes on after the switch, beside the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests.beside import Beside
from tests.harness import Writer, load
from tests.recipes import test_production_columns as production_columns
from tests.recipes.providers import Words, sample, write

# The clock of the sample stands still, so that what was written can be written again elsewhere.
STILL = """
create or replace function public.update_updated_at_column() returns trigger language plpgsql as
    $$ begin new.updated_at = timestamp '2025-12-12'; return new; end $$;
alter table public.conversations alter created_at set default timestamp '2025-11-01',
    alter updated_at set default timestamp '2025-11-01';
"""


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


@pytest.mark.parametrize("shape", ["as it was", "a number for feedback"])
def test_of_production_columns(
    database: Database, fresh_database: Callable[[], Database], tmp_path: Path, shape: str
) -> None:
    replayed = fresh_database()
    stage = production_columns.stage(database, tmp_path, shape, 60)
    production_columns.stage(replayed, tmp_path / "replayed", shape, 60)
    for each in (database, replayed):
        load(each, STILL)
    both = Beside.switched(stage, replayed)
    old, new = Writer(both.old, production_columns.OLD, first=500), Writer(database, production_columns.NEW)
    assert not both.write(old, new, production_columns.NEW, 5)
    assert not old.failures
    both.rollback()
