"""Recipes as a user meets them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project
from tests.supabase.conftest import drop_roles

NAME = "conversations_to_messages"


def test_recipes_are_listed_and_shown(empty: Project) -> None:
    listed = empty.run("recipes", "--json").value["recipes"]
    assert [r["name"] for r in listed] == [
        *(NAME, "production_columns", "two_databases", "self_hosted_supabase", "multi_provider")
    ]
    assert set(empty.run("recipes", NAME, "--json").value["recipes"][0]["generations"]) == {"L1", "L2", "L3"}
    unknown = empty.run("recipes", "conversations_to_mesages")
    assert unknown.status == 2
    assert f"did you mean '{NAME}'" in unknown.err


def test_init_loads_a_sample_writes_the_recipe_and_overwrites_nothing(tmp_path: Path, database: Database) -> None:
    project = write_project(tmp_path, database)
    first = project.run("init", NAME, "--sample", "L2", "--rows", "200", "--json")
    assert first.status == 0
    assert first.value["generation"] == "L2"
    file = project.folder / "migrations" / NAME / "migration.toml"
    assert f"migrations/{NAME}/migration.toml" in first.value["written"]
    file.write_text("# edited\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    again = project.run("init", NAME, "--json")
    assert f"migrations/{NAME}/migration.toml" in again.value["kept"]
    assert file.read_text(encoding="utf-8").startswith("# edited\n")
    for aside in (f"migrations/{NAME}/migration.toml.old", f"migrations/{NAME}/migration.toml.old1"):
        forced = project.run("init", NAME, "--force", "--json")
        assert (forced.value["aside"], forced.value["kept"]) == ([aside], ["ecluse.toml"])
        assert (project.folder / aside).read_text(encoding="utf-8").startswith("# edited\n")
        file.write_text("# edited\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert "ecluse.toml (it is there already)" in project.run("init", NAME).out, "--force would not write it"
    full = project.run("init", NAME, "--sample", "L2", "--json")
    assert (full.status, full.error["code"]) == (1, "ECL303")
    known = project.run("inspect", "--json").value["recipes"]
    assert known == [{"recipe": name, "generation": "L2"} for name in (NAME, "production_columns")]
    assert project.run("plan", NAME).status == 0


def test_a_recipe_says_how_to_name_the_database_it_lacks(project: Project) -> None:
    lacking = project.run("init", "two_databases", "--json")
    assert (lacking.status, lacking.error["code"]) == (2, "ECL102")
    assert lacking.error["hint"].startswith('[databases]\npeople = "env:PEOPLE_URL"')


def test_init_refuses_a_database_it_does_not_know(project: Project) -> None:
    project.execute("DROP TABLE tags; ALTER TABLE conversations DROP COLUMN question")
    result = project.run("init", NAME, "--json")
    assert (result.status, result.error["code"]) == (1, "ECL305")


@pytest.fixture
def two_databases(open_folder: Path, database: Database, second_database: Database) -> Iterator[Project]:
    """A project whose database `people` is prepared, in a folder where the server of a comparison can live."""
    people = f"[databases.people]\nurl = {json.dumps(second_database.conninfo)}\n"
    project = write_project(open_folder / "two", database, people)
    assert project.run("supabase", "prepare", "people").status == 0
    yield project
    drop_roles(second_database)
    shutil.rmtree(project.folder / "migrations")
    (project.folder / "ecluse.toml").unlink()


def test_a_recipe_of_two_databases_reads_and_writes_for_both(two_databases: Project) -> None:
    project = two_databases
    both = project.run("init", "two_databases", "--sample", "L3-profiles", "--rows", "400", "--json")
    assert (both.status, both.value["generation"]) == (0, "L3-profiles")
    assert both.value["migrations"] == ["two_databases_app", "two_databases_people"]
    assert "migrations/two_databases/README.md" in both.value["written"]
    for name in both.value["migrations"]:
        assert project.run("plan", name).status == 0
    again = project.run("init", "two_databases", "--sample", "L3", "--json")
    assert (again.status, again.error["code"]) == (1, "ECL303")
    one = project.run("init", "two_databases", "--database", "app", "--json")
    assert (one.status, one.error["hint"]) == (2, "ecluse init two_databases")


def test_what_a_recipe_of_two_databases_promises_to_each(two_databases: Project) -> None:
    project = two_databases
    assert project.run("init", "two_databases", "--sample", "L3", "--rows", "400").status == 0
    for database, lacking in (("app", "user_questions_complete"), ("people", "table public.users")):
        found = project.run("inspect", "--database", database, "--expect", "two_databases", "--json")
        assert found.status == 3
        said = [each["text"] for each in found.value["findings"] if each["state"] != "also there"]
        assert any(lacking in text for text in said), said
    # What is there already is not called different.
    assert not [each for each in found.value["findings"] if each["state"] == "differs"]
    for database in ("app", "people"):
        assert project.run("apply", f"two_databases_{database}", "--switch").status == 0
        assert project.run("verify", f"two_databases_{database}").status == 0
        found = project.run("inspect", "--database", database, "--expect", "two_databases")
        assert found.status == 0, found.out
    back = project.run("rollback", "two_databases_people")
    assert back.status == 0
    assert "the profiles are kept as two_databases_kept.users" in back.err


def test_the_sample_of_an_application_with_its_own_users(tmp_path: Path, database: Database) -> None:
    """Not prepared, it says what is missing; what it hints at works, and its memories can be imported."""
    project = write_project(tmp_path, database)
    name = "self_hosted_supabase"
    assert project.run("recipes", name, "--json").value["recipes"][0]["sample_rows"] == 100_000
    lacking = project.run("init", name, "--sample", "services", "--rows", "60", "--json")
    assert lacking.error["hint"] == f"ecluse supabase prepare app\nthen: ecluse init {name}"
    assert len(list((tmp_path / "memory").glob("memory_*.json"))) == 61
    try:
        assert project.run("supabase", "prepare", "app").status == 0
        assert project.run("init", name, "--json").value["migrations"] == [name]
        assert project.run("plan", name).status == 0
        found = project.run("import", "memory", "--leave-undated", "--json")
        assert found.status == 3, "one file is nobody's"
        assert found.value["total"]["imported"] > 60
    finally:
        drop_roles(database)
