"""Every scenario with the old application going on after the switch, beside the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecluse.errors import WrongState
from ecluse.postgres.connect import Database
from tests import harness
from tests.beside import Beside, refused_as_marked
from tests.conftest import MAJOR
from tests.harness import Stage, Writer, case_id, lines_of, load

CASES = harness.cases()

pytestmark = pytest.mark.parametrize("case", CASES, ids=case_id)
ROUNDS = 4


def test_the_old_application_goes_on(case: Path, database: Database, fresh_database: Callable[[], Database]) -> None:
    """Old and new writers after the switch, in turns: what both wrote is there, proved, and comes home."""
    old_lines, new_lines = lines_of(case / "writers_old.sql"), lines_of(case / "writers_new.sql")
    replayed = fresh_database()
    for each in (database, replayed):
        load(each, case / "before.sql")
    if MAJOR < 15 and "ROW LEVEL SECURITY" in (case / "before.sql").read_text():
        with pytest.raises(WrongState, match="the old shape cannot be kept"):  # no views that heed policies
            Beside.switched(Stage(database, case / "migration.toml"), replayed)
        return
    both = Beside.switched(Stage(database, case / "migration.toml"), replayed)
    old, new = Writer(both.old, old_lines, first=500), Writer(database, new_lines)
    refused = both.write(old, new, lines_of(case / "writers_back.sql") or new_lines, ROUNDS)
    refused_as_marked(old, refused)
    both.rollback()
