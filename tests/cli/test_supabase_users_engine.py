"""`ecluse supabase users` by the engine, as a process: a dry run, the word, the files, and no secret anywhere."""

from __future__ import annotations

import csv
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.model.rehearsal import Rehearsal
from ecluse.operations.inputs import read_ids
from ecluse.postgres.connect import Database
from ecluse.postgres.rehearsals import write_rehearsal
from ecluse.supabase.prepare import prepare
from tests import harness
from tests.cli.conftest import Project, Result, write_project
from tests.supabase.conftest import drop_roles
from tests.supabase.people import ACCOUNTS, BCRYPT, LEGACY, MIGRATION

USERS = ("supabase", "users", "people")
SECRETS = (BCRYPT, "pbkdf2_sha256$600000", "kept as it is", "ada@example", "cleo@example", "grace@example", "Cléo")


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Iterator[Project]:
    yield made_in(tmp_path, database)
    drop_roles(database)


def made_in(folder: Path, database: Database, extra: str = "") -> Project:
    prepare(database)
    for script in (ACCOUNTS, LEGACY):
        harness.load(database, script)
    made = write_project(folder, database, extra)
    (folder / "migrations/people.toml").write_text(MIGRATION)
    return made


def says_no_secret(*results: Result) -> None:
    for result in results:
        assert [secret for secret in SECRETS if secret.lower() in (result.out + result.err).lower()] == []


def lines(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_a_protected_database_is_rehearsed_and_backed_up_first(open_folder: Path, database: Database) -> None:
    """No second way past the gates of `apply` and `switch`."""
    project = made_in(open_folder / "protected", database, "protect = true\n")
    try:
        before = harness.snapshot(database)
        refused = project.run(*USERS, "--confirm", "--yes", "--json")
        assert (refused.status, refused.error["code"]) == (1, "ECL307")
        harness.same(harness.snapshot(database), before)
        planned = project.run("plan", "people", "--json").value
        record = Rehearsal("people", planned["fingerprint"], "", True, "2026-01-01T00:00:00Z", "app", 180000)
        write_rehearsal(project.folder, record)
        done = project.run(*USERS, "--confirm", "--yes", "--json")
        assert done.status == 0, done
        [backup] = project.run("backups", "list", "--json").value["backups"]
        assert backup["verified"]
        assert Path(done.events[-1]["report"]["json"]).is_file()
        says_no_secret(refused, done)
    finally:
        drop_roles(database)


def test_a_dry_run_says_what_would_become_of_everybody_and_changes_nothing(project: Project) -> None:
    before = harness.snapshot(project.database)
    result = project.run(*USERS, "--outcomes", "users.csv", "--json")
    assert (result.status, result.value["dry_run"]) == (0, True)
    numbers = [result.value[name] for name in ("rows", "created", "matched", "quarantined", "to_create", "to_reset")]
    assert numbers == [9, 4, 1, 4, 4, 2]
    file = project.folder / "users.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = lines(file)
    assert [(row["old_user_id"], row["outcome"]) for row in found] == [
        *(("1", "created"), ("2", "created"), ("3", "created"), ("4", "quarantined"), ("5", "quarantined")),
        *(("6", "quarantined"), ("7", "quarantined"), ("8", "matched"), ("9", "created")),
    ]
    assert found[0]["email"] == "a***@e***.com"
    assert "$2b$" not in file.read_text()
    text = project.run(*USERS)
    says_no_secret(result, text)
    assert "9 rows: 4 created, 1 matched, 4 quarantined." in text.out
    harness.same(harness.snapshot(project.database), before)
    shown = project.run(*USERS, "--outcomes", "users.csv", "--show-values")
    assert (shown.status, lines(file)[0]["email"]) == (0, "ada@example.com")
    project.execute("INSERT INTO users (id, email, password_hash) VALUES (10, 'late@example.com', '')")
    assert project.run(*USERS, "--outcomes", "users.csv").status == 0
    assert [int(row["old_user_id"]) for row in lines(file)] == list(range(1, 11)), "by number"


def test_it_asks_for_the_word_and_a_second_run_changes_nothing(project: Project) -> None:
    refused = project.run(*USERS, "--no-dry-run")
    assert refused.status != 0
    assert "--confirm" in refused.err
    assert project.execute("SELECT count(*) FROM auth.users") == [(1,)]
    done = project.run(*USERS, "--confirm", "--outcomes", "users.csv", "--map", "ids.csv", "--json")
    assert done.status == 0, done.err
    assert (done.events[-1]["event"], done.events[-1]["created"], done.events[-1]["mapped"]) == ("result", 4, 5)
    assert project.execute("SELECT count(*) FROM auth.users") == [(5,)]
    assert len(read_ids((project.folder / "ids.csv").read_text())) == 5
    before = harness.snapshot(project.database)
    again = project.run(*USERS, "--confirm")
    assert (again.status, "nothing" in again.out + again.err) == (0, True)
    harness.same(harness.snapshot(project.database), before)
    says_no_secret(refused, done, again)


def test_no_command_of_the_life_says_a_secret(project: Project) -> None:
    said = [project.run(*words) for words in (("plan", "people"), ("explain", "people", "--sql"), ("apply", "people"))]
    seen = watched(project, "switch", "people")
    said.append(seen[0])
    said += [project.run(word, "people") for word in ("verify", "rollback")]
    said += [
        project.run("apply", "people", "--switch"),
        project.run("status"),
        project.run("quarantine", "list", "people"),
    ]
    said.append(project.run("finish", "people", "--confirm", fingerprint(project)))
    assert [result.status for result in said] == [0] * len(said), [r.err for r in said if r.status]
    says_no_secret(*said)
    assert [secret for secret in SECRETS if secret in seen[1]] == []


def watched(project: Project, *words: str) -> tuple[Result, str]:
    """A command, and every line of the list of processes while it ran."""
    process, lists = project.start(*words), ""
    while process.poll() is None:
        lists += subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        time.sleep(0.05)
    out, err = process.communicate()
    assert "ecluse" in lists
    return Result(process.returncode, out, err), lists


def fingerprint(project: Project) -> str:
    [(found,)] = project.execute("SELECT fingerprint FROM ecluse.run ORDER BY id DESC LIMIT 1")
    return str(found)
