"""What the new application writes has a sensible legacy form, and comes back from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.postgres.connect import Database, open_session
from tests.recipes.sides import Connection, Sides

USER = "aaaaaaaa-0000-4000-8000-000000000001"


def some(number: int) -> str:
    """About an eighth of the conversations, another one for each number."""
    return f"select id from next.conversations where hashtext(id::text) & 7 = {number}"


def live(conn: Connection, folder: Path) -> None:
    """The functions and the trigger of the new shape, on the tables in schema next."""
    script = (folder / "define" / "functions.sql").read_text().split("-- As before")[0]
    conn.execute(script.replace("public.", "next.").encode())


def write_news(conn: Connection) -> None:
    """Everything the new application does, here and there."""
    for query in (
        f"update next.conversations set title = 'edited ' || id where id in ({some(0)})",
        f"update next.conversations set status = 'archived' where id in ({some(1)})",
        "update next.messages set feedback = 'negative', feedback_comment = 'no' "
        f"where role = 'assistant' and conversation_id in ({some(2)})",
        f"update next.messages set feedback = 'neutral' where role = 'assistant' and conversation_id in ({some(3)})",
        f"delete from next.conversation_tags where conversation_id in ({some(4)})",
        f"delete from next.messages where conversation_id in ({some(4)})",
        f"delete from next.conversations where id in ({some(4)})",
        f"insert into next.conversation_tags (conversation_id, tag) select id, 'new' from ({some(5)}) c",
    ):
        conn.execute(query.encode())
    for role, answer in (("user", ""), ("assistant", ", 'rag', 0.25, 7"), ("user", "")):
        conn.execute(
            f"select next.add_message_to_conversation(id, %s, %s || id{answer}) from next.conversations "
            f"where id in ({some(5)})".encode(),
            (role, f"more from the {role} "),
        )
    conn.execute(
        b"select next.add_message_to_conversation(c.id, r.role, r.role || ' to ' || n) from ("
        b"select n, next.create_conversation_with_messages(gen_random_uuid(), %s, 'q' || n, 'r' || n) as id "
        b"from generate_series(1, 50) n) c, (values ('user'), ('assistant'), ('assistant'), ('user')) r (role)",
        (USER,),
    )


@pytest.mark.parametrize("kind", ["L2", "L3"])
def test_new_writes_come_back_from_the_legacy_shape(database: Database, tmp_path: Path, kind: str) -> None:
    variants = ("production_columns",) if kind == "L2" else ()
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, kind, 2000, variants)  # type: ignore[arg-type]
        sides.forward("public", "next")
        live(conn, tmp_path)
        write_news(conn)
        sides.inverse("next", "back")
        sides.forward("back", "again")
        for alias in ("messages", "conversation_tags", "conversations"):
            here, there = sides.table(alias, "next"), sides.table(alias, "again")
            # The legacy shape has no column of its own for what metadata says of legacy values that were changed.
            columns = tuple(c for c in sides.flow.member(alias).columns if c != "metadata")
            found = sides.differences(there, here, columns)
            assert not found, "\n".join(found)


def test_a_further_exchange_is_one_more_legacy_row(database: Database, tmp_path: Path) -> None:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, "L2", 300)
        sides.forward("public", "next")
        live(conn, tmp_path)
        conn.execute("create temp table plain as select id from next.conversations where metadata is null limit 1")
        asked = conn.execute("select next.add_message_to_conversation(id, 'user', 'and then?') from plain").fetchone()
        conn.execute("select next.add_message_to_conversation(id, 'assistant', 'that') from plain")
        sides.inverse("next", "back")
        rows = conn.execute(
            "select b.id, b.question, b.response, b.message_count, b.session_id = p.id::text "
            "from back.conversations b, plain p where b.session_id = p.id::text order by b.created_at desc limit 1"
        ).fetchall()
        assert asked is not None
        assert rows == [(str(asked[0]), "and then?", "that", 2, True)]
        kept = "select * from public.conversations where user_id ~ '^[0-9A-Fa-f-]{36}$'"
        columns = sides.flow.old.anchor.columns
        found = sides.differences(sides.table("legacy", "back"), f"({kept})", columns)
        assert len(found) == 1 and found[0].startswith("extra"), "all other rows are as they were"


def test_a_changed_value_wins_over_what_was_kept(database: Database, tmp_path: Path) -> None:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, "L2", 2000)
        conn.execute("update public.conversations set status = 'closed', feedback = 'up' where response <> ''")
        sides.forward("public", "next")
        conn.execute("update next.conversations set status = 'deleted'")
        conn.execute("update next.messages set feedback = 'positive' where role = 'assistant'")
        sides.inverse("next", "back")
        found = conn.execute("select distinct status, feedback from back.conversations where response <> ''").fetchall()
        assert found == [("deleted", "1")]


def test_deleted_messages_leave_the_rows_that_remain(database: Database, tmp_path: Path) -> None:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, "L3", 1000)
        sides.forward("public", "next")
        before = sides.count("select count(*)::int from public.conversations")
        conn.execute("delete from next.messages m where m.sequence_number > 2")
        sides.inverse("next", "back")
        lost = sides.count(
            "select count(*)::int from public.conversations o where not exists "
            "(select from back.conversations b where b.id = o.id)"
        )
        further = sides.count("select count(*)::int from next.conversations")
        assert lost > 0 and before - lost >= further, "a row goes with its messages; the first of a conversation stays"
        assert (
            sides.count(
                "select count(*)::int from back.feedback f where not exists "
                "(select from back.conversations b where b.id = f.conversation_id)"
            )
            == 0
        )
        assert (
            sides.count(
                "select count(*)::int from back.conversation_tags t where not exists "
                "(select from back.conversations b where b.id = t.conversation_id)"
            )
            == 0
        )
        conn.execute("delete from next.messages")
        sides.inverse("next", "bare")
        assert (
            sides.count("select count(*)::int from bare.conversations where question = '' and response = ''") >= further
        )


def test_a_conversation_without_messages_is_an_empty_row(database: Database, tmp_path: Path) -> None:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, "L2", 0)
        sides.forward("public", "next")
        conn.execute(
            "insert into next.conversations (session_id, user_id, title) values (gen_random_uuid(), %s, 'empty')",
            (USER,),
        )
        conn.execute(
            "insert into next.messages (conversation_id, role, content, sequence_number) "
            "select id, 'system', 'be kind', 1 from next.conversations"
        )
        sides.inverse("next", "back")
        rows = conn.execute("select title, question, response, user_id, status from back.conversations").fetchall()
        assert rows == [("empty", None, None, USER, "active")]
