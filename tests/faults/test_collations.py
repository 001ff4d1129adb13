"""Columns whose collation takes different texts for equal: on every server that was built with ICU."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests import harness
from tests.faults.conftest import sql, there_and_back
from tests.harness import Stage

LOOSE = (
    "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    "CREATE TABLE things (id text COLLATE {key} PRIMARY KEY, n text COLLATE ci {unique}, person text COLLATE ci);"
    "CREATE TABLE parts (id int PRIMARY KEY, thing text COLLATE {key} REFERENCES things ON UPDATE CASCADE);"
    "INSERT INTO things SELECT md5('t' || n)::uuid::text, 'Wört ' || n,"
    " CASE n % 2 WHEN 0 THEN 'Ann ' ELSE 'ANN ' END || n % 5 FROM generate_series(1, 50) n;"
    "INSERT INTO parts SELECT n, md5('t' || n)::uuid::text FROM generate_series(1, 20) n;"
)


@pytest.fixture
def loose(any_server_database: Database, staged: Callable[..., Stage]) -> Callable[..., Stage]:
    """Makes a stage whose columns compare without regard to case, where the server can do that."""

    def make(key: str = '"C"', unique: str = "", more: str = "") -> Stage:
        try:
            return staged(any_server_database, LOOSE.format(key=key, unique=unique), "things", more=more)
        except psycopg.errors.FeatureNotSupported as error:
            assert "ICU" in str(error)
            pytest.skip("the server was built without ICU")

    return make


def refused(stage: Stage) -> list[str]:
    return [h.object for h in stage.plan().refused if h.id == "nondeterministic-collation"]


@pytest.mark.parametrize("key", ['"C"', "ci"])
def test_there_and_back(loose: Callable[..., Stage], key: str) -> None:
    """Of another column, and of the key itself."""
    there_and_back(loose(key, "UNIQUE"), "nondeterministic-collation")


def test_references_that_are_written_otherwise_than_their_key(loose: Callable[..., Stage]) -> None:
    stage = loose("ci", more='invalid = "quarantine"')
    sql(stage, "INSERT INTO things VALUES ('No uuid', 'bad'), ('nor {this}', 'worse')")
    sql(stage, "UPDATE parts SET thing = upper(thing) WHERE id < 5", "INSERT INTO parts VALUES (99, 'NO UUID')")
    before = harness.snapshot(stage.database)
    stage.apply()
    sql(stage, "UPDATE things SET person = 'changed' WHERE id = 'NO UUID'")
    stage.switch()
    stage.verify()
    assert sql(stage, "SELECT count(*) FROM parts JOIN things ON things.id = thing") == [(20,)]
    stage.rollback()
    sql(stage, "UPDATE things SET person = NULL WHERE id = 'NO UUID'")
    harness.same(harness.snapshot(stage.database), before)


def test_new_values_are_not_made_of_texts_that_are_only_equal(loose: Callable[..., Stage]) -> None:
    assert refused(loose("ci", more='invalid = "regenerate"')) == ["public.things.id"]


def test_rows_are_not_merged_by_texts_that_are_only_equal(loose: Callable[..., Stage]) -> None:
    stage = loose()
    merge = 'name = "ids"\n[[operation]]\nkind = "merge_rows"\ntable = "public.things"\nby = "person"\norder_by = "n"\n'
    stage.file.write_text(merge)
    sql(stage, "DROP TABLE parts")
    assert refused(stage) == ["public.things.person"]
    sql(stage, 'ALTER TABLE things ALTER person TYPE text COLLATE "C"')
    assert stage.apply() == "ready"
    stage.switch()
    assert sql(stage, "SELECT count(*) FROM things") == [(10,)]
