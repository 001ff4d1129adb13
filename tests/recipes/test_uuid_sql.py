"""The UUID expressions, against what the server's own cast does."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from ecluse.model.uuid_sql import canonical, derived_uuid, plainly_written, to_uuid, valid_uuid
from ecluse.postgres.connect import Database

PLAIN = "3cd5b63b-1244-4f6e-9d0a-0f4d8b7c2a11"
TEXTS = [
    PLAIN,
    PLAIN.upper(),
    "{" + PLAIN + "}",
    PLAIN.replace("-", ""),
    "{" + PLAIN.replace("-", "").upper() + "}",
    "3cd5-b63b-1244-4f6e-9d0a-0f4d-8b7c-2a11",
    "3cd5b63b12444f6e-9d0a0f4d8b7c2a11",
    "3c-d5b63b12444f6e9d0a0f4d8b7c2a11",
    "-" + PLAIN,
    PLAIN + "-",
    " " + PLAIN,
    PLAIN + " ",
    PLAIN + "\n",
    "{" + PLAIN,
    PLAIN + "}",
    "{{" + PLAIN + "}}",
    "",
    "null",
    "whatsapp_+15551234567",
    PLAIN[:-1],
    PLAIN + "0",
    PLAIN.replace("3", "٣"),
    "g" + PLAIN[1:],
]


@pytest.fixture
def conn(any_server_database: Database) -> Iterator[psycopg.Connection]:
    """A session on each version of the server."""
    with psycopg.connect(any_server_database.conninfo, autocommit=True) as session:
        yield session


def cast(conn: psycopg.Connection, text: str) -> uuid.UUID | None:
    try:
        row = conn.execute("select %s::text::uuid", (text,)).fetchone()
    except psycopg.errors.InvalidTextRepresentation:
        return None
    return row[0] if row else None


def mutations(count: int) -> list[str]:
    chance = random.Random(7)
    texts = []
    for _ in range(count):
        letters = list(chance.choice(TEXTS[:8]))
        for _ in range(chance.randint(1, 2)):
            at = chance.randrange(len(letters))
            letters[at : at + chance.randint(0, 1)] = chance.choice(["-", "{", "}", " ", "a", "F", "x", ""])
        texts.append("".join(letters))
    return texts


@pytest.mark.parametrize("texts", [TEXTS, mutations(300)], ids=["chosen", "mutated"])
def test_validity_and_value_are_those_of_the_cast(conn: psycopg.Connection, texts: list[str]) -> None:
    ask = f"select {valid_uuid('t')}, {to_uuid('t')}, {canonical('t')} from (select %s::text) s(t)"
    for text in texts:
        expected = cast(conn, text)
        valid, value, exact = conn.execute(ask, (text,)).fetchone() or ()
        assert (valid, value) == (expected is not None, expected), text
        assert exact == (str(expected) == text), text


@pytest.mark.parametrize("texts", [TEXTS, mutations(300)], ids=["chosen", "mutated"])
def test_a_uuid_is_plainly_written_where_its_text_is_that_of_the_value(
    conn: psycopg.Connection, texts: list[str]
) -> None:
    for text in texts:
        value = cast(conn, text)
        if value is not None:
            row = conn.execute(f"select {plainly_written('t')} from (select %s::text) s(t)", (text,)).fetchone()
            assert row == (str(value) == text,), text


def test_null_stays_null(conn: psycopg.Connection) -> None:
    row = conn.execute(
        f"select {valid_uuid('t')}, {to_uuid('t')}, {canonical('t')}, {derived_uuid('n', 't')} "
        "from (select null::text) s(t)"
    ).fetchone()
    assert row == (None, None, None, None)


def test_a_derived_uuid_is_of_version_8_and_depends_on_both_parts(conn: psycopg.Connection) -> None:
    expression = derived_uuid("it's", "t")
    for text in [*TEXTS, "été \\ %"]:
        found = (conn.execute(f"select {expression} from (select %s::text) s(t)", (text,)).fetchone() or ())[0]
        digits = list(hashlib.sha256(f"it's:{text}".encode()).hexdigest()[:32])
        digits[12], digits[16] = "8", "8"
        assert found == uuid.UUID("".join(digits))
        assert (found.version, found.variant) == (8, uuid.RFC_4122)


def test_all_are_immutable(conn: psycopg.Connection) -> None:
    conn.execute("create table t (t varchar(100))")
    for expression in (valid_uuid("t"), to_uuid("t"), canonical("t"), derived_uuid("n", "t")):
        conn.execute(f"create index on t (({expression}))")
