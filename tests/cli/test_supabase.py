"""`ecluse supabase prepare` as a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project
from tests.supabase.conftest import drop_roles


@pytest.fixture(autouse=True)
def no_roles(database: Database) -> Iterator[None]:
    """Roles belong to the server: none is there before or after a test."""
    drop_roles(database)
    yield
    drop_roles(database)


def test_says_what_it_would_make_makes_it_and_then_has_nothing_to_do(project: Project) -> None:
    would = project.run("supabase", "prepare", "app", "--dry-run", "--json")
    assert would.status == 0
    todo = [step["title"] for step in would.value["steps"] if step["state"] == "to do"]
    assert {"role anon", "table auth.users", "function auth.uid()", "publication supabase_realtime"} <= set(todo)
    assert project.execute("SELECT to_regnamespace('auth')") == [(None,)]

    did = project.run("supabase", "prepare", "app")
    assert did.status == 0
    assert "  made         table auth.users\n" in did.out
    assert f"{len(todo)} parts made, 0 parts there already." in did.out
    assert "authenticator has no password yet" in did.out

    again = project.run("supabase", "prepare", "app")
    assert again.status == 0
    assert f"Nothing to do: {len(todo)} parts there already." in again.out
    assert "note:" not in again.out


def test_a_refusal_names_what_is_in_the_way_and_exits_3(project: Project) -> None:
    project.execute("CREATE SCHEMA auth; CREATE TABLE auth.users (id text)")
    result = project.run("supabase", "prepare", "app", "--json")
    assert result.status == 3
    assert result.error["code"] == "ECL401"
    assert "column auth.users.id is text, not uuid" in result.error["details"]
    assert result.error["state"] == "nothing was changed"


def test_a_protected_database_asks(project: Project, database: Database) -> None:
    guarded = write_project(project.folder, database, "protect = true\n")
    result = guarded.run("supabase", "prepare", "app", "--json")
    assert (result.status, result.error["code"]) == (1, "ECL304")
    assert guarded.run("supabase", "prepare", "nowhere").status == 2
