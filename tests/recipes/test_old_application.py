"""The old application of each recipe goes on after the switch, beside the new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import WrongState
from ecluse.postgres.connect import Database
from ecluse.recipes.conversations_to_messages.generate import generate
from tests import harness
from tests.beside import Beside, shown_rows
from tests.harness import FULL, OLD_APPLICATION, Stage, Writer, load, snapshot
from tests.recipes import test_production_columns as production_columns
from tests.recipes.providers import Words, prepared, sample, write
from tests.recipes.sides import write_files
from tests.recipes.test_self_hosted_supabase import written
from tests.recipes.two import two
from tests.supabase.conftest import drop_roles

# The clock of the sample stands still, so that what was written can be written again elsewhere.
STILL = """
create or replace function public.update_updated_at_column() returns trigger language plpgsql as
    $$ begin new.updated_at = timestamp '2025-12-12'; return new; end $$;
alter table public.conversations alter created_at set default timestamp '2025-11-01',
    alter updated_at set default timestamp '2025-11-01';
"""


@pytest.mark.parametrize("generation", ["uuid"])
def test_of_one_provider(
    database: Database, fresh_database: Callable[[], Database], tmp_path: Path, generation: str
) -> None:
    replayed, words = fresh_database(), Words(generation)
    for each in (database, replayed):
        sample(each, generation, 100)
    both = Beside.switched(write(database, tmp_path), replayed)
    lines = words.old()
    old, new = Writer(both.old, lines, first=500), Writer(database, [line for line, _ in words.new()])
    refused = both.write(old, new, [line for _, line in words.new()], 6)
    # An activity once more, the same athlete of another user, and another athlete of the same one.
    assert {(number, error.sqlstate) for number, _, error in refused if error} == {(n, "23514") for n in (3, 7, 9)}
    assert {number for number, _ in old.committed} | {3, 7, 9} == set(range(len(lines)))
    both.rollback()


@pytest.mark.parametrize("shape", ["as it was", "a number for feedback"] if FULL else ["a number for feedback"])
def test_of_production_columns(
    database: Database, fresh_database: Callable[[], Database], tmp_path: Path, shape: str
) -> None:
    replayed = fresh_database()
    stage = production_columns.stage(database, tmp_path, shape, 60)
    production_columns.stage(replayed, tmp_path / "replayed", shape, 60)
    for each in (database, replayed):
        load(each, STILL)
    both = Beside.switched(stage, replayed)
    old, new = Writer(both.old, production_columns.OLD, first=500), Writer(database, production_columns.NEW)
    assert not both.write(old, new, production_columns.NEW, 5)
    assert not old.failures
    both.rollback()


# Several rows that are one are not shown to those who may see some of them only.
OPEN = "drop policy own_conversations on conversations; alter table conversations disable row level security"


class Legacy:
    """The lines of writers of conversations, before and after; both use what the other one made."""

    one, session, user = (f"md5('{word}{{n}}')::uuid" for word in ("one", "session", "user"))
    old = (
        "insert into conversations (id, session_id, user_id, question, response) "
        f"values ({one}::text, {session}::text, {user}::text, 'asked {{n}}', 'answered {{n}}')",
        f"update conversations set feedback = '1', feedback_comment = 'good' where id = {one}::text",
        f"update conversations set response = 'better {{n}}' where id = {one}::text",
        f"insert into conversation_tags (conversation_id, tag) values ({one}::text, 'tag')",
        # One more row of the session, and of one to which the new application added a question.
        "insert into conversations (id, session_id, user_id, question, response, created_at) values "
        f"(md5('two{{n}}')::uuid::text, {session}::text, {user}::text, 'and {{n}}', 'so {{n}}', '2025-11-02')",
        "update conversations set status = 'archived' where id = md5('one' || {n} - 1)::uuid::text and {n} % 2 = 0",
        "update conversations set response = 'at last {n}' where id = md5('one' || {n} - 1)::uuid::text",
        # The first of a session goes, and the other one leads it from then on.
        "delete from conversation_tags where conversation_id = md5('one' || {n} - 2)::uuid::text",
        "delete from conversations where id = md5('one' || {n} - 2)::uuid::text",
        "delete from conversations where session_id = md5('session' || {n} - 3)::uuid::text and question <> ''",
        "insert into conversations (id, session_id, user_id, question, response) "
        f"values ('conv-{{n}}', 'whatsapp_+{{n}}', {user}::text, 'hi {{n}}', '')",
        *(
            f"{change} where id = (select id from conversations where id ~ '^[0-9a-f]{{8}}-' "
            f"and created_at < '2025-10-01' order by md5(id || '{change[:6]} {{n}}') limit 1)"
            for change in (
                "update conversations set response = 'corrected'",
                "update conversations set feedback = '-1'",
            )
        ),
    )
    new = (
        "insert into conversations (id, session_id, user_id, title) values "
        f"(md5('new{{n}}')::uuid, md5('talk{{n}}')::uuid, {user}, 'new'); "
        "insert into messages (id, conversation_id, role, content, sequence_number) values "
        "(md5('q{n}')::uuid, md5('new{n}')::uuid, 'user', 'new {n}', 1), "
        "(md5('r{n}')::uuid, md5('new{n}')::uuid, 'assistant', 'reply', 2)",
        "insert into messages (id, conversation_id, role, content, sequence_number) "
        "values (md5('more{n}')::uuid, md5('new{n}')::uuid, 'user', 'new and {n}', 3)",
        "update messages set feedback = 'positive' where id = md5('r{n}')::uuid",
        "insert into messages (id, conversation_id, role, content, sequence_number) "
        "select md5('late{n}')::uuid, id, 'user', 'new since {n}', 9 from conversations "
        f"where session_id = {session}",
    )
    # What the old application says; all else follows from that, or from when it was said.
    told = (
        "select id, session_id, user_id, question, response, language, status, feedback, feedback_comment "
        "from public.conversations where {}"
    )


def test_of_conversations(database: Database, fresh_database: Callable[[], Database], tmp_path: Path) -> None:
    """One row of the new shape is several of the old one; and each application goes on with what the other began."""
    replayed = fresh_database()
    (tmp_path / "replayed").mkdir()
    for each, folder in ((database, tmp_path), (replayed, tmp_path / "replayed")):
        with psycopg.connect(each.conninfo, autocommit=True) as conn:
            generate(conn, "L2", 100)
            conn.execute(OPEN)
            write_files(conn, folder)
        load(each, STILL)
    both = Beside.switched(Stage(database, tmp_path / "migration.toml"), replayed)
    old, new = Writer(both.old, Legacy.old, first=10), Writer(database, Legacy.new, first=10)
    for _ in range(4):
        old.rounds(1)
        new.rounds(1)
    assert not (old.failures or new.failures)
    old.replay(replayed)
    both.stage.verify()
    shown = shown_rows(database, both.old, both.stage)
    both.stage.rollback()
    after = snapshot(database)
    tables = ("public.conversations", "public.conversation_tags")
    assert all(shown[table] == Counter(after.rows[table]) - both.hidden[table] for table in tables)
    assert after.rows["public.conversation_tags"] == snapshot(replayed).rows["public.conversation_tags"]
    with psycopg.connect(database.conninfo) as here, psycopg.connect(replayed.conninfo) as there:
        mine, alone = Legacy.told.format("question not like 'new%' or question is null"), Legacy.told.format("true")
        assert set(here.execute(mine.encode())) - set(there.execute(alone.encode())) == set()
        assert here.execute("select count(*) from conversations where question like 'new%'").fetchone() == (11,)


PEOPLE = (
    "insert into users (email, password_hash, full_name, is_active, created_at) values "
    "('New{n}@Example.com', 'no-real-hash', 'New {n}', true, '2025-05-05')",
    "insert into reports (id, user_id, title, content) select 9000 + {n}, id, 'new {n}', '' from users "
    "where full_name = 'New {n}'",
    "update users set full_name = 'Renamed {n}', email = 'renamed{n}@example.com' where full_name = 'New ' || {n} - 1",
    "update users set is_active = false, last_login = '2025-06-06' where email = 'new{n}@example.com'",
    "delete from reports where title = 'new ' || {n} - 2",
    "delete from users where full_name = 'Renamed ' || {n} - 2",
    "update reports set title = 'edited {n}' where id = {n} * 7",
    "delete from reports where id = {n} * 11",
)


@pytest.fixture
def people(fresh_database: Callable[[], Database]) -> Iterator[tuple[Database, ...]]:
    yield from prepared("beside accounts", fresh_database(), fresh_database())


def test_of_users(people: tuple[Database, ...], tmp_path: Path) -> None:
    """Users who come, change and go are accounts at once, and what is theirs follows them."""
    database, replayed = people
    written(replayed, tmp_path / "replayed", 60)
    both = Beside.switched(written(database, tmp_path, 60), replayed)
    old, new = Writer(both.old, PEOPLE, first=3), Writer(database, ["select 1"])
    refused = both.write(old, new, ["select 1"], 4)
    assert not refused, refused
    assert not old.failures, old.failures
    both.rollback()


def test_a_table_that_moved_has_no_old_shape_here(
    database: Database, second_database: Database, tmp_path: Path
) -> None:
    found = two(database, replace(second_database, name="people"), tmp_path, "L3", 100)
    stage = found.profiles
    stage.options = replace(stage.options, old_shape_for=(OLD_APPLICATION,))
    harness.old_application(stage.database)
    try:
        assert stage.apply() == "ready"
        with pytest.raises(WrongState, match="it moves here from another database"):
            stage.switch()
        stage.rollback()
    finally:
        drop_roles(second_database)
