"""`ecluse doctor` as a process: what it prints, what it exits with, and what it never prints."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.checkup.registry import CHECKS
from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project


def test_all_is_well_until_it_is_not(project: Project) -> None:
    """An index that really failed half way, a table without a key, and what decides about the exit status."""
    well = project.run("doctor", "--json")
    assert (well.status, well.value["healthy"]) == (0, True), well.out
    assert well.value["counts"]["wrong"] == well.value["counts"]["warning"] == well.value["counts"]["unseen"] == 0
    (found,) = well.value["databases"]
    reached = {check.id for check in CHECKS if check.scope == "database"}
    assert {f["id"] for f in found["findings"]} == reached
    project.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
    warned = project.run("doctor")
    assert (warned.status, "Nothing is wrong; 1 warning." in warned.out) == (0, True)
    assert "warning  no-primary-key  public.t has no primary key" in warned.out
    assert project.run("doctor", "--strict", "--json").status == 3
    with pytest.raises(psycopg.errors.UniqueViolation):
        project.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)")
    sick = project.run("doctor")
    assert sick.status == 3
    assert "WRONG  invalid-index  index broken of public.t is INVALID" in sick.out
    assert 'fix: REINDEX INDEX CONCURRENTLY "public"."broken"' in sick.out
    assert "means: CREATE or REINDEX INDEX CONCURRENTLY failed half way" in sick.out
    assert "Something is wrong: 1 wrong, 1 warning." in sick.out
    value = project.run("doctor", "--json", "--only", "tables").value
    (index, key) = (f for f in value["databases"][0]["findings"] if f["level"] != "good")
    assert index == {
        "id": "invalid-index",
        "level": "wrong",
        "object": '"public"."broken"',
        "found": "index broken of public.t is INVALID",
        "means": index["means"],
        "fix": 'REINDEX INDEX CONCURRENTLY "public"."broken"',
        "seen": True,
    }
    assert key["id"] == "no-primary-key"


def test_the_settings_of_the_project(tmp_path: Path) -> None:
    """One under another name; with the settings alone, no database is asked."""
    project = write_project(tmp_path, Database("app", "postgresql://me:hunter2@127.0.0.1:1/d"))
    (tmp_path / "app.py").write_text('import os\nkey = os.environ["SUPABASE_KEY"]\n', encoding="utf-8")
    (tmp_path / ".env").write_text("SUPABASE_ANON_KEY=hunter3\n", encoding="utf-8")
    told = project.run("doctor", "--only", "settings")
    assert told.status == 3
    assert "app.py:2 asks for SUPABASE_KEY, and what is set is SUPABASE_ANON_KEY" in told.out
    assert "fix: SUPABASE_KEY=<the value of SUPABASE_ANON_KEY>   # beside it, in .env" in told.out
    assert "connection-refused" not in told.out
    unreachable = project.run("doctor", "--json")
    assert (unreachable.status, unreachable.value["databases"][0]["findings"][0]["id"]) == (3, "connection-refused")
    assert "hunter" not in told.out + told.err + unreachable.out + unreachable.err


def test_several_databases_and_one_that_is_not_there(project: Project) -> None:
    """Each is looked at; a variable that is not set and a role that is unknown are findings of theirs."""
    stranger = make_conninfo(project.database.conninfo, user="nobody_here", password="hunter2")
    with (project.folder / "ecluse.toml").open("a", encoding="utf-8") as settings:
        settings.write(f'\n[databases]\nlater = "env:ECLUSE_TEST_NOWHERE"\nother = "{stranger}"\n')
    found = project.run("doctor", "--json")
    first = {d["name"]: d["findings"][0]["id"] for d in found.value["databases"]}
    assert (first["later"], first["other"]) == ("variable-not-set", "no-such-role")
    assert (found.status, "hunter2" in found.out + found.err) == (3, False)


def test_the_list_of_checks_and_a_word_that_is_none(empty: Project) -> None:
    listed = empty.run("doctor", "--list").out
    assert [check.id for check in CHECKS if f"  {check.id} ({check.level}): {check.title}" not in listed] == []
    assert "    fix: REINDEX INDEX CONCURRENTLY <schema>.<name>" in listed
    unknown = empty.run("doctor", "--only", "invalid-indx", "--json")
    assert (unknown.status, unknown.error["code"]) == (2, "ECL100")
    assert "did you mean 'invalid-index'" in unknown.error["message"]


def test_a_project_without_a_database_is_not_well(empty: Project) -> None:
    (empty.folder / "ecluse.toml").write_text("[databases]\n", encoding="utf-8")
    nothing = empty.run("doctor")
    assert (nothing.status, "Nothing is wrong" in nothing.out) == (3, False)
    unknown = empty.run("doctor", "--database", "production", "--json")
    assert (unknown.status, unknown.error["code"]) == (2, "ECL102")
