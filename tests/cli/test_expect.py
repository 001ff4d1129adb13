"""`ecluse inspect --expect` as a user meets it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project

TABLE = "create table public.notes (id integer primary key, body text);"


@pytest.fixture
def noted(open_folder: Path, database: Database) -> Iterator[Project]:
    """A database with one table; in a folder where the server of the comparison can live."""
    project = write_project(open_folder / "noted", database)
    project.execute(TABLE)
    yield project
    for path in (project.folder / "migrations", project.folder / "ecluse.toml"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_exit_three_where_it_differs_and_zero_where_not(noted: Project) -> None:
    schema = noted.folder / "schema.sql"
    schema.write_text(TABLE)
    same = noted.run("inspect", "--expect", "schema.sql")
    assert (same.status, same.out.strip().endswith("ok")) == (0, True)
    schema.write_text(TABLE + "alter table notes add column title text default 'none';")
    found = noted.run("inspect", "--expect", "schema.sql", "--json")
    assert found.status == 3
    assert [(f["state"], f["what"]) for f in found.value["findings"]] == [("missing", "column title")]
    told = noted.run("inspect", "--expect", "schema.sql")
    assert told.status == 3
    assert "table public.notes, column title (text)" in told.out
    (noted.folder / "migrations" / "as_expected.toml").write_text(found.value["migration"])
    assert found.value["migration"] in told.out
    assert noted.run("apply", "as_expected", "--switch").status == 0
    assert noted.run("inspect", "--expect", "schema.sql").status == 0


def test_a_saved_schema_and_a_role_that_is_not_there(noted: Project) -> None:
    assert noted.run("inspect", "--save", "schema.json").status == 0
    assert noted.run("inspect", "--expect", "schema.json").status == 0
    (noted.folder / "schema.sql").write_text(TABLE + "grant select on notes to expect_reader;")
    found = noted.run("inspect", "--expect", "schema.sql", "--json")
    assert ("role", "expect_reader") in {(f["kind"], f["object"]) for f in found.value["findings"]}
    assert "#   role expect_reader" in found.value["migration"]


def test_a_recipe_is_expected_before_and_after_it(tmp_path: Path, open_folder: Path, database: Database) -> None:
    project = write_project(open_folder / "recipe", database)
    name = "production_columns"
    assert project.run("init", name, "--sample", "L2", "--rows", "50").status == 0
    before = project.run("inspect", "--expect", name, "--json")
    assert (before.status, before.value["migration"]) == (3, f"# ecluse init {name}\n")
    missing = {f["what"] for f in before.value["findings"] if f["state"] == "missing"}
    assert missing == {"column response_source", "column processing_time_ms", "column response_confidence"}
    assert project.run("apply", name, "--switch").status == 0
    assert project.run("inspect", "--expect", name).status == 0
    assert project.run("inspect", "--expect", "conversations_to_messages").status == 3


def test_what_cannot_be_expected(noted: Project) -> None:
    found = noted.run("inspect", "--expect", "nowhere.sql", "--json")
    assert (found.status, found.error["code"]) == (2, "ECL206")
    assert "production_columns" in found.error["hint"]


def test_several_databases_in_one_call(noted: Project, second_database: Database) -> None:
    with (noted.folder / "ecluse.toml").open("a") as settings:
        settings.write(f"[databases.people]\nurl = {json.dumps(second_database.conninfo)}\n")
    (noted.folder / "schema.sql").write_text(TABLE)
    (noted.folder / "none.sql").write_text("select 1;")
    both = ("inspect", "--expect", "app=schema.sql", "--expect")
    assert noted.run(*both, "people=none.sql").status == 0
    found = noted.run(*both, "people=schema.sql", "--json")
    assert (found.status, found.value["fits"]) == (3, False)
    assert [(one["expected"], one["fits"]) for one in found.value["databases"]] == [
        ("schema.sql", True),
        ("schema.sql", False),
    ]
    assert 'database = "people"' in found.value["databases"][1]["migration"]
    told = noted.run(*both, "people=schema.sql")
    assert told.status == 3
    assert told.out.index("ok") < told.out.index("table public.notes")
    (noted.folder / "a=b.sql").write_text(TABLE)
    assert noted.run("inspect", "--expect", "a=b.sql", "--database", "app").status == 0
    wrong = noted.run(*both, "peple=schema.sql")
    assert wrong.status == 2 and "did you mean 'people'" in wrong.err
    assert noted.run(*both, "people=none.sql", "--database", "app").status == 2
