"""Recipes as a user meets them."""

from __future__ import annotations

from pathlib import Path

from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project

NAME = "conversations_to_messages"


def test_recipes_are_listed_and_shown(empty: Project) -> None:
    listed = empty.run("recipes", "--json").value["recipes"]
    assert [r["name"] for r in listed] == [NAME, "production_columns"]
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
    full = project.run("init", NAME, "--sample", "L2", "--json")
    assert (full.status, full.error["code"]) == (1, "ECL303")
    known = project.run("inspect", "--json").value["recipes"]
    assert known == [{"recipe": name, "generation": "L2"} for name in (NAME, "production_columns")]
    assert project.run("plan", NAME).status == 0


def test_init_refuses_a_database_it_does_not_know(project: Project) -> None:
    project.execute("DROP TABLE tags; ALTER TABLE conversations DROP COLUMN question")
    result = project.run("init", NAME, "--json")
    assert (result.status, result.error["code"]) == (1, "ECL305")
