"""`ecluse supabase users --via admin-api` as a process: a dry run by default, resumable, and silent about secrets."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import ecluse
from ecluse.operations.inputs import read_ids
from ecluse.postgres.connect import Database
from ecluse.supabase.env_file import read_env
from tests.cli.conftest import Project, Result, await_answer, ended, write_project
from tests.cli.test_supabase_keys import says_none, secrets_of
from tests.supabase.admin_api import AdminApiServer, serving
from tests.supabase.legacy import BCRYPT, MD5, MIGRATION, load_many, load_users, mapped, rows

HOW_TO = Path(__file__).parents[2] / "docs/how-to/import-users-by-the-admin-api.md"
BY_API = ("supabase", "users", "people", "--via", "admin-api")


@pytest.fixture
def old(tmp_path: Path, database: Database) -> Project:
    """A legacy database with users, a migration that imports them, and the `.env` of a stack."""
    made = write_project(tmp_path, database)
    (tmp_path / "migrations/people.toml").write_text(MIGRATION)
    load_users(database)
    assert made.run("supabase", "keys", "new").status == 0
    return made


@pytest.fixture
def api(old: Project) -> Iterator[AdminApiServer]:
    values = read_env(old.folder / "supabase/.env").values
    with serving(AdminApiServer(values["SERVICE_ROLE_KEY"], values["ANON_KEY"])) as made:
        made.add("there@example.com")
        yield made


def run(old: Project, api: AdminApiServer, *more: str) -> Result:
    return old.run(*BY_API, "--url", api.url, *more)


def says_no_secret(old: Project, *results: Result) -> None:
    for result in results:
        says_none(result, secrets_of(old), {"bcrypt": BCRYPT, "md5": MD5})
        assert "ada@" not in (result.out + result.err).lower()


def test_a_dry_run_then_the_import_then_nothing(old: Project, api: AdminApiServer) -> None:
    dry = run(old, api, "--outcomes", "outcomes.csv")
    assert dry.status == 0
    # As the how-to says.
    shown = HOW_TO.read_text(encoding="utf-8").partition("```text\nusers of ")[2].partition("```")[0]
    assert dry.out.partition("\n")[2].startswith(shown.partition("\n")[2])
    assert "2  quarantined  another user has this e-mail address\n" in shown
    assert "note: the admin API sets neither created_at nor last_sign_in_at" in dry.out
    assert api.posted == []
    assert rows(old.database, "SELECT to_regclass('public.user_id_mapping')") == [(None,)]
    text = (old.folder / "outcomes.csv").read_text()
    assert (old.folder / "outcomes.csv").stat().st_mode & 0o777 == 0o600
    assert "1,a***@e***.com,created," in text
    assert not [secret for secret in (BCRYPT, MD5, "ada@", "Ada@") if secret in text]

    done = run(old, api, "--confirm", "--map", "ids.csv", "--json")
    assert (done.status, done.err) == (0, "")
    value = done.value
    assert {name: value[name] for name in ("rows", "created", "matched", "quarantined", "failed")} == {
        "rows": 8,
        "created": 3,
        "matched": 1,
        "quarantined": 4,
        "failed": 0,
    }
    assert (value["good"], value["mapped"], value["to_reset"], value["map_lines"]) == (True, 4, 2, 4)
    assert all(check["wrong"] == 0 for check in value["checks"])
    assert dict(read_ids((old.folder / "ids.csv").read_text())) == {k: v for k, (v, _) in mapped(old.database).items()}

    again = run(old, api, "--confirm")
    assert again.status == 0
    assert "0 accounts made, 0 rows written to public.user_id_mapping.\n" in again.out
    assert "(1 by an earlier run)" in again.out
    assert len(api.posted) == 3
    says_no_secret(old, dry, done, again)


def test_it_needs_a_word_and_the_files_a_place(old: Project, api: AdminApiServer) -> None:
    asked = run(old, api, "--no-dry-run", "--json")
    assert (asked.status, asked.error["code"], asked.error["hint"]) == (1, "ECL304", "--confirm")
    assert asked.error["state"] == "nothing was changed"
    for more in (("--map", "ids.csv"), ("--outcomes", "nowhere/o.csv"), ("--confirm", "--map", "ecluse.toml")):
        assert run(old, api, *more).status == 2
    assert api.asked == []
    (old.folder / "migrations/people.toml").write_text((old.folder / "migrations/uuids.toml").read_text())
    other = run(old, api, "--json")
    assert (other.status, other.error["code"]) == (2, "ECL201")


@pytest.mark.parametrize(("typed", "status", "accounts"), [("migrate", 1, 1), ("MIGRATE", 0, 4)])
def test_on_a_terminal_the_word_is_asked_for(
    old: Project, api: AdminApiServer, typed: str, status: int, accounts: int
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ecluse", *BY_API, "--url", api.url, "--no-dry-run"]
    environment = os.environ | {"PYTHONPATH": str(Path(ecluse.__file__).parents[1])}
    process = subprocess.Popen(
        command, cwd=old.folder, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    said = b""
    while b"Type MIGRATE" not in said:
        said += os.read(ours, 4096)
    assert b"8 rows: 3 created" in said
    os.write(ours, f"{typed}\n".encode())
    process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, len(api.accounts)) == (status, accounts)


def test_a_key_of_another_generation_is_explained(old: Project, api: AdminApiServer) -> None:
    api.service_key = "another"
    refused = run(old, api, "--json")
    assert (refused.status, refused.error["code"]) == (1, "ECL115")
    assert "the gateway does not know this key" in refused.error["message"]
    assert "docker compose" in refused.error["hint"]
    says_no_secret(old, refused)


@pytest.mark.parametrize("at", [1, 100, 300])
def test_a_process_that_is_killed_loses_nothing_and_repeats_nothing(old: Project, api: AdminApiServer, at: int) -> None:
    load_many(old.database, 400)
    process = old.start(*BY_API, "--url", api.url, "--confirm", "--rate", "150")
    await_answer(old, process, "SELECT to_regclass('public.user_id_mapping') IS NOT NULL", True)
    await_answer(old, process, f"SELECT count(*) >= {at} FROM public.user_id_mapping", True)
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    assert not [name for name, secret in secrets_of(old).items() if secret in arguments]
    process.kill()
    process.communicate()
    time.sleep(0.3)
    # As a rule, some accounts are there that nobody has written down yet.
    assert at <= len(mapped(old.database)) <= len(api.accounts) < 404
    there = set(api.accounts)
    done = run(old, api, "--confirm", "--rate", "2000", "--outcomes", "o.csv", "--show-values", "--json")
    assert (done.status, done.value["created"], done.value["matched"]) == (0, 403, 1)
    assert len(api.accounts) == len(mapped(old.database)) == 404
    assert there <= set(api.accounts)
    posted = [body["email"] for body in api.posted]
    assert len(posted) - len(set(posted)) <= 4  # what was under way
    assert not [e for e in posted if e.startswith("dan@") or "@" not in e]
    assert "ada@example.com" in (old.folder / "o.csv").read_text()


def test_ctrl_c_stops_after_the_accounts_in_hand(old: Project, api: AdminApiServer) -> None:
    load_many(old.database, 400)
    process = old.start(*BY_API, "--url", api.url, "--confirm", "--rate", "100")
    await_answer(old, process, "SELECT to_regclass('public.user_id_mapping') IS NOT NULL", True)
    await_answer(old, process, "SELECT count(*) >= 100 FROM public.user_id_mapping", True)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert stopped.status == 130
    there = len(mapped(old.database))
    assert f"state: {there} of 404 users are there" in stopped.err
    assert "go on with `ecluse supabase users people --via admin-api --no-dry-run`" in stopped.err
    assert len(api.accounts) == there
    says_no_secret(old, stopped)
    assert run(old, api, "--confirm", "--rate", "2000").status == 0
    assert len(api.accounts) == len(mapped(old.database)) == 404


def test_somebody_whom_auth_refuses_fails_the_proof(old: Project, api: AdminApiServer) -> None:
    api.fail("bad_email")
    failed = run(old, api, "--confirm", "--map", "ids.csv")
    assert failed.status == 3
    assert "NO each row is created, matched or quarantined: 1 user not\n" in failed.out
    assert "1 failed." in failed.out
    assert not (old.folder / "ids.csv").exists()
    assert run(old, api, "--confirm", "--map", "ids.csv").status == 0


def test_a_protected_database_needs_its_name_too(old: Project, api: AdminApiServer) -> None:
    settings = old.folder / "ecluse.toml"
    settings.write_text(settings.read_text() + "protect = true\n")
    assert run(old, api).status == 0
    assert run(old, api, "--confirm").status == 1
    assert run(old, api, "--confirm", "--yes").status == 0


def test_the_key_may_come_from_the_environment(old: Project, api: AdminApiServer) -> None:
    file = old.folder / "supabase/.env"
    key = read_env(file).values["SERVICE_ROLE_KEY"]
    file.write_text(file.read_text().replace(f"SERVICE_ROLE_KEY={key}\n", "SERVICE_ROLE_KEY=${KEY_OF_CI}\n"))
    assert "KEY_OF_CI" in run(old, api).err
    given = replace(old, variables={"KEY_OF_CI": key})
    assert run(given, api).status == 0
