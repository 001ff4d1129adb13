"""convert_column with a map from a file: what is no UUID is looked up first, and comes back to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.engine import quarantine
from ecluse.errors import MigrationFileError
from ecluse.model.flow import InputTable
from ecluse.operations.file import parse_migration
from ecluse.operations.inputs import read_again
from ecluse.postgres.connect import Database, Session, open_session
from tests.harness import Stage, load, same, snapshot
from tests.unit.flow_bench import FlowBench, compiled

A, B, C = (f"{digit * 8}-0000-0000-0000-000000000000" for digit in "abc")
SETUP = f"""
CREATE TABLE public.c (id integer PRIMARY KEY, user_id text);
CREATE TABLE public.e (id integer PRIMARY KEY, payload jsonb, ids text[]);
INSERT INTO public.c VALUES (1, 'me@x'), (2, 'it''s \\ "x"@y'), (3, '{C.upper()}'), (4, NULL), (5, '{A}'), (6, 'me@x');
INSERT INTO public.e VALUES (1, '{{"user": "me@x"}}', '{{me@x,NULL,{A}}}'), (2, '{{"user": "{A}"}}', '{{{A}}}'),
  (3, '{{"user": "who@x"}}', '{{}}');
"""
CSV = f'old_value,uuid\nme@x,{A}\n"it\'s \\ ""x""@y",{{{B.upper()}}}\n\n'
OPERATION = """
[[operation]]
kind = "convert_column"
table = "c"
column = "user_id"
map = "people.csv"
"""
SOFT = 'references = [{ table = "e", column = "payload", path = "user" }, { table = "e", column = "ids" }]\n'


@pytest.fixture
def session(any_server_database: Database) -> Iterator[Session]:
    with open_session(any_server_database) as session:
        session.execute(SETUP.encode())
        yield session


@pytest.mark.parametrize("policy", ["refuse", "quarantine", "regenerate"])
def test_mapped_values_and_the_rest(session: Session, policy: str) -> None:
    if policy != "refuse":
        session.execute("INSERT INTO public.c VALUES (7, 'who@x')")
    bench = FlowBench.build(session, OPERATION + f'invalid = "{policy}"\n' + SOFT, {"people.csv": CSV})
    bench.assert_exact()
    rows = bench.run("SELECT id, user_id::text FROM ecluse_next_t.c WHERE id < 7 ORDER BY id")
    assert rows == [(1, A), (2, B), (3, C), (4, None), (5, A), (6, A)]
    assert bench.run("SELECT count(*) FROM ecluse_next_t.c WHERE id = 7") == [(int(policy == "regenerate"),)]
    found = bench.run("SELECT payload->>'user', ids::text FROM ecluse_next_t.e WHERE id < 3 ORDER BY id")
    assert found == [(A, f"{{{A},NULL,{A}}}"), (A, f"{{{A}}}")]
    # The new application knows a person by the UUID; the old one by the text.
    bench.run(f"INSERT INTO ecluse_next_t.c VALUES (10, '{B}'), (11, '{C}')")
    made = json.dumps({"user": A})
    bench.run(f"INSERT INTO ecluse_next_t.e VALUES (10, '{made}', '{{{A},NULL,{C}}}')")
    back = bench.sql(bench.flows[0].old.anchor.select)
    assert bench.run(f"SELECT user_id FROM ({back}) q WHERE id > 9 ORDER BY id") == [('it\'s \\ "x"@y',), (C,)]
    back = bench.sql(bench.flows[1].old.anchor.select)
    assert bench.run(f"SELECT payload->>'user', ids FROM ({back}) q WHERE id = 10") == [("me@x", ["me@x", None, C])]


def test_the_census_knows_the_map(session: Session) -> None:
    session.execute("INSERT INTO public.c VALUES (7, 'who@x')")
    queries = compiled(session, OPERATION + SOFT, {"people.csv": CSV}).census_queries
    found = [session.execute(query.sql.encode()).fetchone() for query in queries]
    assert found == [(7, 1, 1, 0, ["who@x"]), (3, 1, 0, 0, ["who@x"]), (4, 0, 0, 0, [])]


def test_a_mapped_value_that_another_row_has_is_a_collision(session: Session) -> None:
    session.execute("ALTER TABLE public.c ADD UNIQUE (user_id, id)")
    session.execute("DELETE FROM public.c WHERE id = 6; CREATE UNIQUE INDEX ON public.c (user_id)")
    query = compiled(session, OPERATION, {"people.csv": CSV}).census_queries[0]
    assert session.execute(query.sql.encode()).fetchone() == (5, 0, 1, 1, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: the header is ''"),
        (f"uuid,old_value\n{A},x", "line 1: the header is 'uuid,old_value', not 'old_value,uuid'"),
        (f"old_value,uuid\nx,{A}\nx,{B}", "line 3: the old value stands in line 2 already"),
        (f"old_value,uuid\nx,{A}\n\ny,{A.upper()}", "line 4: the UUID stands in line 2 already"),
        ("old_value,uuid\nx,abc", "line 2: the new value is not a UUID"),
        (f"old_value,uuid\n{B},{A}", "line 2: the old value is a UUID already"),
        ("old_value,uuid\nx", "line 2: 1 values, not 2"),
        (f'old_value,uuid\n"x\ny",{A}\n"z', "line 4: not valid CSV"),
    ],
)
def test_what_is_wrong_with_a_map_is_told_with_its_line(session: Session, text: str, says: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        compiled(session, OPERATION, {"people.csv": text})
    assert caught.value.message.startswith(f"t.toml, line 7: 'people.csv', {says}")


def test_a_map_that_is_not_there(session: Session) -> None:
    with pytest.raises(MigrationFileError, match=r"t.toml, line 7: cannot read 'people.csv': No such file"):
        compiled(session, OPERATION)


def test_a_column_may_be_called_map_or_file(session: Session) -> None:
    added = '[[operation]]\nkind = "add_columns"\ntable = "c"\ncolumns = { map = "text", file = "text" }\n'
    assert len(compiled(session, added).changes) == 1


def test_a_row_is_retried_when_the_map_knows_it(database: Database, tmp_path: Path) -> None:
    """Before the switch and after it; what was carried before the map grew goes back as it was."""
    load(database, SETUP + f"INSERT INTO c VALUES (7, 'who@x'), (8, 'new@x'), (9, '{C}');")
    file, map_file = tmp_path / "t.toml", tmp_path / "people.csv"
    file.write_text('name = "t"\n' + OPERATION + 'invalid = "quarantine"\n' + SOFT)
    map_file.write_text(CSV)
    before = snapshot(database)
    stage = Stage(database, file)
    assert stage.apply() == "ready"
    map_file.write_text(CSV + f"who@x,{C}\n")
    assert _retry(stage) == quarantine.Retried(2, 1, 1)
    stage.switch()
    map_file.write_text(CSV + f"who@x,{C}\nnew@x,dddddddd-0000-0000-0000-000000000000\n")
    assert _retry(stage) == quarantine.Retried(1, 1, 0)
    stage.verify()
    stage.rollback()
    same(snapshot(database), before)


def _retry(stage: Stage) -> quarantine.Retried:
    folder = stage.file.parent
    migration = parse_migration(stage.file.read_text(), "t.toml", lambda name: (folder / name).read_text())
    inputs = [change for change in stage.plan().inputs if isinstance(change, InputTable)]
    again = read_again(migration, inputs)
    assert len(again) == 1
    return stage.engine().retry("t", inputs=again)
