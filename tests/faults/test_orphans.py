"""Rows that refer to no row: told before the run where a validated key forbids them, kept where none does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ecluse.errors import PlanRefused
from ecluse.postgres.connect import Database
from tests import harness
from tests.faults.conftest import sql
from tests.harness import Stage

THINGS = """
CREATE TABLE things (id text PRIMARY KEY);
CREATE TABLE parts (id int PRIMARY KEY, thing text CONSTRAINT parts_thing REFERENCES things);
CREATE INDEX ON parts (thing);
INSERT INTO things SELECT md5('t' || n)::uuid::text FROM generate_series(1, 20) n;
INSERT INTO parts SELECT n, md5('t' || n)::uuid::text FROM generate_series(1, 20) n;
INSERT INTO parts VALUES (21, NULL);
"""
# As a tool that loads dumps leaves them.
ORPHANS = """
SET session_replication_role = replica;
DELETE FROM things WHERE id IN (md5('t1')::uuid::text, md5('t2')::uuid::text);
RESET session_replication_role;
"""
NOT_VALID = """
ALTER TABLE parts DROP CONSTRAINT parts_thing;
ALTER TABLE parts ADD CONSTRAINT parts_thing FOREIGN KEY (thing) REFERENCES things NOT VALID;
"""


ONE_MORE = "DELETE FROM things WHERE id = md5('t3')::uuid"


def test_orphans_of_a_validated_key_are_refused_before_anything_is_copied(
    database: Database, staged: Callable[..., Stage]
) -> None:
    stage = staged(database, THINGS + ORPHANS, "things")
    before = harness.snapshot(database)
    (refused,) = stage.plan().refused
    assert (refused.id, refused.object) == ("orphans", "public.parts")
    assert "2 rows of public.parts refer to no row of public.things" in refused.message
    with pytest.raises(PlanRefused):
        stage.apply()
    harness.same(harness.snapshot(database), before)
    listed = sql(stage, refused.hint.partition("\n")[2])
    assert sorted(row[0] for row in listed) == [1, 2]
    sql(stage, "UPDATE parts SET thing = NULL WHERE id <= 2")
    assert stage.plan().refused == ()


def test_those_of_a_key_that_is_not_valid_stay_and_no_more_come(
    database: Database, staged: Callable[..., Stage]
) -> None:
    stage = staged(database, THINGS + ORPHANS + NOT_VALID, "things")
    before = harness.snapshot(database)
    assert stage.apply() == "ready"
    stage.switch()
    stage.verify()
    assert sql(stage, "SELECT convalidated FROM pg_constraint WHERE conname = 'parts_thing'") == [(False,)]
    sql(stage, f"SET session_replication_role = replica; {ONE_MORE}")
    with pytest.raises(AssertionError, match="1 rows refer to no row of"):
        stage.verify()
    sql(stage, "INSERT INTO things VALUES (md5('t3')::uuid)")
    stage.rollback()
    harness.same(harness.snapshot(database), before)
