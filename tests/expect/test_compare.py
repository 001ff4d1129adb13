"""What is found between a schema and a database: all that an application can tell, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import ExpectationError
from ecluse.postgres.binaries import DEFAULT_VERSION, bin_dir
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.expected import expected_of
from ecluse.postgres.saved_catalog import load as load_saved
from ecluse.postgres.saved_catalog import save
from ecluse.recipes.conversations_to_messages.generate import Generation, generate
from tests.expect.conftest import Compared, Comparison
from tests.harness import load

BASE = """
create table public.people (id integer primary key, mail text not null, age integer default 3, role text);
create index people_mail on public.people (mail);
alter table public.people add constraint grown check (age > 2);
create view public.mails as select id, mail from public.people;
create function public.twice(n integer) returns integer language sql as 'select n * 2';
create function public.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger people_touch before update on public.people for each row execute function public.touch();
create policy own on public.people using (mail = current_user);
alter table public.people enable row level security;
create publication news for table public.people;
create type public.mood as enum ('good', 'bad');
create sequence public.numbers;
"""
# What is done to the database, and what must be told.
CHANGES = {
    "alter table public.people drop column role": ("missing", "table public.people, column role (text)"),
    "alter table public.people alter column age type bigint": (
        "differs",
        "table public.people, column age: type: expected integer, is bigint",
    ),
    "alter table public.people alter column mail drop not null": (
        "differs",
        "table public.people, column mail: not null: expected yes, is no",
    ),
    "alter table public.people alter column age drop default": (
        "differs",
        "table public.people, column age: default: expected 3, is none",
    ),
    "alter table public.people drop constraint grown": (
        "missing",
        "table public.people, constraint grown (CHECK ((age > 2)))",
    ),
    "drop index public.people_mail": ("missing", "table public.people, index people_mail (USING btree (mail))"),
    "drop index public.people_mail; create index people_mail on public.people (lower(mail))": (
        "differs",
        "table public.people, index people_mail: tail: expected USING btree (mail), is USING btree (lower(mail))",
    ),
    "drop view public.mails": ("missing", "view public.mails"),
    "create or replace view public.mails as select id, upper(mail) as mail from public.people": (
        "differs",
        "view public.mails, definition",
    ),
    "drop function public.twice": ("missing", "function public.twice(n integer)"),
    "create or replace function public.twice(n integer) returns integer language sql as 'select n + n'": (
        "differs",
        "function public.twice(n integer), definition",
    ),
    "drop trigger people_touch on public.people": ("missing", "table public.people, trigger people_touch"),
    "alter table public.people disable trigger people_touch": (
        "differs",
        "table public.people, trigger people_touch: enabled: expected O, is D",
    ),
    "drop policy own on public.people": ("missing", "table public.people, policy own"),
    "alter policy own on public.people using (true)": ("differs", "table public.people, policy own: using"),
    "alter table public.people disable row level security": ("differs", "table public.people, rls: expected yes"),
    "alter publication news drop table public.people": ("missing", "table public.people, publication news"),
    "drop publication news": ("missing", "publication news"),
    "alter type public.mood add value 'fair'": ("differs", "type public.mood: expected (good, bad)"),
    "drop type public.mood": ("missing", "type public.mood"),
    "drop sequence public.numbers": ("missing", "sequence public.numbers"),
    "drop table public.people cascade": ("missing", "table public.people"),
}
UNTOLD = """
comment on table public.people is 'all of them';
alter table public.people set (fillfactor = 70), alter column mail set storage external;
alter table public.people alter column mail set statistics 500;
create role expect_owner;
alter table public.people owner to expect_owner;
alter function public.twice(integer) owner to expect_owner;
grant all on public.people to expect_owner;
"""


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_missing_or_differs_is_told(compared: Compared, change: str) -> None:
    state, text = CHANGES[change]
    found = compared(BASE, BASE + ";" + change).told
    assert any(s == state and t.startswith(text) for s, t in found), found


def test_the_same_schema_differs_in_nothing(compared: Compared) -> None:
    found = compared(BASE, BASE)
    assert (found.findings, found.migration) == ((), "")


def test_owners_comments_and_storage_are_not_compared(compared: Compared, database: Database) -> None:
    try:
        assert compared(BASE, BASE + UNTOLD).findings == ()
    finally:
        load(database, "drop owned by expect_owner cascade; drop role if exists expect_owner")


def test_what_only_the_database_has_is_told_and_is_no_fault(compared: Compared) -> None:
    more = (
        "alter table public.people add column nick text; create index people_age on public.people (age);"
        "create table public.cats (id integer); grant select on public.people to pg_monitor;"
        "create schema elsewhere; create table elsewhere.dogs (id integer)"
    )
    found = compared(BASE, BASE + ";" + more)
    assert found.told == []
    assert found.migration == ""
    assert found.extra[:2] == ["schema elsewhere", "table public.cats"] or "table public.cats" in found.extra
    assert "table public.people, column nick (text)" in found.extra
    assert not any("dogs" in text for text in found.extra)


def test_a_right_too_many_is_a_fault_where_rights_were_given_on_purpose(compared: Compared) -> None:
    given = "grant select on public.people to pg_monitor; revoke all on function public.twice from public;"
    there = "grant select, delete on public.people to pg_monitor; grant select on public.people to public"
    found = compared(BASE + given, BASE + there).told
    assert ("differs", "table public.people, grants to PUBLIC: expected absent, is SELECT") in found
    assert ("differs", "table public.people, grants to pg_monitor: expected SELECT, is DELETE, SELECT") in found
    assert ("differs", "function public.twice(n integer), grants to PUBLIC: expected absent, is EXECUTE") in found


@pytest.mark.parametrize("generation", ["L1", "L2", "L3"])
def test_a_dump_of_a_database_is_as_it_is(
    any_server_database: Database, open_folder: Path, generation: Generation
) -> None:
    """With its roles, settings and restrictions, and on a server of the nearest version where it must be."""
    with psycopg.connect(any_server_database.conninfo, autocommit=True) as conn:
        generate(conn, generation, 20)
        conn.execute("grant select (title) on public.conversations to app_user" if generation != "L1" else "select 1")
    program = bin_dir(DEFAULT_VERSION) / "pg_dump"
    dump = subprocess.run(
        [str(program), "--schema-only", any_server_database.conninfo], capture_output=True, text=True, check=True
    )
    with open_session(any_server_database) as conn:
        actual = read_catalog(conn, measure=False)
    found = Comparison(expected_of(dump.stdout, "dump.sql", actual, open_folder), actual)
    assert found.findings == ()


def test_a_view_that_another_version_prints_in_other_words_is_the_same(
    any_server_database: Database, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the very version is not at hand, the nearest one is asked what the view means."""
    monkeypatch.setattr("ecluse.postgres.binaries.installed_bin_dirs", dict)
    monkeypatch.setattr("ecluse.postgres.binaries.EMBEDDED", (16 if any_server_database.label.count(" 18,") else 18,))
    load(any_server_database, BASE)
    with open_session(any_server_database) as conn:
        actual = read_catalog(conn, measure=False)
        assert Comparison(expected_of(BASE, "schema.sql", actual, open_folder), actual).told == []
        other = BASE.replace("select id, mail from", "select id, lower(mail) as mail from")
        found = Comparison(expected_of(other, "schema.sql", actual, open_folder), actual).told
    assert [(state, text.split(":")[0]) for state, text in found] == [("differs", "view public.mails, definition")]


def test_a_saved_schema_is_read_as_it_was_written(database: Database) -> None:
    load(database, BASE)
    with open_session(database) as conn:
        actual = read_catalog(conn, measure=False)
        text = save(actual)
        assert Comparison(load_saved(text, "saved.json"), actual).findings == ()
        conn.execute("alter table public.people drop column role")
        now = read_catalog(conn, measure=False)
    assert Comparison(load_saved(text, "saved.json"), now).told == [
        ("missing", "table public.people, column role (text)")
    ]
    for damaged in ("{}", "[", text.replace('"format": 1', '"format": 2')):
        with pytest.raises(ExpectationError):
            load_saved(damaged, "saved.json")


def test_a_script_is_read_whatever_it_was_written_for(compared: Compared) -> None:
    """Transactions, CONCURRENTLY, roles that are nowhere, settings of other versions, extensions that are missing."""
    script = """
        \\restrict abc
        SET setting_of_tomorrow = 0;
        BEGIN;
        CREATE SCHEMA public;
        CREATE EXTENSION extension_of_nobody;
        CREATE TABLE t (id integer);
        ALTER TABLE t OWNER TO expect_nobody;
        GRANT SELECT ON t TO expect_somebody;
        CREATE INDEX CONCURRENTLY t_id ON t (id);
        COMMIT;
        \\unrestrict abc
    """.replace("\n        ", "\n")
    found = compared(script, "create table public.t (id integer); create index t_id on public.t (id)").told
    assert found == [("missing", "table public.t, grants to expect_somebody (SELECT)")]


def test_nothing_of_a_script_stays(database: Database, open_folder: Path, compared: Compared) -> None:
    found = compared("create role expect_passing; create table t (id int); grant all on t to expect_else", "")
    assert [f.object for f in found.findings] == ["public.t"]
    with psycopg.connect(database.conninfo) as conn:
        assert conn.execute("select 1 from pg_roles where rolname like 'expect_%'").fetchall() == []


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("create table a (id int);\n\ncreate table b (id nothing);", 'schema.sql, line 3: type "nothing" does not'),
        ("create table a (id int);\ncreate tabel b;", "schema.sql, line 2: not valid SQL"),
        ("create table a (id int);\nCOPY a (id) FROM stdin;\n1\n\\.\n", "schema.sql, line 2: the script holds rows"),
    ],
)
def test_a_script_that_cannot_be_read_says_where(compared: Compared, script: str, told: str) -> None:
    with pytest.raises(ExpectationError) as caught:
        compared(script, "")
    assert caught.value.message.startswith(told)
