"""The mapping of conversations_to_messages keeps its law: what it makes can be made back, every row and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.planning import flow_sql
from ecluse.postgres.connect import Database, open_session
from ecluse.recipes.conversations_to_messages.generate import Variant
from tests.recipes.sides import Sides

ROWS = 5000
KINDS: dict[str, tuple[str, tuple[Variant, ...]]] = {
    "L1": ("L1", ()),
    "L2": ("L2", ()),
    "L2-integer-feedback": ("L2", ("integer_feedback",)),
    "L2-aware": ("L2", ("aware_timestamps", "production_columns")),
    "L2-uuids": ("L2", ("uuid_users", "uuid_sessions")),
    "L3": ("L3", ()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_legacy_row_comes_back_exactly(database: Database, tmp_path: Path, kind: str) -> None:
    generation, variants = KINDS[kind]
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, generation, ROWS, variants)
        sides.forward("public", "next")
        sides.inverse("next", "back")
        for member in sides.flow.old.members:
            found = sides.differences(sides.table(member.alias, "back"), sides.carried(member), member.columns)
            assert not found, "\n".join(found)


@pytest.mark.parametrize("kind", ["L1", "L2", "L3"])
def test_a_second_time_gives_the_same_rows_and_ids(database: Database, tmp_path: Path, kind: str) -> None:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, kind, 1000)
        sides.forward("public", "next")
        sides.inverse("next", "back")
        sides.forward("back", "again")
        for member in sides.flow.new.members:
            here, there = sides.table(member.alias, "next"), sides.table(member.alias, "again")
            assert not sides.differences(there, here, member.columns)


@pytest.mark.parametrize("kind", ["L1", "L2", "L3"])
def test_a_unit_maps_alone_as_it_does_among_all(database: Database, tmp_path: Path, kind: str) -> None:
    """Drain rebuilds single units; the copy and the proof map all rows at once."""
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, kind, 1000)
        sides.forward("public", "next")
        at = sides.places("public", "next")
        old, new = sides.flow.old, sides.flow.new
        conn.execute("create temp table ecluse_units (unit text primary key)")
        conn.execute(
            f"insert into ecluse_units select distinct {new.unit} from {at.sql('conversations')} m "
            "where hashtext(m.id::text) % 5 = 0".encode()
        )
        for target, source in ((new, old), (old, new)):
            for member in target.members:
                some = flow_sql.mapped(member, source, at, flow_sql.rows_of_units(source, at))
                here = flow_sql.member_of_units(target, member, at)
                found = sides.differences(f"({some})", here, member.columns)
                assert not found, "\n".join(found)


def test_units_have_one_name_on_both_sides(database: Database, tmp_path: Path) -> None:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, "L2", 1000)
        sides.forward("public", "next")
        old = f"select {sides.flow.old.unit} from {sides.carried(sides.flow.old.anchor)} m"
        new = f"select {sides.flow.new.unit} from next.conversations m"
        assert sides.count(f"select count(*)::int from (({old} except {new}) union all ({new} except {old})) d") == 0


# --- what becomes of chosen rows ------------------------------------------------------------------

_INSERT = (
    "insert into public.conversations (id, session_id, user_id, question, preview, response, last_message_preview, "
    "created_at, updated_at) values "
)
ANN, BEN = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
ONE, TWO = "11111111-0000-4000-8000-00000000000a", "22222222-0000-4000-8000-00000000000b"


def _row(id_: str, session: str, user: str, minute: int) -> str:
    when = f"timestamp '2025-10-01 10:{minute:02}'"
    return f"('{id_}', '{session}', '{user}', 'why?', 'why?', 'because', 'because', {when}, {when})"


def _chosen(database: Database, folder: Path, rows: list[str]) -> tuple[Sides, list[tuple[object, ...]]]:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, folder, "L2", 0)
        conn.execute((_INSERT + ", ".join(rows)).encode())
        sides.forward("public", "next")
        sides.inverse("next", "back")
        anchor = sides.flow.old.anchor
        assert not sides.differences(sides.table("legacy", "back"), sides.carried(anchor), anchor.columns)
        found = conn.execute(
            "select id::text, session_id::text, user_id::text, message_count, metadata from next.conversations "
            "order by created_at, id"
        ).fetchall()
        return sides, found


def test_rows_of_one_session_and_person_become_one_conversation(database: Database, tmp_path: Path) -> None:
    _, found = _chosen(database, tmp_path, [_row(TWO, ONE, ANN, 5), _row(ONE, ONE, ANN, 1), _row(BEN, ONE, ANN, 9)])
    assert found == [(ONE, ONE, ANN, 6, None)]


def test_two_people_in_one_session_stay_apart(database: Database, tmp_path: Path) -> None:
    _, found = _chosen(database, tmp_path, [_row(TWO, ONE, BEN, 5), _row(ONE, ONE, ANN, 1)])
    assert [(row[0], row[2]) for row in found] == [(ONE, ANN), (TWO, BEN)]
    assert found[0][1] == ONE and found[1][1] != ONE, "the older one keeps the session"
    assert found[0][4] is None and found[1][4] == {"legacy": {"unit": ONE}}


def test_two_spellings_of_one_session_stay_apart(database: Database, tmp_path: Path) -> None:
    _, found = _chosen(database, tmp_path, [_row(ONE, ONE, ANN, 1), _row(TWO, ONE.upper(), ANN, 5)])
    assert [row[0] for row in found] == [ONE, TWO]
    assert found[1][4] == {"legacy": {"unit": ONE, "session": ONE.upper()}}


def test_two_ids_that_are_one_uuid_stay_apart_in_a_session(database: Database, tmp_path: Path) -> None:
    rows = [_row(ONE, "whatsapp_+15551234567", ANN, 1), _row(ONE.upper(), "whatsapp_+15551234567", BEN, 2)]
    _, found = _chosen(database, tmp_path, rows)
    assert found[0][0] == ONE and found[1][0] != ONE
    assert found[1][4]["legacy"]["rows"] == [{"id": ONE.upper()}]  # type: ignore[index]


@pytest.mark.parametrize("spelling", [ONE.upper(), "{" + ONE + "}", ONE.replace("-", "").upper()])
def test_two_ids_that_are_one_uuid_in_two_sessions_are_not_both_carried(
    database: Database, tmp_path: Path, spelling: str
) -> None:
    _, found = _chosen(database, tmp_path, [_row(ONE, ONE, ANN, 5), _row(spelling, TWO, ANN, 1)])
    assert [(row[0], row[1]) for row in found] == [(ONE, ONE)]


def test_users_that_are_not_uuids_are_rejected_with_a_reason(database: Database, tmp_path: Path) -> None:
    _, found = _chosen(database, tmp_path, [_row(ONE, ONE, "ann@example.com", 1), _row(TWO, ONE, ANN.upper(), 2)])
    assert [(row[0], row[2]) for row in found] == [(TWO, ANN)]
    assert found[0][4]["legacy"]["rows"] == [{"user_id": ANN.upper(), "user_id_as": ANN}]  # type: ignore[index]


def test_children_that_may_be_there_once_become_one(database: Database, tmp_path: Path) -> None:
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, "L2", 0)
        rows = [_row(ONE, ONE, ANN, 1), _row(TWO, ONE, ANN, 5)]
        conn.execute((_INSERT + ", ".join(rows)).encode())
        conn.execute(
            b"insert into public.conversation_tags (conversation_id, tag) values (%s, 'a'), (%s, 'a'), (%s, 'b')",
            (ONE, TWO, TWO),
        )
        sides.forward("public", "next")
        tags = conn.execute("select conversation_id::text, tag from next.conversation_tags order by tag").fetchall()
        assert tags == [(ONE, "a"), (ONE, "b")]
        sides.inverse("next", "back")
        tag = sides.flow.member("legacy_conversation_tags")
        assert not sides.differences(sides.table(tag.alias, "back"), tag.table.name.sql, tag.columns)


def test_plain_rows_keep_nothing(database: Database, tmp_path: Path) -> None:
    """Residue costs time and space: the sample has about a tenth of odd rows, no more may carry any."""
    with open_session(database, role="test") as conn:
        sides = Sides.of(conn, tmp_path, "L2", ROWS)
        sides.forward("public", "next")
        kept = sides.count("select count(metadata)::int from next.conversations")
        assert 0 < kept < ROWS * 0.15
