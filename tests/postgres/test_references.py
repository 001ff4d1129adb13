"""Columns that look like references: what is found, how much of it, and what is not taken for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecluse.model.names import Name
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.references import LikelyReference, alike, likely_references

SCHEMA = """
CREATE TABLE conversations (id text PRIMARY KEY, title text);
CREATE TABLE users (id uuid PRIMARY KEY, name text);
CREATE TABLE orders (number integer PRIMARY KEY);
CREATE TABLE declared (id integer PRIMARY KEY, conversation_id text REFERENCES conversations (id));
CREATE TABLE events (
    id integer PRIMARY KEY, about varchar(80), payload jsonb, user_id text, conversation_ids text[], order_number text,
    note text, orders_number integer, size integer
);
INSERT INTO conversations SELECT CASE n % 2 WHEN 0 THEN upper(md5('c' || n)::uuid::text) ELSE 'c' || n END, 't' || n
FROM generate_series(1, 100) n;
INSERT INTO users SELECT md5('u' || n)::uuid, 'name ' || n FROM generate_series(1, 20) n;
INSERT INTO orders SELECT generate_series(1, 50);
INSERT INTO declared SELECT 1, id FROM conversations LIMIT 1;
INSERT INTO events
SELECT n, CASE WHEN n <= 50 THEN c.id ELSE 'gone ' || n END,
       jsonb_build_object('a.b', jsonb_build_object('conversation', lower(c.id)),
                          'seen', jsonb_build_array(c.id, 7, NULL)),
       CASE n % 3 WHEN 0 THEN upper(md5('u' || n % 20 + 1)::uuid::text)
           WHEN 1 THEN '{' || md5('u' || n % 20 + 1)::uuid || '}' ELSE md5('u' || n % 20 + 1)::uuid::text END,
       ARRAY[replace(c.id, '-', ''), NULL], n::text, 'just words ' || n, n, n
FROM generate_series(1, 100) n JOIN conversations c ON c.title = 't' || n;
"""


@pytest.fixture
def session(any_server_database: Database) -> Iterator[Session]:
    with open_session(any_server_database) as session:
        session.execute("SET search_path TO public")
        session.execute(SCHEMA)
        session.execute("SET search_path TO ''")
        yield session


def look(session: Session, **options: int) -> dict[tuple[str, str], LikelyReference]:
    found = likely_references(session, read_catalog(session), **options)
    assert {one.table for one in found} == {Name("public", "events")}
    assert len({(one.column, one.path) for one in found}) == len(found)
    return {(one.column, one.path): one for one in found}


def test_every_kind_of_place_is_looked_into(session: Session) -> None:
    found = look(session)
    have = {
        place: (one.key_table.name, one.key_column, one.values_sampled, one.found, one.found_otherwise, one.by_name)
        for place, one in found.items()
    }
    assert have == {
        ("about", ""): ("conversations", "id", 100, 50, 0, False),
        ("payload", '"a.b".conversation'): ("conversations", "id", 100, 100, 50, True),
        ("payload", "seen[*]"): ("conversations", "id", 100, 100, 0, False),
        ("user_id", ""): ("users", "id", 60, 60, 40, True),
        ("conversation_ids", "[*]"): ("conversations", "id", 100, 100, 50, True),
        ("order_number", ""): ("orders", "number", 100, 50, 0, True),
        ("orders_number", ""): ("orders", "number", 100, 50, 0, True),
    }
    assert found["about", ""].share == 0.5


def test_the_sample_is_limited_and_the_same_each_time(session: Session) -> None:
    session.execute(
        "INSERT INTO public.events (id, about, note) SELECT n, 'x' || n, repeat('-', 70) "
        "FROM generate_series(1000, 60000) n; ANALYZE public.events"
    )
    found = look(session, sample=200)
    assert found["user_id", ""].values_sampled <= 200
    assert look(session, sample=200) == found


@pytest.mark.parametrize(
    ("column", "table", "key", "says"),
    [
        ("user_id", "users", "id", True),
        ("userid", "users", "id", True),
        ("owner_user_id", "users", "id", True),
        ("category_id", "categories", "id", True),
        ("session_id", "sessions", "session_id", True),
        ("id", "users", "id", False),
        ("username", "users", "id", False),
        ("amount", "users", "id", False),
    ],
)
def test_a_name_may_say_what_it_refers_to(column: str, table: str, key: str, says: bool) -> None:
    assert alike(column, Name("public", table), key) is says
