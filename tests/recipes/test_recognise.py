"""Generations are told apart by their columns, and what is no generation is told by what differs."""

from __future__ import annotations

import pytest

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Column, Constraint, Role, Table
from ecluse.model.names import Name
from ecluse.recipes.conversations_to_messages.recognise import recognise

L2 = {
    "id": "text",
    "session_id": "text",
    "user_id": "text",
    "question": "text",
    "response": "text",
    "created_at": "timestamp without time zone",
}
L3 = L2 | {"id": "uuid", "session_id": "uuid", "user_id": "uuid", "mode": "text", "sources": "jsonb"}
L1 = {
    "id": "integer",
    "session_id": "character varying(255)",
    "user_email": "character varying(255)",
    "question": "text",
    "response_text": "text",
    "created_at": "timestamp without time zone",
}


def table(name: str, columns: dict[str, str], key: tuple[str, ...] = ("id",), refers: str = "") -> Table:
    constraints = [Constraint(f"{name}_pkey", "p", f"PRIMARY KEY ({', '.join(key)})", key)] if key else []
    if refers:
        constraints.append(
            Constraint("fk", "f", "", ("conversation_id",), Name("public", refers), ("id",), on_delete="c")
        )
    return Table(Name("public", name), tuple(Column(n, t) for n, t in columns.items()), tuple(constraints))


def catalog(*tables: Table) -> Catalog:
    return Catalog("app", 180000, Role("owner", True, True), tables={t.name: t for t in tables})


@pytest.mark.parametrize(
    ("generation", "found"),
    [
        ("L1", table("user_questions_complete", L1)),
        ("L1", table("user_questions_complete", L1 | {"confidence": "numeric(5,2)"})),
        ("L2", table("conversations", L2)),
        ("L2", table("conversations", L2 | {"user_id": "uuid", "session_id": "uuid", "feedback": "integer"})),
        ("L2", table("conversations", L2 | {"created_at": "timestamp with time zone", "feedback": "text"})),
        ("L2", table("conversations", L2 | {"response_source": "text", "response_confidence": "double precision"})),
        ("L3", table("conversations", L3)),
    ],
)
def test_a_generation_is_told_by_its_columns(generation: str, found: Table) -> None:
    assert recognise(catalog(found)).generation == generation


def test_the_flat_table_counts_where_an_older_one_is_still_there() -> None:
    both = catalog(table("user_questions_complete", L1), table("conversations", L2))
    assert recognise(both).table.name == Name("public", "conversations")


def test_tables_that_refer_to_it_are_found() -> None:
    tag = table("tags", {"id": "integer", "conversation_id": "text"}, refers="conversations")
    columns = {"id": "uuid", "conversation_id": "uuid", "rating": "integer", "comment": "text"}
    rating = table("feedback", columns | {"created_at": "timestamp with time zone"}, refers="conversations")
    found = recognise(catalog(table("conversations", L3), tag, rating))
    assert found.children == ((tag, "conversation_id"),)
    assert found.ratings is rating


def test_columns_without_a_home_are_the_others() -> None:
    found = recognise(catalog(table("conversations", L3 | {"Flock Size": "integer"})))
    assert [c.name for c in found.others] == ["mode", "sources", "Flock Size"]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ((), "neither"),
        ((table("conversations", {"id": "uuid"}), table("messages", {"id": "uuid"})), "already has its messages"),
        ((table("conversations", {"id": "text", "title": "text"}),), "no column 'question'"),
        ((table("conversations", {n: t for n, t in L2.items() if n != "session_id"}),), "no column 'session_id'"),
        ((table("conversations", L2 | {"id": "bigint"}),), "'id' is bigint"),
        ((table("conversations", L2 | {"created_at": "text"}),), "'created_at' is text"),
        ((table("conversations", L2, key=()),), "primary key is not 'id'"),
    ],
)
def test_what_is_no_generation_says_what_differs(tables: tuple[Table, ...], words: str) -> None:
    with pytest.raises(UnknownGeneration) as caught:
        recognise(catalog(*tables))
    assert words in f"{caught.value.message} {caught.value.details}"
