"""`ecluse import`: what becomes of every file and of every row of it, and what does not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

import ecluse
from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, Result, write_project

CONVERSATIONS = """
CREATE TABLE user_conversations (id {key}, user_id {user} NOT NULL, query text NOT NULL, response text,
    conversation_type varchar(50) DEFAULT 'chat', analysis_type varchar(100), business_type varchar(100),
    created_at {moment});
CREATE INDEX ON user_conversations (user_id);
"""
INTEGER = CONVERSATIONS.format(key="serial PRIMARY KEY", user="integer", moment="timestamp") + (
    "CREATE TABLE users (id integer PRIMARY KEY, email text UNIQUE NOT NULL);"
    "INSERT INTO users SELECT n, 'person' || n || '@example.org' FROM generate_series(1, 9) n;"
)
UUID = CONVERSATIONS.format(key="uuid PRIMARY KEY DEFAULT gen_random_uuid()", user="uuid", moment="timestamptz") + (
    "CREATE TABLE user_id_mapping (old_user_id integer PRIMARY KEY, supabase_user_id varchar(36) UNIQUE, email text);"
    "INSERT INTO user_id_mapping SELECT n, md5('account' || n)::uuid::text, 'person' || n || '@example.org' "
    "FROM generate_series(1, 9) n;"
)
SECRET = "Quel est le mot de passe de camille@example.org ?"
NOON = "2024-03-01T12:00:00"


def entry(**changes: Any) -> dict[str, Any]:
    """A conversation that has nothing wrong, with changes; None takes a key away."""
    made = {"query": SECRET, "response": f"{SECRET} 42", "conversation_type": "analysis", "timestamp": NOON} | changes
    return {key: value for key, value in made.items() if value is not None}


def name_of(person: object) -> str:
    """What the older generation called the file of a person."""
    return f"memory_{hashlib.md5(str(person).encode()).hexdigest()[:12]}.json"


class World:
    """A project with tables, and a folder of memories."""

    def __init__(self, project: Project, sql: str) -> None:
        self.project = project
        self.uuids = sql is UUID
        self.folder = project.folder / "memory"
        self.folder.mkdir()
        project.execute(sql)

    def put(self, person: object, *entries: object) -> Path:
        """A memory of that person."""
        return self.write(name_of(person), json.dumps({"conversations": entries}).encode())

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run(self, *options: str) -> Result:
        """The command, and that nothing of what people wrote is in what it prints."""
        result = self.project.run("import", "memory", *options)
        for secret in ("mot de passe", "camille", "@example.org"):
            assert secret not in result.out + result.err
        return result

    def value(self, *options: str, status: int = 0) -> Any:
        """The document of --json, whose account must balance."""
        result = self.run("--json", *options)
        assert result.status == status, result.out + result.err
        for file in result.value["files"]:
            if file["rows"] is not None:
                assert file["rows"] == sum(file[part] for part in ("imported", "there", "empty", "rejected")), file
        return result.value

    def one(self, *options: str, status: int = 3) -> Any:
        """What is said of the only file."""
        [file] = self.value(*options, status=status)["files"]
        return file

    def rows(self, columns: str = "query, response, conversation_type, created_at::text") -> list[tuple[Any, ...]]:
        return self.project.execute(f"SELECT {columns} FROM user_conversations ORDER BY created_at, query")

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file()}


@pytest.fixture
def integer(tmp_path: Path, database: Database) -> World:
    """Before a migration: people are numbers."""
    return World(write_project(tmp_path, database), INTEGER)


@pytest.fixture
def uuid(tmp_path: Path, database: Database) -> World:
    """After it."""
    return World(write_project(tmp_path, database), UUID)


# --- what goes well ---------------------------------------------------------------------------------


@pytest.fixture(params=["integer", "uuid"])
def world(request: pytest.FixtureRequest) -> World:
    """Either."""
    found: World = request.getfixturevalue(request.param)
    return found


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


# --- what is rejected -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        ("yesterday", "its timestamp is not a date of ISO 8601"),
        ("2024-02-30T10:00:00", "its timestamp is a date that does not exist"),
        ("0001-01-01T00:00:00+05:00", "its timestamp is a date that does not exist"),
        ("1709294400", "its timestamp is not a date of ISO 8601"),
        ("", "its timestamp is empty"),
        (True, "its timestamp is neither a text nor a number"),
        ([2024], "its timestamp is neither a text nor a number"),
        (0, "its timestamp is a number that is neither seconds nor milliseconds since 1970"),
        (1709294400123456, "its timestamp is a number that is neither seconds nor milliseconds since 1970"),
        (None, "it has no date"),
    ],
)
def test_a_row_without_a_readable_date_keeps_its_file_from_being_imported(
    integer: World, date: object, reason: str
) -> None:
    path = integer.put(1, entry(), entry(query=None, response=None, timestamp="never"), entry(timestamp=date))
    before = integer.files
    for options in ((), ("--confirm",)):
        file = integer.one(*options)
        assert file["faults"] == [{"index": 2, "kind": "undated", "reason": reason}]
        assert (file["state"], file["rows"], file["empty"], file["rejected"]) == ("rejected", 3, 1, 2)
        assert integer.files == before and integer.rows() == []
    assert integer.one("--leave-undated", status=0)["rejected"] == 1 and integer.files == before
    assert f"  conversations[2]  undated  {reason}\n" in integer.run().out

    left = integer.one("--confirm", "--leave-undated", status=0)
    assert (left["imported"], left["empty"], left["rejected"]) == (1, 1, 1)
    aside = integer.folder / f"{path.stem}.rejected.json"
    assert left["aside"] == aside.name and aside.stat().st_mode & 0o777 == 0o600
    assert json.loads(aside.read_text()) == {"conversations": [entry(timestamp=date)]}
    assert len(integer.rows()) == 1


def test_rows_that_were_left_and_are_corrected_come_in_later(integer: World) -> None:
    path = integer.put(1, entry(), entry(query="late", timestamp="soon"))
    integer.value("--confirm", "--leave-undated")
    aside = integer.folder / f"{path.stem}.rejected.json"
    path.write_text(aside.read_text().replace("soon", NOON))
    assert integer.one("--confirm", status=0)["imported"] == 1
    assert [row[0] for row in integer.rows()] == [SECRET, "late"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("text", "it is a text, not an object"),
        (None, "it is null, not an object"),
        (entry(query=7), "its query is a number, not a text"),
        (entry(response={"a": 1}), "its response is an object, not a text"),
        (entry(response=None, response_summary=[SECRET]), "its response_summary is a list, not a text"),
        (entry(query="a\0b"), "its query has a zero byte, which PostgreSQL cannot hold"),
        (entry(query="\ud800"), "its query has half a character (a surrogate), which PostgreSQL cannot hold"),
        (entry(analysis_type="x" * 101), "its analysis_type has 101 characters, and the column takes 100"),
        (entry(conversation_type="x" * 49 + "  "), "its conversation_type has 51 characters, and the column takes 50"),
        (entry(business_type=True), "its business_type is true or false, not a text"),
    ],
)
def test_a_row_that_the_table_cannot_hold_is_named(integer: World, wrong: Any, reason: str) -> None:
    path = integer.put(1, entry(), wrong)
    before = integer.files
    file = integer.one("--confirm", "--leave-undated")
    assert file["faults"] == [{"index": 1, "kind": "unfit", "reason": reason}]
    assert integer.files == before and integer.rows() == []
    assert integer.one("--confirm", "--leave-unfit", status=0)["imported"] == 1
    left = json.loads(integer.files[f"{path.stem}.rejected.json"])
    assert left == {"conversations": [wrong]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON: line 1, column 1"),
        (b'{"conversations": [', "it is not JSON: line 1, column 20"),
        (b"[]", "it holds a list, not an object with conversations"),
        (b"{}", "it has no conversations"),
        (b'{"conversations": {}}', "its conversations are not a list"),
        (b'{"conversations": [{"query": "\xe9"}]}', "it is not UTF-8: byte 30"),
        ('{"conversations": []}'.encode("utf-16"), "it is UTF-16, not UTF-8"),
        (b'{"conversations": [{"query": "a", "query": "b"}]}', "a key stands twice in one object"),
        (b'{"conversations": [{"timestamp": NaN}]}', "it is not JSON: NaN and Infinity are no numbers there"),
        (b'{"conversations": [' + b"1" * 5000 + b"]}", "it is not JSON: a number is too long"),
        (b'{"conversations": [{"timestamp": 1e999}]}', "a number is too large"),
        (b"[" * 200_000, "it is nested too deeply"),
    ],
)
def test_a_file_that_is_no_memory_stays(integer: World, content: bytes, reason: str) -> None:
    integer.write(name_of(1), content)
    file = integer.one("--confirm")
    assert (file["state"], file["rows"], file["reason"]) == ("rejected", None, reason)
    assert integer.files == {name_of(1): content}


def test_files_that_are_not_read(integer: World) -> None:
    elsewhere = integer.project.folder / "elsewhere.json"
    elsewhere.write_text(json.dumps({"conversations": [entry()]}))
    (integer.folder / name_of(1)).symlink_to(elsewhere)
    os.mkfifo(integer.folder / name_of(2))
    (integer.folder / name_of(3)).mkdir()
    with (integer.folder / name_of(4)).open("wb") as large:
        large.truncate((256 << 20) + 1)
    integer.write("memory_7.json", b"{}")
    integer.write("notes.txt", b"")
    value = integer.value("--confirm", status=3)
    assert value["others"] == 1
    assert {file["file"]: file["reason"] for file in value["files"]} == {
        name_of(1): "it is a symbolic link",
        name_of(2): "it is not a regular file",
        name_of(3): "it is not a regular file",
        name_of(4): "it is larger than 256 MB: split its conversations into several files",
        "memory_7.json": "its name has no 12 hex digits of an id",
    }
    assert integer.rows() == []


# --- whose a file is --------------------------------------------------------------------------------


def test_nobody_is_guessed(uuid: World) -> None:
    uuid.project.execute(
        "UPDATE user_id_mapping SET supabase_user_id = NULL WHERE old_user_id = 2;"
        "UPDATE user_id_mapping SET supabase_user_id = 'camille@example.org' WHERE old_user_id = 3;"
        "ALTER TABLE user_id_mapping ALTER old_user_id TYPE bigint;"
        # Two numbers whose md5 begin with the same twelve digits.
        "INSERT INTO user_id_mapping VALUES (792106, gen_random_uuid()), (14125795, gen_random_uuid());"
    )
    assert name_of(792106) == name_of(14125795)
    for person in (2, 3, 10, 792106):
        uuid.put(person, entry(), {})
    before = uuid.files
    value = uuid.value("--confirm", status=3)
    assert {file["file"]: file["reason"] for file in value["files"]} == {
        name_of(2): "its person has no supabase_user_id yet",
        name_of(3): "the supabase_user_id of its person is not a UUID",
        name_of(10): "nobody has this id",
        name_of(792106): "2 people have these digits, and nothing says which of them is meant",
    }
    assert value["total"] == {"rows": 8, "imported": 0, "there": 0, "empty": 4, "rejected": 4}
    assert uuid.files == before and uuid.rows() == []


def test_people_of_another_table(integer: World) -> None:
    integer.project.execute('CREATE SCHEMA "Old %s"; ALTER TABLE users SET SCHEMA "Old %s"')
    integer.put(1, entry())
    told = integer.run("--json")
    assert (told.status, told.error["code"]) == (1, "ECL204") and "public.users" in told.error["message"]
    assert integer.value("--people", '"Old %s".users', "--confirm")["total"]["imported"] == 1
    integer.project.execute("CREATE TABLE teams (id uuid, old_user_id integer)")
    refused = integer.run("--people", "teams", "--json")
    assert (refused.status, refused.error["code"]) == (3, "ECL401")
    assert refused.error["details"] == "it has neither old_user_id and supabase_user_id, nor an id that is integer"
    assert integer.run("--people", "a.b.c").status == 2


def test_a_file_that_one_good_neighbour_has_does_not_wait_for_a_bad_one(integer: World) -> None:
    good, bad = integer.put(1, entry()), integer.put(2, entry(timestamp="soon"))
    assert integer.value("--confirm", status=3)["total"]["imported"] == 1
    assert set(integer.files) == {f"{good.name}.migrated", bad.name}


# --- the table --------------------------------------------------------------------------------------


def test_a_table_of_another_name_with_names_that_need_quotes(integer: World) -> None:
    integer.project.execute('CREATE SCHEMA "We""ird %s"; ALTER TABLE user_conversations SET SCHEMA "We""ird %s"')
    integer.project.execute('ALTER TABLE "We""ird %s".user_conversations RENAME TO "Ta.ble"')
    integer.project.execute('ALTER TABLE "We""ird %s"."Ta.ble" RENAME id TO "i %d"')
    integer.put(1, entry())
    assert integer.value("--into", '"We""ird %s"."Ta.ble"', "--confirm")["total"]["imported"] == 1
    assert integer.project.execute('SELECT query FROM "We""ird %s"."Ta.ble"') == [(SECRET,)]
    assert integer.project.execute("SELECT keys FROM ecluse.imported_file") == [(["1"],)]


def test_a_table_that_memories_do_not_fit_into_is_refused_with_all_reasons(integer: World) -> None:
    integer.project.execute(
        "ALTER TABLE user_conversations DROP COLUMN response, ADD tenant integer NOT NULL, "
        "ALTER created_at TYPE timestamp(0), ALTER query TYPE jsonb USING NULL"
    )
    integer.put(1, entry())
    told = integer.run("--confirm", "--json")
    assert (told.status, told.error["code"], told.error["state"]) == (3, "ECL401", "nothing was changed")
    assert told.error["details"].splitlines() == [
        "it has no column response",
        "query is jsonb, not a text",
        "created_at is timestamp(0) without time zone, not a timestamp to the microsecond",
        "tenant needs a value, and memories have none for it",
    ]


def test_a_value_without_a_column_is_not_dropped(integer: World) -> None:
    integer.project.execute("ALTER TABLE user_conversations DROP COLUMN business_type")
    integer.put(1, entry(), entry(business_type="poultry"))
    assert integer.one("--confirm")["faults"][0]["reason"] == "it has a business_type, and the table has no such column"
    assert integer.one("--confirm", "--leave-unfit", status=0)["imported"] == 1


def test_what_only_the_table_refuses_is_named_by_row(integer: World) -> None:
    integer.project.execute(
        "ALTER TABLE user_conversations ADD CONSTRAINT known CHECK (conversation_type IN ('chat', 'analysis')), "
        "ADD CONSTRAINT once UNIQUE (user_id, created_at);"
        "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.query = 'loud' THEN "
        "RAISE EXCEPTION 'refused: %', NEW.response; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER loud BEFORE INSERT ON user_conversations FOR EACH ROW EXECUTE FUNCTION loud()"
    )
    integer.put(
        1,
        entry(),
        entry(conversation_type="report", timestamp=1709294401),
        entry(query="same moment"),
        entry(query="loud", timestamp=1709294402),
        entry(query="last", timestamp=1709294403),
    )
    before = integer.files
    file = integer.one("--confirm")
    assert {fault["index"]: fault["reason"] for fault in file["faults"]} == {
        1: "the table refuses it: constraint known",
        2: "the table refuses it: constraint once",
        3: "a trigger of the table refuses it",
    }
    assert integer.files == before and integer.rows() == []
    left = integer.one("--confirm", "--leave-unfit", status=0)
    assert (left["imported"], left["rejected"]) == (2, 3)
    assert [row[0] for row in integer.rows()] == [SECRET, "last"]


@pytest.mark.parametrize(
    "body",
    ["NEW.response := upper(NEW.response); RETURN NEW", "RETURN NULL", "NEW.user_id := 2; RETURN NEW"],
)
def test_a_table_that_changes_rows_is_found_out_and_nothing_stays(integer: World, body: str) -> None:
    integer.project.execute(
        f"CREATE FUNCTION sly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;"
        "CREATE TRIGGER sly BEFORE INSERT ON user_conversations FOR EACH ROW EXECUTE FUNCTION sly()"
    )
    integer.put(1, entry(response="small"), entry(query="2", timestamp="soon"))
    before = integer.files
    told = integer.run("--confirm", "--leave-undated", "--json")
    assert (told.status, told.error["code"], told.error["state"]) == (3, "ECL601", "nothing was changed")
    assert integer.rows() == [] and integer.files == before
    assert integer.project.execute("SELECT count(*) FROM ecluse.imported_file") == [(0,)]


def test_row_level_security_is_an_error_and_never_a_filter(integer: World, database: Database) -> None:
    role = f"reader_{os.getpid()}"
    integer.project.execute(
        f"CREATE ROLE {role} LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO {role};"
        f"GRANT ALL ON user_conversations TO {role}; GRANT ALL ON SEQUENCE user_conversations_id_seq TO {role};"
        "ALTER TABLE user_conversations ENABLE ROW LEVEL SECURITY"
    )
    try:
        conninfo = psycopg.conninfo.make_conninfo(database.conninfo, user=role)
        (integer.project.folder / "ecluse.toml").write_text(f"[databases.app]\nurl = {json.dumps(conninfo)}\n")
        integer.put(1, entry())
        rights = integer.run("--json")
        assert (rights.status, rights.error["code"], rights.error["details"]) == (1, "ECL402", "SELECT on public.users")
        integer.project.execute(f"GRANT SELECT ON users TO {role}")
        assert "row-level security" in integer.run("--json").error["message"]
        integer.project.execute("ALTER TABLE user_conversations DISABLE ROW LEVEL SECURITY")
        assert integer.run("--json").status == 0
        record = integer.run("--confirm", "--json")
        assert (record.status, record.error["code"]) == (1, "ECL402") and "imported_file" in record.error["message"]
    finally:
        integer.project.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


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
