"""References inside arrays and documents, on a real server: found, converted, and given back to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ecluse.errors import MappingError, MigrationFileError
from ecluse.operations.expressions import InvalidSql
from ecluse.operations.inside import Path
from ecluse.postgres.connect import Database, Session, open_session
from tests.unit.flow_bench import FlowBench, compiled

ONE, TWO = "11111111-1111-1111-1111-111111111111", "abcdef00-0000-0000-0000-000000000002"
SETUP = f"""
CREATE TABLE public.c (id text PRIMARY KEY);
CREATE TABLE public.x (id integer PRIMARY KEY, ids text[] DEFAULT '{{}}', short varchar(60)[]);
CREATE TABLE public.e (id integer PRIMARY KEY, payload jsonb);
INSERT INTO public.c VALUES ('{ONE}'), ('{TWO.upper()}');
INSERT INTO public.x VALUES
  (1, ARRAY['{ONE}', NULL, '{TWO.upper()}', '{ONE}'], ARRAY['{TWO}']), (2, '{{}}', NULL), (3, NULL, '{{NULL}}'),
  (4, ARRAY[ARRAY['{ONE}'], ARRAY['{{{TWO}}}']], ARRAY['{{{ONE}}}']), (5, '[3:4]={{{ONE},{TWO}}}', '{{}}');
"""
OPERATION = """
[[operation]]
kind = "convert_column"
table = "c"
column = "id"
"""
ARRAYS = OPERATION + 'references = [{ table = "x", column = "ids" }, { table = "x", column = "short" }]\n'


@pytest.fixture
def session(any_server_database: Database) -> Iterator[Session]:
    with open_session(any_server_database) as session:
        session.execute(SETUP.encode())
        yield session


def documents(session: Session, *values: object) -> None:
    for number, value in enumerate(values):
        session.execute("INSERT INTO public.e VALUES (%s, %s::jsonb)", (number, json.dumps(value)))


def new_documents(bench: FlowBench) -> list[object]:
    return [row[0] for row in bench.run("SELECT payload FROM ecluse_next_t.e ORDER BY id")]


def back(bench: FlowBench, table: str, column: str, where: str) -> object:
    flow = next(flow for flow in bench.flows if flow.old.anchor.table.name.name == table)
    return bench.run(f"SELECT {column} FROM ({bench.sql(flow.old.anchor.select)}) q WHERE {where}")[0][0]


# --- arrays -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["refuse", "quarantine", "regenerate"])
def test_arrays_become_arrays_of_uuids(session: Session, policy: str) -> None:
    bench = FlowBench.build(session, ARRAYS + f'invalid = "{policy}"\n')
    bench.assert_exact()
    rows = bench.run("SELECT ids::text, short::text FROM ecluse_next_t.x ORDER BY id")
    assert rows == [
        (f"{{{ONE},NULL,{TWO},{ONE}}}", f"{{{TWO}}}"),
        ("{}", None),
        (None, "{NULL}"),
        (f"{{{{{ONE}}},{{{TWO}}}}}", f"{{{ONE}}}"),
        (f"[3:4]={{{ONE},{TWO}}}", "{}"),
    ]
    columns = {c.name: (c.type, c.default) for c in bench.flows[1].new.anchor.table.columns}
    assert columns["ids"] == ("uuid[]", "'{}'::uuid[]")
    assert columns["short"] == ("uuid[]", None)
    assert bench.run("SELECT id FROM ecluse_next_t.x__residue ORDER BY id") == [(1,), (4,)]


def test_elements_that_are_no_uuids(session: Session) -> None:
    session.execute(f"INSERT INTO public.x VALUES (9, ARRAY['{ONE}', 'voice_1', NULL, 'voice_1'], NULL)".encode())
    session.execute("INSERT INTO public.c VALUES ('voice_1')")
    bench = FlowBench.build(session, ARRAYS + 'invalid = "regenerate"\n')
    bench.assert_exact()
    assert bench.run(
        "SELECT x.ids = ARRAY[x.ids[1], c.id, NULL, c.id] FROM ecluse_next_t.x, ecluse_next_t.c "
        "WHERE x.id = 9 AND substr(c.id::text, 15, 1) = '8'"
    ) == [(True,)]
    # What the new application refers to goes back to what it was called.
    bench.run("INSERT INTO ecluse_next_t.x SELECT 10, array_agg(id ORDER BY id), NULL FROM ecluse_next_t.c")
    assert sorted(back(bench, "x", "ids", "id = 10")) == sorted([ONE, TWO, "voice_1"])  # type: ignore[call-overload]


def test_an_array_with_an_unknown_element_goes_to_quarantine(session: Session) -> None:
    session.execute("INSERT INTO public.x VALUES (9, ARRAY['a', NULL], NULL)")
    bench = FlowBench.build(session, ARRAYS + 'invalid = "quarantine"\n')
    bench.assert_exact()
    assert bench.run("SELECT count(*) FROM ecluse_next_t.x") == [(5,)]
    query = next(q for q in compiled(session, ARRAYS).census_queries if q.column == "ids[]")
    assert session.execute(query.sql.encode()).fetchone() == (10, 1, 2, 0, ["a"])


# --- documents --------------------------------------------------------------------------------


def inside(*paths: str, more: str = "") -> str:
    items = ", ".join(f'{{ table = "e", column = "payload", path = \'{path}\' }}' for path in paths)
    return f"{OPERATION}references = [{items}]\n{more}"


def test_a_text_in_a_document_is_written_as_the_new_id(session: Session) -> None:
    odd = {"conversation_id": TWO.upper(), "n": 1.50, "s": "A", "deep": {"conversation_id": TWO.upper()}}
    rest: list[object] = [
        {"conversation_id": ONE},
        {"conversation_id": "voice_1"},
        {"conversation_id": 7},
        {"conversation_id": None},
        {"conversation_id": {"conversation_id": TWO.upper()}},
        ["conversation_id", TWO.upper()],
        TWO.upper(),
        None,
        {},
    ]
    documents(session, odd, *rest)
    session.execute("INSERT INTO public.e VALUES (99, NULL)")
    bench = FlowBench.build(session, inside("conversation_id"))
    bench.assert_exact()
    assert new_documents(bench) == [{**odd, "conversation_id": TWO}, *rest, None]
    assert bench.run("SELECT id FROM ecluse_next_t.e__residue") == [(0,)]
    column = next(c for c in bench.flows[1].new.anchor.table.columns if c.name == "payload")
    assert column.type == "jsonb"


def test_elements_of_lists_in_documents(session: Session) -> None:
    documents(
        session,
        {"items": [{"id": TWO.upper(), "n": 1}, {"n": 2}, None, 3, {"id": f"{{{ONE}}}"}, {"id": ONE}], "id": "{x"},
        {"items": []},
        {"items": {"id": TWO.upper()}},
        {"items": [[{"id": TWO.upper()}], []]},
        [{"id": TWO.upper()}],
        {"items": [{"tags": [{"of": TWO.upper()}, {"of": 1}]}, {"tags": 1}]},
    )
    bench = FlowBench.build(session, inside("items[*].id", "items[*].tags[*].of", "[*].id", "items[*][*].id"))
    bench.assert_exact()
    assert new_documents(bench) == [
        {"items": [{"id": TWO, "n": 1}, {"n": 2}, None, 3, {"id": ONE}, {"id": ONE}], "id": "{x"},
        {"items": []},
        {"items": {"id": TWO.upper()}},
        {"items": [[{"id": TWO}], []]},
        [{"id": TWO}],
        {"items": [{"tags": [{"of": TWO}, {"of": 1}]}, {"tags": 1}]},
    ]


def test_regenerated_ids_in_documents_and_back(session: Session) -> None:
    session.execute("INSERT INTO public.c VALUES ('voice_1')")
    documents(session, {"id": "voice_1", "of": [{"id": "voice_1"}, {"id": ONE}]})
    bench = FlowBench.build(session, inside("id", "of[*].id", more='invalid = "regenerate"'))
    bench.assert_exact()
    ((new,),) = bench.run("SELECT id::text FROM ecluse_next_t.c WHERE substr(id::text, 15, 1) = '8'")
    assert new_documents(bench) == [{"id": new, "of": [{"id": new}, {"id": ONE}]}]
    made = {"id": ONE, "of": [{"id": new}, {"id": "none"}, {"id": new.upper()}], "x": new}
    session.execute("INSERT INTO ecluse_next_t.e VALUES (50, %s::jsonb)", (json.dumps(made),))
    of = [{"id": "voice_1"}, {"id": "none"}, {"id": new.upper()}]
    assert back(bench, "e", "payload", "id = 50") == {**made, "of": of}


def test_the_census_counts_what_stays(session: Session) -> None:
    documents(session, {"id": ONE}, {"id": TWO.upper()}, {"id": "bad"}, {"id": 3}, {"id": None}, {}, [], None)
    found = compiled(session, inside("id")).census_queries[-1]
    assert (found.column, found.policy) == ("payload.id", "keep")
    assert session.execute(found.sql.encode()).fetchone() == (4, 2, 1, 0, ["bad", "3"])
    found = compiled(session, inside("[*].id")).census_queries[-1]
    assert session.execute(found.sql.encode()).fetchone() == (0, 0, 0, 0, [])


# --- paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("a", (("a",),)),
        ("a.b", (("a", "b"),)),
        ("items[*].id", (("items",), ("id",))),
        ("[*]", ((), ())),
        ("a[*][*]", (("a",), (), ())),
        ('"a.b [x]".é', (("a.b [x]", "é"),)),
        ("it's", (("it's",),)),
    ],
)
def test_a_path_is_read(text: str, runs: tuple[tuple[str, ...], ...]) -> None:
    assert Path.parse(text).runs == runs


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a[0]", "a[*", "a.[*]", "a b", '"a'])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidSql):
        Path.parse(text)


def test_what_does_not_fit_is_told_with_its_line(session: Session) -> None:
    with pytest.raises(MigrationFileError, match=r"t.toml, line 7: 'public.e.payload' is jsonb: say where"):
        compiled(session, OPERATION + 'references = [{ table = "e", column = "payload" }]')
    with pytest.raises(MigrationFileError, match=r"'public.x.ids' is text\[\]: it has no 'path'"):
        compiled(session, OPERATION + 'references = [{ table = "x", column = "ids", path = "a" }]')
    with pytest.raises(MappingError, match="is not a path"):
        compiled(session, inside("a..b"))
    with pytest.raises(MigrationFileError, match="is converted twice"):
        compiled(session, inside("a", "a"))
