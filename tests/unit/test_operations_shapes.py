"""split_table and merge_rows on a real server."""

from __future__ import annotations

import pytest

from ecluse.errors import MigrationFileError
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
        with pytest.raises(MigrationFileError, match="line 5: another operation changes"):
            compile_migration(migration, read_catalog(session))
