"""convert_column on a real server: forward by the mapping, back to the very text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecluse.model.flow import Flow
from ecluse.postgres.connect import Database, Session, open_session
from tests.unit.flow_bench import FlowBench, compiled

FAMILY = """
CREATE TABLE public.conversations (
  id text PRIMARY KEY DEFAULT (gen_random_uuid())::text, user_id text, title varchar(20), "Na me" integer,
  parent_id text REFERENCES public.conversations (id),
  shouted text GENERATED ALWAYS AS (upper(title)) STORED
);
CREATE TABLE public.messages (
  conversation_id character varying NOT NULL REFERENCES public.conversations (id) ON DELETE CASCADE,
  n integer NOT NULL, content text, PRIMARY KEY (conversation_id, n)
);
CREATE TABLE public.marks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id character varying, n integer,
  FOREIGN KEY (conversation_id, n) REFERENCES public.messages (conversation_id, n)
);
CREATE TABLE public.log (id integer PRIMARY KEY, about text);
INSERT INTO public.conversations VALUES
  ('11111111-1111-1111-1111-111111111111', 'a', 'plain', 1, NULL),
  ('ABCDEF00-0000-0000-0000-000000000002', 'b', 'upper', 2, '11111111-1111-1111-1111-111111111111'),
  ('{33333333-3333-3333-3333-333333333333}', NULL, 'brace', NULL, 'ABCDEF00-0000-0000-0000-000000000002'),
  ('44444444444444444444444444444444', 'c', NULL, 4, '{33333333-3333-3333-3333-333333333333}');
INSERT INTO public.messages SELECT id, n, 'm' || n FROM public.conversations, generate_series(1, 2) n;
INSERT INTO public.marks (conversation_id, n) SELECT conversation_id, n FROM public.messages;
INSERT INTO public.marks (conversation_id, n) VALUES (NULL, 3);
INSERT INTO public.log SELECT row_number() over (order by id), id FROM public.conversations;
INSERT INTO public.log VALUES (10, NULL), (11, '99999999-9999-9999-9999-999999999999'),
  (12, 'abcdef00-0000-0000-0000-000000000002');
"""
CONVERT = """
[[operation]]
kind = "convert_column"
table = "public.conversations"
column = "id"
references = [{ table = "public.log", column = "about" }]
"""


@pytest.fixture
def session(any_server_database: Database) -> Iterator[Session]:
    with open_session(any_server_database) as session:
        yield session


def test_a_whole_family_is_converted_and_comes_back_to_the_letter(session: Session) -> None:
    session.execute(FAMILY)
    bench = FlowBench.build(session, CONVERT)
    assert [flow.old.anchor.table.name.name for flow in bench.flows] == ["conversations", "log", "messages", "marks"]
    bench.assert_exact()
    found = bench.run("SELECT id FROM ecluse_next_t.conversations__residue ORDER BY 1")
    assert len(found) == 3
    types = {c.name: c.type for flow in bench.flows for c in flow.new.anchor.table.columns}
    assert types["conversation_id"] == types["parent_id"] == types["about"] == "uuid"
    assert bench.flows[0].new.anchor.table.columns[0].default == "gen_random_uuid()"


def test_new_references_point_back_to_the_old_text(session: Session) -> None:
    session.execute(FAMILY)
    bench = FlowBench.build(session, CONVERT)
    upper = "ABCDEF00-0000-0000-0000-000000000002"
    bench.run(f"INSERT INTO ecluse_next_t.messages VALUES ('{upper}', 9, 'new')")
    bench.run(f"INSERT INTO ecluse_next_t.marks OVERRIDING SYSTEM VALUE VALUES (99, '{upper}', 9)")
    messages, marks = bench.flows[2], bench.flows[3]
    back = bench.run(f"SELECT conversation_id FROM ({bench.sql(messages.old.anchor.select)}) q WHERE n = 9")
    assert back == [(upper,)]
    assert bench.run(f"SELECT conversation_id FROM ({bench.sql(marks.old.anchor.select)}) q WHERE n = 9") == [(upper,)]
    unit = bench.run(f"SELECT {bench.sql(messages.new.unit)} FROM ecluse_next_t.messages m WHERE n = 9")
    assert unit == [(f'["{upper}", "9"]',)]


def test_a_changed_value_is_not_given_its_old_text(session: Session) -> None:
    session.execute(FAMILY)
    bench = FlowBench.build(session, CONVERT)
    bench.run("UPDATE ecluse_next_t.log SET about = '55555555-5555-5555-5555-555555555555'")
    log = bench.flows[1]
    assert bench.run(f"SELECT DISTINCT about FROM ({bench.sql(log.old.anchor.select)}) q") == [
        ("55555555-5555-5555-5555-555555555555",)
    ]


@pytest.mark.parametrize("policy", ["quarantine", "regenerate"])
def test_values_that_are_no_uuid(session: Session, policy: str) -> None:
    session.execute(FAMILY)
    if policy == "quarantine":
        session.execute("ALTER TABLE public.conversations DROP COLUMN parent_id")
    session.execute(
        "INSERT INTO public.conversations VALUES ('whatsapp_+1555', 'x', 't', 1), (' 1 ', 'y', 't', 1);"
        "INSERT INTO public.messages VALUES ('whatsapp_+1555', 1, 'hello');"
        "INSERT INTO public.log VALUES (20, 'whatsapp_+1555')"
    )
    bench = FlowBench.build(session, CONVERT + f'invalid = "{policy}"\n')
    bench.assert_exact()
    kept = bench.run("SELECT count(*) FROM ecluse_next_t.conversations")
    assert kept == [(4 if policy == "quarantine" else 6,)]
    if policy == "regenerate":
        bench.run(
            "INSERT INTO ecluse_next_t.log (id, about) SELECT 30, conversation_id FROM ecluse_next_t.messages "
            "WHERE content = 'hello'"
        )
        log = bench.flows[1].old.anchor.select
        assert bench.run(f"SELECT about FROM ({bench.sql(log)}) q WHERE id = 30") == [("whatsapp_+1555",)]


def test_a_quarantine_that_would_spread_within_its_table_is_refused(session: Session) -> None:
    session.execute(FAMILY)
    found = compiled(session, CONVERT + 'invalid = "quarantine"\n')
    assert {(h.id, h.object) for h in found.hazards} >= {("quarantine-reaches-far", "public.conversations")}


def test_a_quarantined_parent_takes_its_children_along(session: Session) -> None:
    session.execute(
        "CREATE TABLE public.c (id text PRIMARY KEY, user_id text);"
        "CREATE TABLE public.m (id serial PRIMARY KEY, c_id text NOT NULL REFERENCES public.c (id), body text);"
        "INSERT INTO public.c VALUES ('1', 'A1111111-1111-1111-1111-111111111111'), ('2', 'me@example.org');"
        "INSERT INTO public.m (c_id, body) SELECT id, 'x' FROM public.c"
    )
    bench = FlowBench.build(
        session,
        '[[operation]]\nkind = "convert_column"\ntable = "c"\ncolumn = "user_id"\ninvalid = "quarantine"\n',
    )
    bench.assert_exact()
    assert len(bench.flows) == 1
    assert [m.table.name.name for m in bench.flows[0].old.members] == ["c", "m"]
    assert bench.run("SELECT c_id FROM ecluse_next_t.m") == [("1",)]


def test_any_type_with_its_inverse(session: Session) -> None:
    session.execute(
        "CREATE TABLE public.t (id varchar(9) PRIMARY KEY, at text);"
        "INSERT INTO public.t VALUES ('1', '2020-01-01'), ('02', '2020-1-2'), ('+3', NULL)"
    )
    bench = FlowBench.build(
        session,
        '[[operation]]\nkind = "convert_column"\ntable = "t"\ncolumn = "id"\nto = "bigint"\n'
        'using = "id::bigint"\nback = "id::text"\n'
        '[[operation]]\nkind = "convert_column"\ntable = "t"\ncolumn = "at"\nto = "date"\n'
        'using = "at::date"\nback = "at::text"\n'
        '[[operation]]\nkind = "add_columns"\ntable = "t"\ncolumns = { n = "int not null default 7" }\n',
    )
    bench.assert_exact()
    assert bench.run("SELECT id, at::text, n FROM ecluse_next_t.t ORDER BY 1") == [
        (1, "2020-01-01", 7),
        (2, "2020-01-02", 7),
        (3, None, 7),
    ]


def test_the_short_reshape_keeps_what_leaves(session: Session) -> None:
    session.execute(
        "CREATE TABLE public.t (id integer PRIMARY KEY, first text, last text, note text DEFAULT 'n', stars integer);"
        "INSERT INTO public.t VALUES (1, 'a', 'b', NULL, 1), (2, NULL, 'c', 'x', NULL), (3, '', '', 'n', -1)"
    )
    bench = FlowBench.build(
        session,
        '[[operation]]\nkind = "reshape_table"\ntable = "t"\ndrop_columns = ["note", "first"]\n'
        "[operation.columns]\n"
        "stars = { type = \"text\", from = \"case stars when 1 then 'up' when -1 then 'down' end\", "
        "back = { stars = \"case stars when 'up' then 1 when 'down' then -1 end\" } }\n"
        'initial = { type = "text not null", from = "coalesce(left(first, 1), \'\')" }\n',
    )
    bench.assert_exact()
    columns = [c.name for c in bench.flows[0].new.anchor.table.columns]
    assert columns == ["id", "last", "stars", "initial"]


def test_the_census_counts_what_does_not_fit(session: Session) -> None:
    session.execute(FAMILY)
    session.execute(
        "INSERT INTO public.conversations (id) VALUES ('bad'), ('11111111111111111111111111111111'), ('worse')"
    )
    query = compiled(session, CONVERT).census_queries[0]
    assert session.execute(query.sql.encode()).fetchone() == (7, 2, 4, 1, ["bad", "worse"])


def test_a_table_without_a_key_is_refused_unless_an_index_will_do(session: Session) -> None:
    session.execute("CREATE TABLE public.a (x text); CREATE TABLE public.b (x text NOT NULL UNIQUE, y text)")
    operation = '[[operation]]\nkind = "convert_column"\ntable = "{}"\ncolumn = "x"\n'
    assert [h.id for h in compiled(session, operation.format("a")).hazards] == ["no-primary-key"]
    found = compiled(session, operation.format("b"))
    assert found.hazards == ()
    assert isinstance(found.changes[0], Flow)
    assert found.changes[0].old.anchor.key == ("x",)
