"""Every scenario with the old application going on after the switch, beside the new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.model.names import ident
from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import OLD_APPLICATION, OPTIONS, Stage, Writer, case_id, lines_of, load, same_rows, same_structure

CASES = harness.cases()

pytestmark = pytest.mark.parametrize("case", CASES, ids=case_id)
ROUNDS = 4


def kept_rows_are_shown(database: Database, old: Database, stage: Stage) -> None:
    """Each old table, as the old application reads it, has the rows that are kept, but for those in quarantine."""
    name = stage.name
    with psycopg.connect(database.conninfo, autocommit=True) as here, psycopg.connect(old.conninfo) as there:
        for (table,) in here.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v')",
            (f"ecluse_kept_{name}",),
        ).fetchall():
            query = 'SELECT t::text FROM {} t ORDER BY t::text COLLATE "C"'
            kept = [row[0] for row in here.execute(query.format(f"ecluse_kept_{name}.{ident(table)}").encode())]
            shown = [row[0] for row in there.execute(query.format(ident(table)).encode())]
            held = here.execute(
                "SELECT count(*) FROM ecluse.quarantine WHERE source LIKE %s", (f"%.{table}",)
            ).fetchone()
            assert held is not None
            assert not set(shown) - set(kept), table
            assert len(kept) - len(shown) == held[0], table


def test_the_old_application_goes_on(case: Path, database: Database, fresh_database: Callable[[], Database]) -> None:
    """Old and new writers after the switch, in turns: what both wrote is there, proved, and comes home."""
    old_lines, new_lines = lines_of(case / "writers_old.sql"), lines_of(case / "writers_new.sql")
    replayed = fresh_database()
    for each in (database, replayed):
        load(each, case / "before.sql")
    before = harness.snapshot(database)
    there = harness.old_application(database)
    stage = Stage(database, case / "migration.toml", replace(OPTIONS, old_shape_for=(OLD_APPLICATION,)))
    assert stage.apply() == "ready"
    stage.switch()
    kept_rows_are_shown(database, there, stage)

    old, new = Writer(there, old_lines, first=500), Writer(database, new_lines)
    again_old, again_new = (
        Writer(replayed, old_lines),
        Writer(replayed, lines_of(case / "writers_back.sql") or new_lines),
    )
    for _ in range(ROUNDS):
        for writer, again in ((old, again_old), (new, again_new)):
            done = len(writer.committed)
            writer.rounds(1)
            again.repeat(writer.committed[done:])
    assert {line for line, _ in old.committed} == set(range(len(old_lines))), old.failures
    assert not old.failures
    stage.verify()
    stage.rollback()
    back = harness.snapshot(database)
    same_structure(back.catalog, before.catalog)
    same_rows(back, harness.snapshot(replayed))
    with psycopg.connect(there.conninfo) as conn:
        assert conn.execute("SHOW search_path").fetchone() == ('"$user", public',)
