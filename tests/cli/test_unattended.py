"""Every command as cron and CI run it: nobody to answer, streams that are closed, a signal in the middle.

LIFE says for each command how it is run unattended; a command that is not in it fails the first test.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ecluse.cli.main import cli
from ecluse.postgres.connect import Database
from tests.cli.conftest import MIGRATION, Here, Project, Result, load, write_project

# What is run, in this order on one project; the exit status; what is on stdout with --json: "document", "stream" of
# events with a last result, "lines" of objects, "text" that is no JSON, or nothing.
LIFE: tuple[tuple[str, int, str], ...] = (
    ("init", 0, "document"),
    ("config", 0, "document"),
    ("completion bash", 0, "text"),
    ("errors", 0, "document"),
    ("errors ECL401", 0, "document"),
    ("operations", 0, "document"),
    ("recipes", 0, "document"),
    ("doctor", 0, "document"),
    ("inspect", 0, "document"),
    ("compare app:public.tags app:public.tags", 0, "document"),
    ("compare app:public.tags app:public.nowhere", 1, ""),
    ("backup app --no-verify", 0, "stream"),
    ("backups list", 0, "document"),
    ("restore nothing --dry-run", 2, ""),
    ("backups verify nothing", 2, ""),
    ("backups prune --keep 1", 0, "document"),
    ("plan uuids", 0, "document"),
    ("plan nothing", 2, ""),
    ("rehearse nothing", 2, ""),
    ("plan --check", 3, "document"),
    ("explain uuids", 0, "document"),
    ("explain uuids --step 99", 2, ""),
    ("export uuids --as sql", 0, "document"),
    ("apply uuids --dry-run", 0, "document"),
    ("verify uuids", 1, ""),
    ("apply uuids", 0, "stream"),
    ("apply uuids", 0, "stream"),
    ("status", 0, "document"),
    ("status --watch", 0, "lines"),
    ("verify uuids", 0, "stream"),
    ("report uuids", 0, "document"),
    ("quarantine list uuids", 0, "document"),
    ("quarantine export uuids", 0, "lines"),
    ("quarantine export uuids -o aside.jsonl", 0, "document"),
    ("quarantine retry uuids", 3, "stream"),
    ("quarantine retry uuids --id 99", 1, ""),
    ("quarantine discard uuids --all", 1, ""),
    ("quarantine discard uuids --id 99 --yes", 1, ""),
    ("quarantine discard uuids --all --yes", 0, "stream"),
    ("switch uuids", 0, "stream"),
    ("retire uuids", 1, ""),
    ("finish uuids", 1, ""),
    ("finish uuids --yes", 1, ""),
    ("rollback uuids", 0, "stream"),
    ("identity audit", 2, ""),
    ("identity map app:public.conversations.user_id -o map.csv", 2, ""),
    ("import memories", 2, ""),
    ("import migrations", 1, ""),
    ("supabase compose", 2, ""),
    ("supabase keys new", 0, "document"),
    ("supabase compose", 0, "document"),
    ("supabase keys check", 0, "document"),
    ("supabase keys rotate", 0, "document"),
    ("supabase check --health", 3, "document"),
    ("supabase prepare app --dry-run", 0, "document"),
    ("supabase users uuids", 2, ""),
    ("demo --rows 0", 2, ""),
)


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command that does something, by its words."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    with click.Context(command) as context:
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


def test_no_command_is_forgotten() -> None:
    said = [line for line, _, _ in LIFE]
    assert [c for c in commands(cli) if not any(f"{line} ".startswith(f"{c} ") for line in said)] == []


@pytest.fixture
def unattended(
    tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Here:
    """A project with a row for the quarantine, and nobody at stdin: it was closed before the program began."""
    project = Here(write_project(tmp_path, database).folder, database, capture=capsys)
    load(project, 50)
    (tmp_path / "migrations" / "uuids.toml").write_text(MIGRATION + 'invalid = "quarantine"\n')
    project.execute("INSERT INTO conversations (id, user_id) VALUES ('ann@example.com', 'u')")
    monkeypatch.setattr(sys, "stdin", None)
    return project


def spoken(done: Result, kind: str) -> str:
    """What is wrong with what a command left on its streams; empty where nothing is."""
    try:
        if not kind:
            missing = {"code", "message", "hint", "state"} - set(done.error)
            return f"an error without {missing}" if missing else done.out
        if kind == "document":
            json.loads(done.out)
        elif kind == "lines":
            json.dumps(done.events)
        elif kind == "stream" and [e["event"] for e in done.events].index("result") != len(done.events) - 1:
            return "the result is not its last event, and its only one"
        return done.err
    except (ValueError, IndexError, KeyError) as problem:
        return f"{problem!r}: {done.out[:200]!r} {done.err[:200]!r}"


def test_each_ends_with_its_status_and_what_can_be_parsed(unattended: Here) -> None:
    wrong = []
    for line, status, kind in LIFE:
        done = unattended.run(*line.split(), "--json")
        if done.status != status:
            wrong.append(f"{line}: exit {done.status}, not {status}: {done.err or done.out[-300:]}")
        elif told := spoken(done, kind):
            wrong.append(f"{line}: {told}")
    assert wrong == [], "\n".join(wrong)


def test_quiet_prints_what_matters(unattended: Here) -> None:
    planned = unattended.run("plan", "uuids", "--quiet").out
    assert "warning" in planned and "Fingerprint" in planned and "note  " not in planned and "expand" not in planned
    dry = unattended.run("apply", "uuids", "--dry-run", "--quiet").out.splitlines()
    assert dry[0].strip() == "1 row of public.conversations quarantined: 'id' is not a UUID"
    assert dry[-1].startswith("A run would go on to the gate.")
    assert "uuids" in unattended.run("plan", "--check", "--quiet").out
    assert unattended.run("apply", "uuids", "--quiet").out.count("\n") == 2  # how it stands, and the report
    assert unattended.run("verify", "uuids", "--quiet").out.startswith("uuids: everything holds.\n")
    unattended.execute("UPDATE ecluse_next_uuids.tags SET conversation_id = gen_random_uuid() WHERE id = 1")
    wrong = unattended.run("verify", "uuids", "--quiet")
    assert wrong.status == 3 and "public.tags" in wrong.out and "account" not in wrong.out


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_reason_to_fail(closed: str, project: Project) -> None:
    script = f'exec "$0" -m ecluse plan uuids {closed}'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
