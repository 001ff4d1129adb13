"""Quarantine in a family of tables: whoever refers to a row that is set aside is set aside with it, and comes back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psycopg

from ecluse.engine import quarantine
from ecluse.postgres.connect import Database, open_session
from tests.harness import SCENARIOS, Stage, load, same, snapshot

CASE = SCENARIOS / "convert_column" / "quarantine_key"


def _held(database: Database) -> Counter[tuple[str, str]]:
    with open_session(database, role="look") as conn:
        return Counter((held.source, held.reason) for held in quarantine.listing(conn))


def test_children_of_a_row_in_quarantine_follow_it_and_come_back(database: Database) -> None:
    load(database, CASE / "before.sql")
    before = snapshot(database)
    stage = Stage(database, CASE / "migration.toml")
    assert stage.apply() == "ready"
    held = _held(database)
    assert held == {
        ("public.people", "'id' is not a UUID"): 6,
        ("public.chats", "'person_id' is not a UUID"): 17,
        ("public.lines", "its row in public.chats is in quarantine"): 51,
        ("public.events", "'person' is not a UUID"): 6,
    }
    stage.switch()
    accounts = {str(a.table): (a.rows_in, a.carried, a.quarantined) for a in stage.engine().verify(stage.name).accounts}
    assert accounts == {
        "public.people": (30, 24, 6),
        "public.chats": (90, 73, 17),
        "public.lines": (270, 219, 51),
        "public.events": (30, 24, 6),
    }
    stage.rollback()
    same(snapshot(database), before)


def test_rows_that_were_put_right_leave_quarantine_with_all_that_hangs_on_them(database: Database) -> None:
    load(database, CASE / "before.sql")
    stage = Stage(database, CASE / "migration.toml")
    assert stage.apply() == "ready"
    load(database, "UPDATE people SET id = md5(id)::uuid::text WHERE id LIKE '%@%'; UPDATE events SET person = NULL")
    stage.switch()
    assert _held(database) == {}
    assert len(snapshot(database).rows["public.lines"]) == 270
    stage.verify()
    stage.rollback()


def test_a_new_row_under_the_key_of_one_in_quarantine(database: Database, tmp_path: Path) -> None:
    """The application may choose a key that it does not see is taken; neither row is lost by going back."""
    load(
        database,
        "CREATE TABLE c (id integer PRIMARY KEY, user_id text, body text);"
        "CREATE TABLE m (id integer PRIMARY KEY, c_id integer NOT NULL REFERENCES c (id), body text);"
        "INSERT INTO c VALUES (1, md5('1')::uuid::text, 'a'), (2, 'me@example.org', 'held');"
        "INSERT INTO m SELECT id, id, body FROM c",
    )
    before = snapshot(database)
    file = tmp_path / "t.toml"
    file.write_text(
        'name = "t"\n[[operation]]\nkind = "convert_column"\ntable = "c"\ncolumn = "user_id"\ninvalid = "quarantine"\n'
    )
    stage = Stage(database, file)
    assert stage.apply() == "ready"
    stage.switch()
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("INSERT INTO c VALUES (2, md5('2')::uuid, 'new'); INSERT INTO m VALUES (9, 2, 'of the new')")
        conn.execute("INSERT INTO c VALUES (3, md5('2')::uuid, 'other'); INSERT INTO m VALUES (2, 3, 'of the other')")
    stage.rollback()
    same(snapshot(database), before)
    with open_session(database, role="look") as conn:
        parked = [held.row["body"] for held in quarantine.listing(conn) if held.place == "parked"]
    assert sorted(str(body) for body in parked) == ["new", "of the new", "of the other", "other"]


_PEOPLE = """
CREATE TABLE p (id text PRIMARY KEY, mail text COLLATE "C" UNIQUE, nick text, gone boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX p_nick ON p (lower(nick)) WHERE NOT gone;
CREATE TABLE c (id integer PRIMARY KEY, p_id text REFERENCES p (id) ON UPDATE CASCADE, body text);
CREATE TABLE l (id integer PRIMARY KEY, c_id integer NOT NULL REFERENCES c (id), body text);
INSERT INTO p SELECT md5(n::text)::uuid::text, n || '@x', 'nick ' || n FROM generate_series(1, 5) n;
INSERT INTO p VALUES ('held', 'held@x', 'Held', false), ('gone', 'gone@x', 'Gone', true);
INSERT INTO c SELECT n, md5(n::text)::uuid::text, 'c' || n FROM generate_series(1, 5) n;
INSERT INTO c VALUES (6, 'held', 'c6');
INSERT INTO l SELECT id, id, 'l' || id FROM c;
"""


def _people(database: Database, tmp_path: Path) -> Stage:
    load(database, _PEOPLE)
    file = tmp_path / "t.toml"
    file.write_text(
        'name = "t"\n[[operation]]\nkind = "convert_column"\ntable = "p"\ncolumn = "id"\ninvalid = "quarantine"\n'
    )
    stage = Stage(database, file)
    assert stage.apply() == "ready"
    stage.switch()
    return stage


def _parked(database: Database) -> list[tuple[str, str | None]]:
    with open_session(database, role="look") as conn:
        listed = [held for held in quarantine.listing(conn) if held.place == "parked"]
    return sorted((held.source, held.row.get("mail") or held.row.get("body")) for held in listed)


def test_what_is_unique_in_a_row_in_quarantine_is_taken_by_new_rows(database: Database, tmp_path: Path) -> None:
    """A row that cannot be beside one in quarantine is parked, with what refers to it; all others go home."""
    stage = _people(database, tmp_path)
    load(
        database,
        "INSERT INTO p VALUES (md5('a')::uuid, 'held@x', 'a'), (md5('b')::uuid, 'b@x', 'HELD'),"
        "  (md5('c')::uuid, 'c@x', 'gone'), (md5('d')::uuid, NULL, NULL);"
        "INSERT INTO c VALUES (10, md5('a')::uuid, 'of a'), (11, md5('c')::uuid, 'of c');"
        "INSERT INTO l VALUES (10, 10, 'of a'), (11, 11, 'of c')",
    )
    load(database, "UPDATE c SET p_id = md5('b')::uuid WHERE id = 1")
    load(database, "UPDATE p SET nick = 'held ' WHERE mail = '2@x'; UPDATE p SET mail = 'gone@x' WHERE mail = '3@x'")
    stage.rollback()
    with open_session(database, role="look") as conn:
        people = conn.execute("SELECT mail, nick FROM public.p WHERE mail <> '1@x' ORDER BY mail").fetchall()
        chats = [row[0] for row in conn.execute("SELECT body FROM public.c ORDER BY id")]
        lines = [row[0] for row in conn.execute("SELECT body FROM public.l ORDER BY id")]
    # The third person stays what he was: what refers to him is at home as before.
    assert people == [
        ("2@x", "held "), ("3@x", "nick 3"), ("4@x", "nick 4"), ("5@x", "nick 5"), ("c@x", "gone"),
        ("gone@x", "Gone"), ("held@x", "Held"),
    ]  # fmt: skip
    assert chats == ["c2", "c3", "c4", "c5", "c6", "of c"]
    assert lines == ["l2", "l3", "l4", "l5", "l6", "of c"]
    assert _parked(database) == [
        ("public.c", "c1"), ("public.c", "of a"), ("public.l", "l1"), ("public.l", "of a"),
        ("public.p", "b@x"), ("public.p", "gone@x"), ("public.p", "held@x"),
    ]  # fmt: skip
