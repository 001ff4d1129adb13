"""The dry run where a run would be refused, or cannot be counted, and that it writes nothing. Counts: see `Stage`."""

from __future__ import annotations

from pathlib import Path

from ecluse.model.report import Disposition
from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import Stage, load, same

TABLES = """
CREATE TABLE people (id text PRIMARY KEY, name text, mood text NOT NULL);
CREATE TABLE notes (id int PRIMARY KEY, person text NOT NULL REFERENCES people, body text);
INSERT INTO people SELECT md5(n::text)::uuid::text, nullif('n' || n, 'n3'), 'fine' FROM generate_series(1, 8) n;
INSERT INTO people VALUES ('nobody', 'x', 'fine');
INSERT INTO notes SELECT row_number() OVER (), id, 'b' FROM people;
CREATE TABLE seen (by text);
CREATE FUNCTION spy(text) RETURNS text LANGUAGE sql AS 'INSERT INTO public.seen VALUES ($1) RETURNING by';
CREATE TABLE old_cache AS SELECT generate_series(1, 5) n;
"""

MIGRATION = """
name = "people"
[[operation]]
kind = "convert_column"
table = "public.people"
column = "id"
to = "uuid"
invalid = "{policy}"
[[operation]]
kind = "archive_table"
table = "public.old_cache"
"""

NOT_NULL = """
[[operation]]
kind = "reshape_table"
table = "public.people"
columns = { name = { type = "text not null", from = "name", back = { name = "name" } } }
"""

SPYING = """
[[operation]]
kind = "reshape_table"
table = "public.people"
columns = { mood = { type = "text not null", from = "public.spy(mood)", back = { mood = "mood" } } }
"""


def staged(database: Database, folder: Path, text: str) -> Stage:
    file = folder / "people.toml"
    file.write_text(text)
    return Stage(database, file)


def test_what_would_be_refused_and_what_cannot_be_counted(database: Database, tmp_path: Path) -> None:
    load(database, TABLES)
    before = harness.snapshot(database)

    agreed = staged(database, tmp_path, MIGRATION.format(policy="quarantine")).dry_run()
    reason = "'id' is not a UUID"
    assert agreed.dispositions[0] == Disposition("public.people", 9, 8, 0, 1, 0, {reason: 1})
    [notes] = [d for d in agreed.dispositions if d.table == "public.notes"]
    assert (notes.carried, sum(notes.reasons.values())) == (8, 1)
    assert agreed.archived == {"public.old_cache": 5}
    assert not agreed.refused

    refused = staged(database, tmp_path, MIGRATION.format(policy="refuse")).dry_run()
    assert {(u.table, u.rows_in) for u in refused.uncounted} >= {("public.people", 9)}

    nulls = staged(database, tmp_path, 'name = "people"' + NOT_NULL).dry_run()
    assert [a.nulls for a in nulls.arrivals] == [{"name": 1}]
    assert nulls.refused

    spied = staged(database, tmp_path, 'name = "people"' + SPYING).dry_run()
    assert "read-only" in spied.uncounted[0].why
    same(harness.snapshot(database), before)
