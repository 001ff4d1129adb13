"""split_table and merge_rows on a real server."""

from __future__ import annotations

import re

import pytest

from ecluse.errors import EcluseError, MigrationFileError
from ecluse.operations.compile import compile_migration
from ecluse.operations.file import parse_migration
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from tests.unit.flow_bench import FlowBench, compiled, no_files

TALKS = """
CREATE TABLE public.talks (id text PRIMARY KEY, question text, response text, stars integer, source text, at date);
INSERT INTO public.talks VALUES
  ('11111111-1111-1111-1111-111111111111', 'q', 'r', 1, 'web', '2020-01-01'),
  ('AAAAAAAA-1111-1111-1111-111111111111', '', NULL, NULL, NULL, '2020-01-02'),
  ('{BBBBBBBB-1111-1111-1111-111111111111}', NULL, '', 7, 'app', NULL),
  ('cccccccc-1111-1111-1111-111111111111', NULL, NULL, -1, NULL, NULL);
"""
SPLIT = """
[[operation]]
kind = "convert_column"
table = "talks"
column = "id"
[[operation]]
kind = "split_table"
table = "talks"
drop_columns = ["question", "response", "stars", "source"]
  [[operation.into]]
  table = "lines"
  parent = ["talk_id"]
  constraints = { lines_pkey = "primary key (id)", lines_talk_id_fkey = "foreign key (talk_id) references talks (id)" }
    [operation.into.columns]
    id = "uuid not null"
    talk_id = "uuid not null"
    role = "text not null"
    content = "text not null"
    mood = "text"
    n = "integer not null default 0"
    [[operation.into.rows]]
    values = { role = "'user'", content = "question", n = "1" }
    [[operation.into.rows]]
    when = "response is not null"
    values = {role = "'assistant'", content = "response", mood = "case stars when 1 then 'up' when -1 then 'down' end"}
    back = { stars = "case mood when 'up' then 1 when 'down' then -1 end" }
"""
SESSIONS = """
CREATE TABLE public.sessions (
  id integer PRIMARY KEY, session text, person text, title text, hits integer, tags text[], at timestamptz
);
INSERT INTO public.sessions VALUES
  (1, 's', 'a', 'one', 2, '{x,y}', '2020-01-01'), (2, 's', 'a', 'two', 3, NULL, '2020-01-02'),
  (3, 's', 'b', 'other', 1, '{}', '2020-01-01'), (4, NULL, 'a', 'alone', NULL, NULL, NULL),
  (5, NULL, 'a', NULL, 5, NULL, '2020-01-01'), (6, '', 'a', '', 1, NULL, NULL), (7, 's', NULL, 'x', 1, NULL, NULL);
"""
MERGE = """
[[operation]]
kind = "merge_rows"
table = "public.sessions"
by = "session"
distinct_on = ["person"]
order_by = "at"
keep = { title = "last", hits = "sum", tags = "coalesce(max(m.tags), '{none}')" }
"""


def test_a_split_comes_back_with_null_and_empty_apart(any_server_database: Database) -> None:
    with open_session(any_server_database) as session:
        session.execute(TALKS)
        bench = FlowBench.build(session, SPLIT)
        bench.assert_exact()
        assert bench.run("SELECT role, content, n, mood FROM ecluse_next_t.lines ORDER BY talk_id, n DESC") == [
            ("user", "q", 1, None),
            ("assistant", "r", 0, "up"),
            ("user", "", 1, None),
            ("assistant", "", 0, None),
        ]
        flow = bench.flows[0]
        assert [column.name for column in flow.new.anchor.table.columns] == ["id", "at"]


def test_edits_of_split_rows_go_back(database: Database) -> None:
    with open_session(database) as session:
        session.execute(TALKS)
        bench = FlowBench.build(session, SPLIT)
        bench.run("UPDATE ecluse_next_t.lines SET content = 'edited', mood = 'down' WHERE role = 'assistant'")
        bench.run("DELETE FROM ecluse_next_t.lines WHERE role = 'user'")
        old = bench.sql(bench.flows[0].old.anchor.select)
        assert bench.run(f"SELECT question, response, stars, source FROM ({old}) q ORDER BY id") == [
            (None, "edited", -1, "web"),
            (None, None, None, None),
            (None, None, -1, None),
            (None, "edited", -1, "app"),
        ]


def test_rows_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(MigrationFileError, match="cannot be told apart"):
        parse_migration('name = "t"\n' + SPLIT.replace("'assistant'", "'user'").replace(', n = "1"', ""), "t", no_files)


def test_merged_rows_come_back(any_server_database: Database) -> None:
    with open_session(any_server_database) as session:
        session.execute(SESSIONS)
        bench = FlowBench.build(session, MERGE)
        bench.assert_exact()
        assert bench.run("SELECT id, title, hits FROM ecluse_next_t.sessions ORDER BY id") == [
            (1, "two", 5),
            (3, "other", 1),
            (4, "alone", None),
            (5, None, 5),
            (6, "", 1),
            (7, "x", 1),
        ]


def test_edits_of_a_merged_row_go_to_one_of_its_rows(database: Database) -> None:
    with open_session(database) as session:
        session.execute(SESSIONS)
        bench = FlowBench.build(session, MERGE)
        bench.run("UPDATE ecluse_next_t.sessions SET title = 'new', session = 'moved', at = NULL WHERE id = 1")
        old = bench.sql(bench.flows[0].old.anchor.select)
        assert bench.run(f"SELECT id, session, title, at FROM ({old}) q WHERE id < 3 ORDER BY id") == [
            (1, "moved", "one", None),
            (2, "moved", "new", bench.run("SELECT '2020-01-02'::timestamptz")[0][0]),
        ]


def test_a_merge_says_what_it_cannot(database: Database) -> None:
    with open_session(database) as session:
        session.execute(SESSIONS + "CREATE TABLE public.x (id integer REFERENCES public.sessions (id));")
        assert [h.id for h in compiled(session, MERGE).hazards] == ["merged-is-referenced"]
        both = MERGE + '[[operation]]\nkind = "add_columns"\ntable = "sessions"\ncolumns = { y = "text" }\n'
        migration = parse_migration(f'name = "t"\n{both}', "t.toml", no_files)
        with pytest.raises(MigrationFileError, match="line 5: another operation changes") as caught:
            compile_migration(migration, read_catalog(session))
        assert "two migrations, and finish the first" in caught.value.hint


def test_a_merge_of_a_table_that_a_conversion_reaches_says_the_way_out(database: Database) -> None:
    with open_session(database) as session:
        session.execute(
            "CREATE TABLE public.people (id text PRIMARY KEY);"
            + SESSIONS
            + "ALTER TABLE public.sessions ADD CONSTRAINT "
            "f FOREIGN KEY (session) REFERENCES public.people (id) NOT VALID"
        )
        convert = '[[operation]]\nkind = "convert_column"\ntable = "people"\ncolumn = "id"\n'
        for both in (MERGE + convert, convert + MERGE):
            found = [h for h in compiled(session, both).hazards if h.level == "refuse"]
            assert {(h.id, h.object) for h in found} == {("changed-twice", "public.sessions")}
            assert "two migrations, and finish the first" in found[0].hint


def test_what_was_merged_is_kept_in_a_column_of_the_new_table(any_server_database: Database) -> None:
    with open_session(any_server_database) as session:
        session.execute(SESSIONS)
        bench = FlowBench.build(session, MERGE + 'metadata = "extra data"\n')
        bench.assert_exact()
        assert [member.role for member in bench.flows[0].new.members] == ["replaces"]
        rows = bench.run('SELECT id, "extra data" FROM ecluse_next_t.sessions WHERE id IN (1, 3)')
        merged = [{"hits": "2", "title": "one"}, {"id": "2", "at": "2020-01-02 00:00:00+00", "hits": "3", "tags": None}]
        assert rows == [(1, {"merged": merged}), (3, None)]
        bench.run(
            "UPDATE ecluse_next_t.sessions SET title = 'new', session = 'moved', "
            '"extra data" = "extra data" || \'{"theme": 1}\' WHERE id = 1'
        )
        bench.run("""UPDATE ecluse_next_t.sessions SET "extra data" = '{"merged": 1}' WHERE id = 3""")
        old = bench.sql(bench.flows[0].old.anchor.select)
        assert bench.run(f"SELECT id, session, title, hits FROM ({old}) q WHERE id < 4 ORDER BY id") == [
            (1, "moved", "one", 2),
            (2, "moved", "new", 3),
            (3, "s", "other", 1),
        ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('order_by = "at"', 'order_by = "att desc"', "names 'att', which is not a column"),
        ('order_by = "at"', 'order_by = "x.at"', "names 'x.at', which is not a column"),
        ('order_by = "at"', 'order_by = "at limit 1"', "'order_by' is not valid: it is not one ordering"),
        ('order_by = "at"', 'order_by = "(select 1)"', "which would refer to other rows"),
        ('order_by = "at"', 'order_by = "random()"', "'random' differs each time"),
        ('hits = "sum"', 'hits = "sum(hit)"', "names 'hit', which is not a column"),
        ('order_by = "at"', 'order_by = "at"\nmetadata = "tags"', "has a column 'tags' already"),
    ],
)
def test_a_merge_names_columns_that_there_are(database: Database, old: str, new: str, says: str) -> None:
    assert old in MERGE
    with open_session(database) as session:
        session.execute(SESSIONS)
        with pytest.raises(EcluseError, match=re.escape(says)):
            compiled(session, MERGE.replace(old, new))
