"""`plan --check`: what makes a pipeline stop, in both forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecluse.engine import journal
from ecluse.model.rehearsal import Rehearsal
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.project import read_migration
from ecluse.postgres.rehearsals import write_rehearsal
from tests.cli.conftest import MIGRATION, Here, Project, load, write_project

ADDED = """
name = "added"
[[operation]]
kind = "add_columns"
table = "public.tags"
columns = { colour = "text" }
"""


def verdicts(project: Project, *names: str, status: int = 3) -> dict[str, Any]:
    """By migration, after a check that must end so."""
    done = project.run("plan", "--check", *names, "--json")
    assert (done.status, done.err) == (status, "")
    assert done.value["ok"] is (status == 0)
    return {found["migration"]: found for found in done.value["migrations"]}


def test_from_a_new_migration_to_a_drifted_database(
    tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Here(write_project(tmp_path, database).folder, database, capture=capsys)
    load(project, 60)
    file = tmp_path / "migrations" / "uuids.toml"
    (tmp_path / "migrations" / "added.toml").write_text(ADDED)
    saved = project.run("plan", "uuids", "--save", "plan.json", "--json").value["fingerprint"]

    never = verdicts(project)
    assert {n: (v["verdict"], v["status"]) for n, v in never.items()} == {
        "added": ("not rehearsed", "pending"),
        "uuids": ("not rehearsed", "pending"),
    }
    assert never["uuids"]["hint"] == "ecluse rehearse uuids"

    digest = read_migration(file).digest
    passed = Rehearsal("uuids", saved, digest, True, "2026-11-30T01:00:00Z", "app", 180000)
    write_rehearsal(tmp_path, passed)
    assert verdicts(project, "uuids", status=0)["uuids"]["rehearsed"] == passed.at
    assert project.run("plan", "--check", "uuids", "--plan", "plan.json").status == 0
    write_rehearsal(tmp_path, replace(passed, passed=False, failures=("switch: too long",)))
    assert verdicts(project, "uuids")["uuids"]["reasons"][1:] == ["switch: too long"]
    write_rehearsal(tmp_path, passed)

    project.execute("ALTER TABLE tags ADD weight int")
    changed = verdicts(project, "uuids")["uuids"]
    assert (changed["verdict"], changed["reasons"][1]) == ("changed since", "the database changed since then")
    named = project.run("plan", "--check", "uuids", "--plan", "plan.json")
    assert named.status == 3 and "table public.tags, column weight: is new" in named.out
    project.execute("ALTER TABLE tags DROP weight")
    file.write_text(MIGRATION + 'invalid = "regenerate"\n')
    assert verdicts(project, "uuids")["uuids"]["reasons"][1].startswith("the migration file")
    file.write_text(MIGRATION)

    project.execute("INSERT INTO conversations (id, user_id) VALUES ('ann@example.com', 'u')")
    refused = verdicts(project, "uuids")["uuids"]
    assert refused["verdict"] == "refused" and "invalid-values" in refused["reasons"][0]
    assert "ann@example.com" not in str(refused)
    project.execute("DELETE FROM conversations WHERE user_id = 'u'")
    file.write_text(MIGRATION.replace("public.conversations", "public.nowhere"))
    assert verdicts(project, "uuids")["uuids"]["verdict"] == "cannot be planned"
    file.write_text(MIGRATION)

    assert project.run("apply", "uuids", "--switch").status == 0
    assert verdicts(project, "uuids", status=0)["uuids"]["status"] == "switched"
    project.execute("DROP INDEX tags_conversation_id_idx")
    drifted = project.run("plan", "--check", "uuids")
    assert drifted.status == 3
    assert "tags_conversation_id_idx" in drifted.out and "NOT ready." in drifted.out
    [drift] = project.run("plan", "--check", "uuids", "--json").value["drift"]
    assert (drift["migration"], drift["status"], len(drift["reasons"])) == ("uuids", "switched", 1)
    assert project.run("finish", "uuids", "--confirm", saved).status == 0
    assert "ecluse doctor --accept uuids" in project.run("plan", "--check", "uuids").out
    assert project.run("doctor", "--accept", "uuids").status == 0
    assert verdicts(project, "uuids", status=0)["uuids"]["status"] == "finished"


def test_what_could_not_be_asked_is_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = Database("app", "host=/nowhere dbname=x")
    project = Here(write_project(tmp_path, nowhere).folder, nowhere, capture=capsys)
    unreachable = verdicts(project, "uuids", status=1)["uuids"]
    assert unreachable["verdict"] == "not known" and "ECL110" in unreachable["reasons"][0]
    settings = project.folder / "ecluse.toml"
    known = settings.read_text(encoding="utf-8")
    settings.write_text('[databases]\napp = "env:ECLUSE_TEST_NOWHERE"\n', encoding="utf-8")
    assert verdicts(project, "uuids", status=1)["uuids"]["verdict"] == "not known"
    settings.write_text(known, encoding="utf-8")
    assert project.run("plan", "--check", "nothing").status == 2
    assert project.run("plan").status == 2
    (project.folder / "migrations" / "uuids.toml").unlink()
    none = project.run("plan", "--check")
    assert (none.status, "There is no migration" in none.out) == (1, True), "its database was not asked either"
    assert project.run("plan", "uuids", "--plan", "x").status == 2


def test_a_journal_that_the_role_may_not_read_is_told(
    tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session(database) as conn:
        journal.install(conn)
        conn.execute("CREATE ROLE modest LOGIN")
    try:
        modest = Database("app", database.conninfo + " user=modest")
        project = Here(write_project(tmp_path, modest).folder, modest, capture=capsys)
        (project.folder / "migrations" / "uuids.toml").unlink()
        done = project.run("plan", "--check", "--json")
        [drift] = done.value["drift"]
        assert (done.status, drift["asked"]) == (1, False)
        assert "permission denied for schema ecluse" in drift["reasons"][0]
    finally:
        with open_session(database) as conn:
            conn.execute("DROP ROLE modest")
