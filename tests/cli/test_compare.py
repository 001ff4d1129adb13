"""`ecluse compare` as a process: its data, its words, its exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecluse.cli import main
from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, Result, write_project

TABLES = """
CREATE TABLE {name} (id int PRIMARY KEY, email text, access_token text, made timestamptz, document jsonb);
INSERT INTO {name} SELECT i, 'p' || i || '@example.com', 't' || i, '2024-01-01Z', '{{"a": 1, "b": 2}}'
    FROM generate_series(1, 30) i
"""


@pytest.fixture
def pair(tmp_path: Path, database: Database, second_database: Database) -> Project:
    """Two databases of one project, each with a table of 30 people."""
    extra = f"[databases.new]\nurl = {json.dumps(second_database.conninfo)}\n"
    project = write_project(tmp_path, database, extra)
    project.execute(TABLES.format(name="people"))
    Project(tmp_path, second_database).execute(TABLES.format(name="accounts"))
    return project


def test_equal_tables_and_what_differs(pair: Project, second_database: Database) -> None:
    equal = pair.run("compare", "people", "new:public.accounts")
    assert (equal.status, equal.err) == (0, "")
    assert "5 columns compared; key: id" in equal.out and "A and B are equal." in equal.out
    Project(pair.folder, second_database).execute(
        "UPDATE accounts SET email = 'Somebody@example.com', access_token = 'hidden' WHERE id = 7; "
        "DELETE FROM accounts WHERE id = 9; INSERT INTO accounts (id, email) VALUES (31, 'new@example.com'); "
        "ALTER TABLE accounts RENAME document TO notes"
    )
    found = pair.run("compare", "app:people", "new:accounts", "--json")
    assert found.status == 3 and found.err == ""
    value = found.value
    assert (value["equal"], value["a"]["rows"], value["b"]["rows"]) == (False, 30, 30)
    assert (value["only_in_a"], value["only_in_b"], value["key"]) == (["document"], ["notes"], ["id"])
    assert [(d["key"], d["kind"], d["columns"]) for d in value["differences"]] == [
        ("7", "different", ["email", "access_token"]),
        ("31", "extra", []),
        ("9", "missing", []),
    ]
    assert "example.com" not in found.out and "hidden" not in found.out
    shown = pair.run(
        "compare", "people", "new:accounts", "--show-values", "--exclude", "notes", "--exclude", "document"
    )
    assert shown.status == 3
    assert "different: 7 in email, access_token" in shown.out
    assert "email: 'p7@example.com' | 'Somebody@example.com'" in shown.out
    assert "access_token: '***' | '***'" in shown.out and "hidden" not in shown.out
    assert "only in A: 9" in shown.out and "only in B: 31" in shown.out
    assert "A and B are NOT equal: 3 rows." in shown.out
    few = pair.run("compare", "people", "new:accounts", "--limit", "1")
    assert "and 2 more rows" in few.out and "hint: --exclude document,notes" in few.out


def called(capsys: pytest.CaptureFixture[str], *words: str) -> Result:
    """The command in this process, which starts sooner."""
    capsys.readouterr()
    status = main.run(["compare", *words])
    out, err = capsys.readouterr()
    return Result(status, out, err)


def test_another_way_to_say_it_is_compared_as_well(
    pair: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pair.folder)
    pair.execute("CREATE TABLE ids AS SELECT id AS old, id + 100 AS new FROM people")
    pair.execute("CREATE TABLE later AS SELECT id + 100 AS id, upper(email) AS address FROM people")
    words = ("people", "later", "--exclude", "access_token,made,document", "--map", "address = upper(email)")
    for more in (("--map", "id=id + 100"), ("--key-map", "ids(old, new)"), ("--map", '"id" = m.id+100', "--key", "id")):
        found = called(capsys, *words, "--where", "id > 103", *more, "--json")
        assert (found.status, found.value["b"]["rows"], found.value["key"]) == (0, 27, ["id"]), found
    assert called(capsys, *words, "--exclude", "email").status == 3
    queries = ("SELECT id, email FROM public.people", "new:SELECT id, email FROM public.accounts WHERE id::int > 0;")
    assert called(capsys, "--query", *queries, "--key", "id").status == 0


REFUSED = {
    ("people", "new:accouns"): (1, "ECL204", "did you mean 'public.accounts'"),
    ("nowhere:people", "people"): (2, "ECL102", "'nowhere' is not a database"),
    ("people", "a.b.c"): (2, "ECL100", "not the name of a table"),
    ("people", "people", "--map", "email"): (2, "ECL100", "not 'column = expression'"),
    ("people", "people", "--map", "id=1", "--map", "id=2"): (2, "ECL100", "twice for one column"),
    ("people", "people", "--key-map", "ids"): (2, "ECL100", "does not name two columns"),
    ("people", "people", "--key-map", "none.csv(a,b)"): (2, "ECL100", "'none.csv' cannot be read"),
    ("people", "people", "--query"): (2, "ECL100", "--query:"),
    ("DELETE FROM public.people", "SELECT 1", "--query"): (2, "ECL100", "it is not a query"),
    ("people", "people", "--where", "email ~ '('"): (1, "ECL602", "regular expression"),
}


def test_what_is_refused_says_why(
    pair: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pair.folder)
    for words, (status, code, message) in REFUSED.items():
        refused = called(capsys, *words, "--json")
        assert (refused.status, refused.error["code"], refused.out) == (status, code, ""), refused.err
        assert message in refused.error["message"]
    assert pair.execute("SELECT count(*) FROM people") == [(30,)]
