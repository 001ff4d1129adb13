"""`remap_ids` of numbers: what the new application writes of people whom the map never knew cannot go home."""

from __future__ import annotations

import shutil
from pathlib import Path

from ecluse.postgres.connect import Database
from tests.harness import SCENARIOS, Stage, load
from tests.supabase.conftest import ask

STRANGER = "99999999-9999-4999-8999-999999999999"


def test_rows_of_strangers_are_parked_and_all_others_go_home(database: Database, tmp_path: Path) -> None:
    case = SCENARIOS / "remap_ids" / "numbers"
    load(database, case / "before.sql")
    for name in ("migration.toml", "people.csv"):
        shutil.copy(case / name, tmp_path / name)
    stage = Stage(database, tmp_path / "migration.toml")
    stage.apply()
    stage.switch()
    load(
        database,
        f"INSERT INTO quotas VALUES ('{STRANGER}', 1); UPDATE quotas SET user_id = '{STRANGER[:-1]}8' WHERE bytes = 20",
    )
    load(database, f"INSERT INTO notes (user_id, body) VALUES ('{STRANGER}', 'a stranger')")
    load(database, "UPDATE quotas SET bytes = 31 WHERE user_id = '33333333-3333-4333-8333-333333333333'")
    stage.verify()
    stage.rollback()
    assert ask(database, "SELECT * FROM quotas ORDER BY 1") == [(1, 10), (3, 31), (4, 40), (5, 50)]
    assert ask(database, "SELECT count(*) FROM notes") == [(40,)]
    parked = "SELECT source, row->>'user_id' FROM ecluse.parked ORDER BY 1, 2"
    assert ask(database, parked) == [
        ("public.notes", STRANGER),
        ("public.quotas", f"{STRANGER[:-1]}8"),
        ("public.quotas", STRANGER),
    ]
