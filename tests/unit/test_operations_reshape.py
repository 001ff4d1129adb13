"""reshape_table in its long form: rows merged and split by explicit SQL, on a real server."""

from __future__ import annotations

import pytest

from ecluse.errors import EcluseError, MappingError, MigrationFileError, NotInDatabase
from ecluse.model.flow import Flow, InputTable
from ecluse.operations.compile import compile_migration
from ecluse.operations.file import parse_migration
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from tests.unit.flow_bench import FlowBench, compiled, no_files

BEFORE = """
CREATE TABLE public.talks (id integer PRIMARY KEY, session text, ask text, answer text, at timestamptz);
CREATE TABLE public.feedback (id integer PRIMARY KEY, talk_id integer, stars integer);
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE TRIGGER touch BEFORE UPDATE ON public.talks FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE public.talks ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.talks USING (session = 'me');
INSERT INTO public.talks VALUES (1, 's', 'a', 'b', '2020-01-01'), (2, 's', '', NULL, '2020-01-02'),
  (3, NULL, NULL, 'x', NULL);
INSERT INTO public.feedback VALUES (1, 1, 5), (2, 1, 4), (3, 3, 1);
"""
RESHAPE = """
[[operation]]
kind = "reshape_table"
name = "talks"
  [[operation.old]]
  table = "public.talks"
  alias = "legacy"
  unit = "coalesce(m.session, 'id:' || m.id)"
  several = true
  select = '''
    SELECT (l.value->>'id')::integer AS id, m.session, l.value->>'ask' AS ask, l.value->>'answer' AS answer,
      (l.value->>'at')::timestamptz AS at
    FROM {{talks}} m CROSS JOIN jsonb_array_elements(m.lines) l'''
  [[operation.old]]
  table = "public.feedback"
  join = "m.talk_id = a.id"
  select = "SELECT k.id, k.talk_id, k.stars FROM {{talks}} m JOIN {{marks}} k ON k.talk = m.id"
  [[operation.new]]
  table = "public.talks"
  unit = "coalesce(m.session, 'id:' || m.id)"
  several = true
  columns = { id = "integer not null", session = "text", lines = "jsonb not null" }
  constraints = { talks_pkey = "primary key (id)" }
  indexes = { talks_session = "unique using btree (session)" }
  carry_triggers = ["touch"]
  select = '''
    SELECT min(m.id) AS id, m.session, jsonb_agg(to_jsonb(m) - 'session' ORDER BY m.id) AS lines
    FROM {{legacy}} m GROUP BY m.session, CASE WHEN m.session IS NULL THEN m.id END'''
  [[operation.new]]
  table = "public.marks"
  join = "m.talk = a.id"
  rls = false
  columns = { id = "integer not null", talk = "integer not null", talk_id = "integer", stars = "integer" }
  constraints = { marks_pkey = "primary key (id)", marks_talk_fkey = "foreign key (talk) references talks (id)" }
  select = '''
    SELECT f.id, min(x.id) AS talk, f.talk_id, f.stars
    FROM {{legacy}} m JOIN {{feedback}} f ON f.talk_id = m.id
    JOIN {{legacy}} x ON coalesce(x.session, 'id:' || x.id) = coalesce(m.session, 'id:' || m.id)
    GROUP BY f.id, f.talk_id, f.stars'''
"""


def test_explicit_sql_merges_and_comes_back(database: Database) -> None:
    with open_session(database) as session:
        session.execute(BEFORE)
        bench = FlowBench.build(session, RESHAPE)
        bench.assert_exact()
        flow = bench.flows[0]
        assert bench.run("SELECT count(*) FROM ecluse_next_t.talks") == [(2,)]
        assert flow.old.anchor.logged == ("id", "session")
        assert flow.old.satellites[0].logged == ("id", "talk_id")
        assert flow.old.several
        talks, marks = flow.new.members
        assert [t.name for t in talks.table.triggers] == ["touch"]
        assert talks.table.rls
        assert [p.name for p in talks.table.policies] == ["own"]
        assert (talks.role, marks.role) == ("replaces", "new")
        assert marks.table.owner == talks.table.owner != ""


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        ("{{marks}} k", "public.marks k", MappingError, "it reads 'public.marks'"),
        ("{{marks}} k", "{{mark}} k", MappingError, "'{{mark}}' is not the alias"),
        ("m.session, 'id:' || m.id)", "m.sesion, 'id:' || m.id)", NotInDatabase, "did you mean 'session'"),
        ('"public.feedback"', '"public.feedbak"', NotInDatabase, "did you mean 'public.feedback'"),
        ("integer not null", "integr nott null", MappingError, "syntax error"),
        ("primary key (id)", "primary kee (id)", MappingError, "syntax error"),
        ("btree (session)", "btree (sesion)", MigrationFileError, "names 'sesion'"),
        ("SELECT min(m.id)", "SELECT now(), min(m.id)", MappingError, "'now' differs each time"),
        ('["touch"]', '["tuch"]', MigrationFileError, "no trigger 'tuch'"),
        ('alias = "legacy"', 'alias = "le gacy"', MigrationFileError, "not a plain word"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    database: Database, before: str, after: str, kind: type[EcluseError], words: str
) -> None:
    with open_session(database) as session:
        session.execute(BEFORE)
        text = f'name = "t"\n{RESHAPE}'
        line = text[: text.index(before)].count("\n") + 1
        migration = parse_migration(text.replace(before, after), "t.toml", no_files)
        with pytest.raises(kind) as caught:
            compile_migration(migration, read_catalog(session))
    error = caught.value
    assert type(error) is kind
    assert words in error.message + error.hint
    said = int(error.message.split("line ")[1].split(":")[0])
    assert said <= line
    assert line - said < 4  # a select of several lines is named by its first


def test_what_a_new_table_would_lose_is_named(database: Database) -> None:
    with open_session(database) as session:
        session.execute(BEFORE)
        text = RESHAPE.replace("  rls = false\n", "").replace('carry_triggers = ["touch"]', "")
        found = compiled(session, text)
        assert {(h.id, h.level) for h in found.hazards} == {("rls-lost", "refuse")}


def test_an_input_table_is_read_from_its_file(database: Database) -> None:
    spec = (
        '[[operation.input]]\nalias = "map"\nfile = "users.csv"\ncolumns = { old_value = "text", uuid = "uuid" }\n'
        'key = ["old_value"]\n'
    )
    with open_session(database) as session:
        session.execute(BEFORE)
        migration = parse_migration(
            f'name = "t"\n{RESHAPE}{spec}', "t.toml", lambda name: 'uuid,old_value\nu1,"a,b"\nu2,c\n'
        )
        found = compile_migration(migration, read_catalog(session)).changes
    assert isinstance(found[0], InputTable)
    assert isinstance(found[1], Flow)
    assert found[0].rows == (("a,b", "u1"), ("c", "u2"))
