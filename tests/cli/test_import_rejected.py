"""`ecluse import`: rows and files that are rejected, and tables that do not take them."""

from __future__ import annotations

import json
import os
from typing import Any

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.cli.memories import NOON, SECRET, World, entry, name_of


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
