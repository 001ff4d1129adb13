"""`ecluse identity`: what it prints, what it does not show, and its exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.cli.conftest import Project
from tests.identity.world import APPLICATION, PEOPLE

IDENTITY = """
[[identity.source]]
database = "people"
table = "auth.users"
auth = "id"
email = "email"
deleted = "deleted_at"

[[identity.source]]
database = "people"
table = "public.users"
profile = "id"
auth = "auth_user_id"
email = "email"

[[identity.source]]
database = "app"
table = "members"
legacy = "id"
email = "email"

[[identity.column]]
database = "app"
table = "conversations"
column = "user_id"
holds = "auth"
"""


@pytest.fixture
def two(tmp_path: Path, database: Database, second_database: Database) -> Project:
    """A project with both databases and its people."""
    for one, sql in ((database, APPLICATION), (second_database, PEOPLE)):
        with psycopg.connect(one.conninfo, autocommit=True) as conn:
            conn.execute(sql.encode())
    urls = {"app": database.conninfo, "people": second_database.conninfo}
    settings = "[databases]\n" + "".join(f"{name} = {json.dumps(url)}\n" for name, url in urls.items())
    (tmp_path / "ecluse.toml").write_text(settings + IDENTITY)
    return Project(tmp_path, database)


def test_from_an_audit_to_a_map(two: Project) -> None:
    clean = two.run("identity", "audit")
    assert clean.status == 0 and clean.out.endswith("Nothing is wrong.\n"), clean.out + clean.err

    two.execute("UPDATE conversations SET user_id = 'user3@example.org' WHERE id = 1")
    two.execute("UPDATE conversations SET user_id = 'stranger@example.org' WHERE id = 2")
    told = two.run("identity", "audit")
    assert told.status == 3
    assert "wrong identity  app: public.conversations.user_id" in told.out and "u***@example.org" in told.out
    assert "user3@example.org" not in told.out and "stranger" not in told.out
    assert "stranger@example.org" in two.run("identity", "audit", "--show-values").out
    value = two.run("identity", "audit", "--json").value
    assert not value["clean"] and {f["fault"] for f in value["findings"]} == {"wrong identity", "orphan"}

    mapped = two.run("identity", "map", "-o", "ids.csv", "--json")
    assert mapped.status == 3
    assert mapped.value["mapped"] == 1 and mapped.value["refused"] == [
        {"value": "s***@example.org", "reason": "absent: no source knows it"}
    ]
    lines = (two.folder / "ids.csv").read_text().splitlines()
    assert lines[0] == "old_value,uuid,evidence" and lines[1].startswith("user3@example.org,")
    again = two.run("identity", "map", "app:conversations.user_id", "-o", "ids.csv")
    assert again.status == 2 and "not overwritten" in again.err


def test_wrong_usage_is_told(two: Project) -> None:
    for column, message in (
        ("conversations.user_id", "is not a column"),
        ("apq:conversations.user_id", "did you mean 'app'"),
        ("app:conversations.usr_id", "did you mean 'user_id'"),
    ):
        told = two.run("identity", "map", column, "-o", "ids.csv")
        assert told.status in (1, 2) and message in told.err, told.err
    assert not (two.folder / "ids.csv").exists()
    settings = two.folder / "ecluse.toml"
    settings.write_text(settings.read_text().replace(IDENTITY, ""))
    told = two.run("identity", "audit")
    assert told.status == 2 and "[[identity.source]]" in told.err


def test_a_database_that_is_away_stops_a_map_and_is_told_by_the_audit(two: Project) -> None:
    settings = two.folder / "ecluse.toml"
    lines = [
        line if not line.startswith("people") else 'people = "env:NOT_SET"'
        for line in settings.read_text().splitlines()
    ]
    settings.write_text("\n".join(lines))
    audit = two.run("identity", "audit", "--json")
    assert audit.status == 3 and {f["fault"] for f in audit.value["findings"]} == {"unreachable"}
    mapped = two.run("identity", "map", "-o", "ids.csv", "--json")
    assert (mapped.status, mapped.error["code"]) == (1, "ECL113")
    assert not (two.folder / "ids.csv").exists()


def test_from_an_audit_to_rows_under_the_right_ids_and_back(two: Project) -> None:
    two.execute("UPDATE conversations SET user_id = 'User3@example.org' WHERE id = 1")
    two.execute("UPDATE conversations SET user_id = md5('profile4')::uuid WHERE id = 2")
    assert two.run("identity", "audit").status == 3
    assert two.run("identity", "map", "app:conversations.user_id", "-o", "ids.csv").status == 0
    (two.folder / "migrations").mkdir(exist_ok=True)
    (two.folder / "migrations" / "who_is_who.toml").write_text(
        'name = "who_is_who"\n[[operation]]\nkind = "remap_ids"\nmap = "../ids.csv"\nto = "uuid"\n'
        'columns = [{ table = "conversations", column = "user_id" }]\n'
    )
    planned = two.run("plan", "who_is_who")
    assert planned.status == 0, planned.out + planned.err
    assert "31 of 60 values of public.conversations.user_id become the ids that the map has" in planned.out
    assert two.run("apply", "who_is_who", "--switch").status == 0
    assert two.run("identity", "audit").status == 0
    assert two.run("rollback", "who_is_who", "--yes").status == 0
    assert two.run("identity", "audit").status == 3
