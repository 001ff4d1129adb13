"""Conversions to an enum: what the plan says and refuses, and what comes home."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.errors import EcluseError, MigrationFileError
from ecluse.postgres.connect import Database, open_session
from tests.harness import Stage, load

TABLES = """
CREATE TYPE public.sport AS ENUM ('run', 'ride', 'other');
CREATE TYPE public.twins AS ENUM ('run', 'Run');
CREATE TABLE activities (id integer PRIMARY KEY, kind text NOT NULL, written text);
INSERT INTO activities VALUES (1, 'Run'), (2, 'Kitesurf'), (3, 'Kitesurf'), (4, 'ride');
"""
HEAD = """
name = "labels"
[[operation]]
kind = "convert_column"
table = "public.activities"
column = "kind"
to = "public.sport"
"""


def stage(database: Database, folder: Path, words: str, head: str = HEAD) -> Stage:
    load(database, TABLES)
    (folder / "labels.toml").write_text(head + words)
    return Stage(database, folder / "labels.toml")


def test_a_text_without_a_label_is_refused_with_its_count(database: Database, tmp_path: Path) -> None:
    plan = stage(database, tmp_path, "").plan()
    [refused] = plan.refused
    assert (
        "2 of 4 values of public.activities.kind do not fit and are refused (masked, like xxxxxxxx)" in refused.message
    )
    assert "values = " in refused.hint and "other = " in refused.hint


def test_the_plan_counts_the_rows_of_each_label(database: Database, tmp_path: Path) -> None:
    plan = stage(database, tmp_path, 'other = "other"').plan()
    told = [hazard.message for hazard in plan.hazards]
    assert "public.activities.kind becomes: 2 other, 1 ride, 1 run" in told
    assert any("2 of 4 values" in text and "get the label of all others" in text for text in told)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('other = "rest"', "has no label 'rest'"),
        ('values = { Kitesurf = "surf" }', "has no label 'surf'"),
        ('values = { RUN = "ride" }', "'RUN' becomes 'ride', and is 'run' besides"),
        ('other = "other"\nraw = "written"', "has a column 'written' already"),
        ('other = "other"\ninvalid = "regenerate"', "a label cannot be made up"),
        ('other = "other"\nusing = "x"\nback = "x"', "is for conversions to an enum"),
    ],
)
def test_wrong_words_are_refused_by_line(database: Database, tmp_path: Path, words: str, said: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        stage(database, tmp_path, words).plan()
    assert said in caught.value.message and "labels.toml, line" in caught.value.message


def test_labels_that_differ_only_in_case_are_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(MigrationFileError, match="differ only in case"):
        stage(database, tmp_path, "", HEAD.replace("public.sport", "public.twins")).plan()


def test_a_type_that_is_not_there_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(EcluseError) as caught:
        stage(database, tmp_path, "", HEAD.replace("public.sport", "public.sports")).plan()
    assert "or an enum that is there" in caught.value.message and "create_enum" in caught.value.hint


def test_what_the_new_application_leaves_out_is_not_taken_for_a_loss(database: Database, tmp_path: Path) -> None:
    it = stage(database, tmp_path, 'other = "other"\nraw = "as_written"')
    it.apply()
    it.switch()
    load(
        database,
        "INSERT INTO activities (id, kind, as_written) VALUES (5, 'run', NULL), (6, 'other', 'Yoga');"
        "INSERT INTO activities (id, kind, as_written) VALUES (7, 'run', 'Yoga');"
        "UPDATE activities SET as_written = NULL WHERE id = 4",
    )
    it.verify()
    it.rollback()
    with open_session(database, role="test") as conn:
        assert conn.execute("SELECT id, kind FROM public.activities ORDER BY id").fetchall() == [
            *((1, "Run"), (2, "Kitesurf"), (3, "Kitesurf"), (4, "ride"), (5, "run"), (6, "Yoga"), (7, "run")),
        ]
        parked = conn.execute("SELECT key FROM ecluse.parked").fetchall()
    assert parked == [("(7)",)]  # that Yoga is a run, the old shape cannot say


@pytest.mark.parametrize("raw", ["", 'raw = "kind_raw"'])
def test_a_label_that_the_enum_before_does_not_have_keeps_nobody_from_a_rollback(
    database: Database, tmp_path: Path, raw: str
) -> None:
    it = stage(database, tmp_path, f'values = {{ Swim = "run" }}\n{raw}')
    load(
        database,
        "CREATE TYPE was AS ENUM ('Run', 'Swim', 'ride'); DELETE FROM activities WHERE kind = 'Kitesurf';"
        "ALTER TABLE activities ALTER kind TYPE was USING kind::was",
    )
    it.apply()
    it.switch()
    load(database, "INSERT INTO activities (id, kind) VALUES (5, 'run'), (6, 'other')")
    it.verify()
    it.rollback()
    with open_session(database, role="test") as conn:
        home = conn.execute("SELECT id, kind::text FROM public.activities ORDER BY 1").fetchall()
        parked = conn.execute("SELECT key FROM ecluse.parked").fetchall()
    assert home == [(1, "Run"), (4, "ride"), (5, "Run")]
    assert ("(6)",) in parked


@pytest.mark.parametrize("key", ["UNIQUE (written, kind)", "UNIQUE (kind)"])
def test_rows_that_a_label_would_make_equal_are_refused_by_the_plan(
    database: Database, tmp_path: Path, key: str
) -> None:
    it = stage(database, tmp_path, 'other = "other"')
    load(
        database,
        "UPDATE activities SET written = 'x'; UPDATE activities SET kind = 'Surf' WHERE id = 3;"
        f"ALTER TABLE activities ADD CONSTRAINT once {key}",
    )
    [refused] = it.plan().refused
    assert "1 " in refused.message and "would become equal to another" in refused.message
