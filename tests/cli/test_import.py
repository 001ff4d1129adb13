"""`ecluse import`: what becomes of every file and of every row of it, also when the process dies."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import psycopg

import ecluse
from ecluse.postgres.connect import Database
from tests.cli.conftest import write_project
from tests.cli.memories import NOON, SECRET, World, entry, name_of

# --- what goes well ---------------------------------------------------------------------------------


def test_dry_run_import_and_a_second_run(world: World) -> None:
    first = world.put(1, entry(), entry(query=" ", response=None), entry(query="two", timestamp=1709294401))
    second = world.put(2, {"query": "q", "response_summary": "short", "created_at": "2024-03-02T01:00:00.5+02:00"}, {})
    before = world.files

    would = world.value()
    assert (would["clean"], would["confirmed"]) == (True, False)
    assert would["total"] == {"rows": 5, "imported": 3, "there": 0, "empty": 2, "rejected": 0}
    assert world.files == before and world.rows() == []
    assert world.project.execute("SELECT to_regnamespace('ecluse')") == [(None,)]
    if not world.uuids:
        assert world.project.execute("SELECT last_value, is_called FROM user_conversations_id_seq") == [(1, False)]
    told = world.run()
    assert "2 files, 5 rows: 3 to import, 0 there already, 2 empty, 0 rejected." in told.out
    assert told.out.endswith("Nothing was changed.\n")

    did = world.value("--confirm")
    assert did["total"] == would["total"]
    assert {file["renamed"] for file in did["files"]} == {f"{first.name}.migrated", f"{second.name}.migrated"}
    assert world.files == {f"{name}.migrated": content for name, content in before.items()}
    assert world.rows("query, response, conversation_type, extract(epoch FROM created_at)::numeric(12, 1)") == [
        (SECRET, f"{SECRET} 42", "analysis", Decimal("1709294400.0")),
        ("two", f"{SECRET} 42", "analysis", Decimal("1709294401.0")),
        ("q", "short", "chat", Decimal("1709334000.5")),
    ]
    ids = [hashlib.md5(f"account{n}".encode()).hexdigest() for n in (1, 1, 2)] if world.uuids else ["1", "1", "2"]
    assert [row[0].replace("-", "") for row in world.rows("user_id::text")] == ids

    rows, files = world.rows("*"), world.files
    again = world.value("--confirm")
    assert again["files"] == [] and again["done"] == 2
    assert world.rows("*") == rows and world.files == files


def test_moments_are_read_as_they_were_meant(integer: World) -> None:
    dates: dict[object, str] = {
        "2024-03-01T12:00:00": "2024-03-01 12:00:00",
        "2024-03-01 12:00": "2024-03-01 12:00:00",
        "2024-03-01T12:00:00.123456": "2024-03-01 12:00:00.123456",
        "2024-03-01T12:00:00.123456789Z": "2024-03-01 12:00:00.123456",
        "2024-03-01T12:00:00,5+0530": "2024-03-01 06:30:00.5",
        "2024-03-01T00:30:00+01": "2024-02-29 23:30:00",
        "2024-03-01": "2024-03-01 00:00:00",
        1709294400: "2024-03-01 12:00:00",
        1709294400.25: "2024-03-01 12:00:00.25",
        1709294400123: "2024-03-01 12:00:00.123",
    }
    integer.put(1, *(entry(query=f"{n:02}", timestamp=date) for n, date in enumerate(dates)))
    assert integer.value("--confirm")["total"]["imported"] == len(dates)
    loaded = dict(integer.project.execute("SELECT query, created_at::text FROM user_conversations"))
    assert [loaded[f"{n:02}"] for n in range(len(dates))] == list(dates.values())


def test_a_date_without_a_zone_is_of_the_zone_that_is_named(integer: World) -> None:
    integer.put(1, entry(timestamp="2024-07-01T12:00:00"), entry(timestamp="2024-07-01T12:00:00Z"))
    integer.value("--confirm", "--zone", "Europe/Paris")
    assert [row[0] for row in integer.rows("created_at::text")] == ["2024-07-01 10:00:00", "2024-07-01 12:00:00"]
    integer.put(2, *(entry(timestamp=f"2024-{day}T02:30:00") for day in ("10-27", "03-31")))
    faults = integer.one("--confirm", "--zone", "Europe/Paris")["faults"]
    assert len(faults) == 2 and "the clocks were changed" in faults[0]["reason"]
    assert integer.run("--zone", "Europe/Pariss").status == 2


def test_half_an_exchange_is_kept_and_the_byte_order_mark_is_no_content(integer: World) -> None:
    content = json.dumps({"conversations": [entry(query=None, response="alone"), entry(response=None)]})
    integer.write(name_of(1), b"\xef\xbb\xbf" + content.encode())
    assert integer.value("--confirm")["total"]["imported"] == 2
    assert [row[:2] for row in integer.rows()] == [("", "alone"), (SECRET, None)]


def test_rows_that_the_table_has_are_not_imported_twice(integer: World) -> None:
    integer.put(1, entry(), entry(), entry(query="other"))
    integer.project.execute(
        "INSERT INTO user_conversations (user_id, query, response, conversation_type, created_at) "
        f"SELECT n, '{SECRET}', '{SECRET} 42', 'analysis', '{NOON}' FROM generate_series(1, 2) n"
    )
    assert integer.one(status=0)["there"] == 1
    did = integer.one("--confirm", status=0)
    # Twice in the file, once in the table: once more. What another person has is no reason.
    assert (did["imported"], did["there"]) == (2, 1)
    assert integer.project.execute("SELECT count(*) FROM user_conversations WHERE user_id = 1") == [(3,)]

    # The older generation went on writing: the file is there again, with more.
    integer.put(1, entry(), entry(), entry(query="other"), entry(query="later"))
    later = integer.one("--confirm", status=0)
    assert (later["imported"], later["there"]) == (1, 3)
    assert later["renamed"] == f"{name_of(1)}.migrated.2"
    assert len(json.loads(integer.files[f"{name_of(1)}.migrated"])["conversations"]) == 3


def test_keys_without_a_column_are_told_and_stay_in_the_file(integer: World) -> None:
    integer.put(1, entry(mood=SECRET, **{SECRET: 1}), entry(query="2", mood=1, response_summary="x", created_at="y"))
    did = integer.one("--confirm", status=0)
    assert did["further"] == {"mood": 2, "(other)": 1, "response_summary": 1, "created_at": 1}
    integer.put(2, entry(mood=1))
    assert f"note: {name_of(2)} has keys without a column, which stay in the file: mood (1)" in integer.run().out


# --- crashes and what is there already --------------------------------------------------------------

DIES = """
import os, sys
from ecluse.cli.main import run
from ecluse.recipes.self_hosted_supabase.memories import files
{how}
sys.exit(run(["import", "memory", "--confirm", "--leave-undated"]))
"""


def dies(world: World, how: str) -> tuple[int, str]:
    """The command in a process that is disturbed there: its exit status and its errors."""
    here = os.environ | {"PYTHONPATH": str(Path(ecluse.__file__).parents[1])}
    process = [sys.executable, "-c", DIES.format(how=how)]
    ended = subprocess.run(
        process, cwd=world.project.folder, env=here, check=False, timeout=60, capture_output=True, text=True
    )
    return ended.returncode, ended.stderr


def test_a_death_between_commit_and_rename_is_harmless(integer: World) -> None:
    path = integer.put(1, entry(), entry(query="2", timestamp="soon"), {})
    assert dies(integer, "files.put_away = lambda *_: os._exit(9)")[0] == 9
    assert len(integer.rows()) == 1 and path.exists()
    aside = integer.files[f"{path.stem}.rejected.json"]

    would = integer.one(status=0)
    assert (would["state"], would["imported"], would["there"], would["renamed"]) == ("recorded", 0, 1, "")
    again = integer.one("--confirm", status=0)
    assert (again["state"], again["imported"], again["there"], again["rejected"]) == ("recorded", 0, 1, 1)
    assert again["renamed"] == f"{path.name}.migrated" and len(integer.rows()) == 1
    assert set(integer.files) == {f"{path.name}.migrated", f"{path.stem}.rejected.json"}
    assert integer.files[f"{path.stem}.rejected.json"] == aside


def test_a_death_before_the_commit_leaves_nothing_in_the_table(integer: World) -> None:
    path = integer.put(1, entry(), entry(query="2", timestamp="soon"))
    how = "real = files.set_aside\nfiles.set_aside = lambda *a: (real(*a), os._exit(9))"
    assert dies(integer, how)[0] == 9
    assert integer.rows() == [] and path.exists()
    assert integer.one("--confirm", "--leave-undated", status=0)["imported"] == 1
    assert set(integer.files) == {f"{path.name}.migrated", f"{path.stem}.rejected.json"}


def test_a_death_in_the_middle_of_the_rename_is_harmless(integer: World) -> None:
    path = integer.put(1, entry())
    assert dies(integer, "import pathlib; pathlib.Path.unlink = lambda *_, **__: os._exit(9)")[0] == 9
    assert set(integer.files) == {path.name, f"{path.name}.migrated"}
    integer.value("--confirm")
    assert set(integer.files) == {f"{path.name}.migrated"} and len(integer.rows()) == 1


def test_a_file_that_is_called_migrated_is_never_overwritten(integer: World) -> None:
    path = integer.put(1, entry())
    integer.write(f"{path.name}.migrated", b"of another day")
    did = integer.one("--confirm", status=0)
    assert did["renamed"] == f"{path.name}.migrated.2"
    assert integer.files[f"{path.name}.migrated"] == b"of another day"


def test_a_file_that_is_written_to_meanwhile_stays(integer: World) -> None:
    path = integer.put(1, entry())
    how = "real = files.put_away\nfiles.put_away = lambda path, sha: (path.write_text('{}'), real(path, sha))[1]"
    assert dies(integer, how)[0] == 3
    assert set(integer.files) == {path.name} and len(integer.rows()) == 1


def test_an_interrupted_import_says_how_far_it_came(integer: World) -> None:
    for person in (1, 2, 3):
        integer.put(person, entry())
    how = """
calls = []
real = files.read
def read(path):
    calls.append(path)
    if len(calls) == 3:  # the first file is read twice: before its commit, and before it is renamed
        raise KeyboardInterrupt
    return real(path)
files.read = read"""
    status, told = dies(integer, how)
    assert status == 130 and "state: files imported and recorded: 1; the others are as they were" in told
    assert len(integer.rows()) == 1
    assert integer.value("--confirm")["total"]["imported"] == 2


# --- the command ------------------------------------------------------------------------------------


def test_a_protected_database_asks_and_another_run_is_waited_for(integer: World, database: Database) -> None:
    integer.put(1, entry())
    write_project(integer.project.folder, database, "protect = true\n")
    assert integer.run("--json").status == 0
    told = integer.run("--confirm", "--json")
    assert (told.status, told.error["code"]) == (1, "ECL304") and integer.rows() == []
    with psycopg.connect(database.conninfo, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(x'65636C757365'::bigint)")
        assert integer.run("--confirm", "--yes", "--json").error["code"] == "ECL302"
    assert integer.run("--confirm", "--yes").status == 0


def test_a_folder_that_is_not_there_or_empty(integer: World) -> None:
    assert integer.project.run("import", "nowhere").status == 2
    assert "There is no memory in this folder." in integer.run().out


def test_what_is_written_meanwhile_is_no_difference(integer: World, database: Database) -> None:
    """The application writes rows of the same person while a large memory is imported."""
    integer.put(1, *(entry(query=f"q {n}", timestamp=1709294400 + n) for n in range(3000)))
    process = integer.project.start("import", "memory", "--confirm", "--json")
    written = 0
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        while process.poll() is None:
            conn.execute("INSERT INTO user_conversations (user_id, query, created_at) VALUES (1, 'live', now())")
            written += 1
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert json.loads(out)["total"]["imported"] == 3000 and written
    assert integer.project.execute("SELECT count(*) FROM user_conversations WHERE user_id = 1") == [(3000 + written,)]


def test_the_page_tells_what_is_true(world: World) -> None:
    """Its memory is imported, and its SQL takes it back."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "import-json-memories.md").read_text(encoding="utf-8")
    [memory], [sql] = (re.findall(rf"```{kind}\n(.*?)```", page, re.S) for kind in ("json", "sql"))
    path = world.write(name_of(1), memory.encode())
    assert path.name in page
    world.put(2, entry())
    assert world.value("--confirm")["total"]["imported"] == 3
    assert [row[:2] for row in world.rows() if row[0] != SECRET] == [
        ("How many?", "Forty-two."),
        ("And now?", "The same."),
    ]
    world.project.execute(sql)
    assert [row[0] for row in world.rows()] == [SECRET]
    (world.folder / f"{path.name}.migrated").rename(path)
    assert world.value("--confirm")["total"]["imported"] == 2
