"""A protected database is changed by a plan that passed its rehearsal, or with a reason that is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from ecluse.model.rehearsal import Rehearsal
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.rehearsals import write_rehearsal
from tests.cli.conftest import load, write_project


def test_a_protected_database_wants_a_rehearsal_of_this_very_plan(tmp_path: Path, database: Database) -> None:
    project = write_project(tmp_path, database, "protect = true\n")
    load(project, 100)
    fingerprint = project.run("plan", "uuids", "--json").value["fingerprint"]
    passed = Rehearsal("uuids", fingerprint, "", True, "2026-11-30T01:00:00Z", "app", 180000)

    never = project.run("apply", "uuids", "--yes", "--json")
    assert (never.status, never.error["code"]) == (1, "ECL307")
    assert "was not rehearsed" in never.error["message"] and "ecluse rehearse uuids" in never.error["hint"]
    write_rehearsal(tmp_path, replace(passed, fingerprint="0" * 12))
    assert "and 000000000000 was rehearsed" in project.run("apply", "uuids", "--yes", "--json").error["message"]
    write_rehearsal(tmp_path, replace(passed, passed=False, failures=("switch: it took too long",)))
    assert project.run("apply", "uuids", "--yes", "--json").error["details"] == "switch: it took too long"
    assert project.run("apply", "uuids", "--yes", "--without-rehearsal", " ").status == 2
    assert project.execute("SELECT to_regnamespace('ecluse')") == [(None,)], "nothing was changed"

    write_rehearsal(tmp_path, passed)
    assert project.run("apply", "uuids", "--yes").status == 0
    assert project.run("status", "--json").value["runs"][0]["without_rehearsal"] == ""
    write_rehearsal(tmp_path, replace(passed, passed=False))
    assert project.run("apply", "uuids", "--yes").status == 0, "a run that has begun goes on"
    assert project.run("rollback", "uuids", "--yes").status == 0

    assert project.run("apply", "uuids", "--yes", "--without-rehearsal", "tried on staging").status == 0
    assert "not rehearsed: tried on staging" in project.run("status").out
    assert project.run("rollback", "uuids", "--yes").status == 0
    kept = project.run("status", "--all", "--json").value["runs"][0]
    assert (kept["status"], kept["without_rehearsal"]) == ("rolled_back", "tried on staging")


def test_an_origin_that_is_protected_wants_it_too(
    tmp_path: Path, database: Database, second_database: Database
) -> None:
    url = json.dumps(second_database.conninfo)
    project = write_project(tmp_path, database, f"[databases.old]\nurl = {url}\nprotect = true\n")
    with open_session(second_database) as conn:
        conn.execute("CREATE TABLE public.notes (id int PRIMARY KEY, word text)")
    (tmp_path / "migrations" / "notes.toml").write_text(
        'name = "notes"\n[[operation]]\nkind = "move_table"\nfrom = "old"\ntable = "public.notes"\n'
    )
    refused = project.run("apply", "notes", "--yes", "--json")
    assert (refused.status, refused.error["code"]) == (1, "ECL307"), refused
    assert "'old'" in refused.error["message"]
