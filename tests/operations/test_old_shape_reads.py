"""What a look-up in the old shape costs: the plan of the server says which index answers it."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.beside import kept_beside

ROWS = 3000
BEFORE = f"""
CREATE TABLE people (id varchar(36) PRIMARY KEY, name text);
CREATE TABLE chats (id text PRIMARY KEY, person varchar(36) NOT NULL REFERENCES people, at timestamptz NOT NULL);
CREATE INDEX ON chats (person, at);
CREATE TABLE lines (n integer PRIMARY KEY, chat text NOT NULL REFERENCES chats, body text);
CREATE INDEX ON lines (chat);
INSERT INTO people SELECT md5('p' || i)::uuid::text, 'p' || i FROM generate_series(1, {ROWS}) i;
INSERT INTO chats SELECT md5('c' || i)::uuid::text, md5('p' || i)::uuid::text, now() - i * interval '1 hour'
  FROM generate_series(1, {ROWS}) i;
INSERT INTO lines SELECT i, md5('c' || (1 + i % {ROWS}))::uuid::text, 'line ' || i FROM generate_series(1, {ROWS}) i;
"""
ODD = """
INSERT INTO people SELECT upper(md5('P' || i)::uuid::text), 'odd' FROM generate_series(1, 50) i;
INSERT INTO chats SELECT upper(md5('C' || i)::uuid::text), upper(md5('P' || i)::uuid::text), now()
  FROM generate_series(1, 50) i;
INSERT INTO lines SELECT 10000 + i, upper(md5('C' || i)::uuid::text), 'odd' FROM generate_series(1, 50) i;
"""
ODD_CHATS = """
INSERT INTO chats SELECT upper(md5('C' || i)::uuid::text), md5('p' || i)::uuid::text, now()
  FROM generate_series(1, 50) i;
INSERT INTO lines SELECT 10000 + i, upper(md5('C' || i)::uuid::text), 'odd' FROM generate_series(1, 50) i;
"""
MIGRATION = """
name = "reads"

[[operation]]
kind = "convert_column"
table = "public.people"
column = "id"

[[operation]]
kind = "convert_column"
table = "public.chats"
column = "id"
"""
BY_KEY = "SELECT * FROM chats WHERE id = {c}"
BY_REFERENCE = "SELECT * FROM chats WHERE person = {p} ORDER BY at DESC LIMIT 50"
OF_LINES = "SELECT * FROM lines WHERE chat = {c}"
JOINED = "SELECT c.id, count(l.n) FROM chats c LEFT JOIN lines l ON l.chat = c.id WHERE c.person = {p} GROUP BY 1"


def switched(database: Database, folder: Path, before: str) -> psycopg.Connection[tuple[object, ...]]:
    """The old application's connection, after the switch."""
    _, there = kept_beside(database, folder / "reads.toml", before, MIGRATION)
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("ANALYZE")
    return psycopg.connect(there.conninfo, autocommit=True)


def asked(query: str, kind: str = "c") -> str:
    odd = kind.isupper()
    chat, person = (f"md5('{letter}7')::uuid::text" for letter in (("C", "P") if odd else ("c", "p")))
    return query.format(c=f"upper({chat})" if odd else chat, p=f"upper({person})" if odd else person)


def plan_of(conn: psycopg.Connection[tuple[object, ...]], query: str) -> str:
    return "\n".join(str(row[0]) for row in conn.execute(f"EXPLAIN {query}".encode()))


@pytest.mark.parametrize("query", [BY_KEY, BY_REFERENCE, OF_LINES, JOINED])
def test_reaches_the_index(database: Database, tmp_path: Path, query: str) -> None:
    """All ids are written as PostgreSQL writes them: a filter on one goes to an index of the new table."""
    with switched(database, tmp_path, BEFORE) as conn:
        plan = plan_of(conn, asked(query))
        assert not re.search(r"Seq Scan on (chats|lines) ", plan), plan
        assert "using ecluse_before_" in plan or "on ecluse_before_" in plan, plan
        assert "residue" not in plan, plan
        assert len(conn.execute(asked(query).encode()).fetchall()) == 1


@pytest.mark.parametrize("query", [BY_KEY, BY_REFERENCE, OF_LINES])
@pytest.mark.parametrize("kind", ["c", "C"])
def test_reaches_the_index_beside_odd_ids(database: Database, tmp_path: Path, query: str, kind: str) -> None:
    """Some ids are written otherwise: both those and the others are found by an index."""
    with switched(database, tmp_path, BEFORE + ODD) as conn:
        plan = plan_of(conn, asked(query, kind))
        assert not re.search(r"Seq Scan on (chats|lines) ", plan), plan
        assert len(conn.execute(asked(query, kind).encode()).fetchall()) == 1


def test_looks_only_where_something_stands_aside(database: Database, tmp_path: Path) -> None:
    """Odd ids of chats are looked for, and those of people are not, for there are none and will be none."""
    with switched(database, tmp_path, BEFORE + ODD_CHATS) as conn:
        assert plan_of(conn, asked(BY_KEY)).count("on chats m") == 2
        assert len(conn.execute(asked(BY_KEY, "C").replace("P7", "p7").encode()).fetchall()) == 1
        assert conn.execute("SELECT count(*), count(DISTINCT id) FROM chats").fetchone() == (ROWS + 50, ROWS + 50)
        assert conn.execute("SELECT count(*) FROM chats WHERE person = md5('p7')::uuid::text").fetchone() == (2,)
        conn.execute("INSERT INTO chats VALUES (upper(md5('one more')::uuid::text), md5('p7')::uuid::text, now())")
        with pytest.raises(psycopg.errors.CheckViolation, match="id: not written as in any row at the switch"):
            conn.execute("INSERT INTO people VALUES (upper(md5('x')::uuid::text), 'x')")


def test_no_odd_id_comes_unseen(database: Database, tmp_path: Path) -> None:
    """What the views rely on not to be there is refused, with the column's name, and nothing is lost."""
    with switched(database, tmp_path, BEFORE) as conn:
        with pytest.raises(psycopg.errors.CheckViolation, match="id: not written as in any row at the switch"):
            conn.execute("INSERT INTO people VALUES (upper(md5('x')::uuid::text), 'x')")
        conn.execute("INSERT INTO people VALUES (md5('x')::uuid::text, 'x')")
        assert conn.execute("SELECT count(*) FROM people").fetchone() == (ROWS + 1,)
