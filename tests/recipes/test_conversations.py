"""The recipe as a whole: written for a database, planned, carried out, used, and taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from ecluse.errors import EcluseError
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.recipes.conversations_to_messages.generate import Generation, Variant, generate
from tests.harness import Stage, same, snapshot, without_traces
from tests.recipes.sides import write_files

USER = "aaaaaaaa-0000-4000-8000-000000000001"


def stage(
    database: Database, folder: Path, generation: Generation, rows: int = 500, variants: tuple[Variant, ...] = ()
) -> Stage:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        generate(conn, generation, rows, variants=variants)
        return Stage(database, write_files(conn, folder, users=rows // 20 if generation == "L1" else 0))


@pytest.fixture
def switched(database: Database, tmp_path: Path) -> Stage:
    """A database of generation L2 in the new shape."""
    found = stage(database, tmp_path, "L2")
    found.apply()
    found.switch()
    return found


@pytest.mark.parametrize("generation", ["L1", "L2", "L3"])
def test_nothing_is_refused_on_any_version(
    any_server_database: Database, tmp_path: Path, generation: Generation
) -> None:
    plan = stage(any_server_database, tmp_path, generation).plan()
    assert not plan.refused, [str(hazard) for hazard in plan.refused]
    found = {hazard.id: hazard for hazard in plan.hazards}
    assert "trigger-left" not in found  # what the recipe makes anew needs nobody's judgement
    if generation != "L1":
        soft = found["soft-reference"]
        assert (soft.level, soft.object) == ("warn", "public.analytics_events.payload -> conversation_id")
        assert found["trigger-redefined"].level == "note"


@pytest.mark.parametrize("generation", ["L1", "L2", "L3"])
def test_there_and_back_leaves_everything_as_it_was(database: Database, tmp_path: Path, generation: Generation) -> None:
    found = stage(database, tmp_path, generation)
    before = snapshot(database)
    assert found.apply_as_foreseen() == "ready"
    found.switch()
    found.verify()
    found.rollback()
    after = snapshot(database)
    same(type(after)(without_traces(after.catalog), after.rows, after.sequences), before)


def test_the_new_shape_is_the_one_that_was_promised(switched: Stage) -> None:
    with psycopg.connect(switched.database.conninfo, autocommit=True) as conn:
        catalog = read_catalog(conn)
        tables = {str(name): table for name, table in catalog.tables.items() if name.schema == "public"}
        kinds = {c.name: c.type for c in tables["public.conversations"].columns}
        assert (kinds["id"], kinds["session_id"], kinds["user_id"]) == ("uuid", "uuid", "uuid")
        assert "public.invitations" in tables and "public.invitations_cache" not in tables
        assert {"public.conversation_stats", "public.user_questions_complete", "public.languages_spoken"} <= {
            str(name) for name in catalog.views
        }
        assert [c.name for c in tables["public.conversation_tags"].constraints if c.kind in "fu"] == [
            "conversation_tags_conversation_id_fkey",
            "conversation_tags_once",
        ]
        assert [p.publication for p in tables["public.conversations"].published] == ["app_changes"]


def test_twenty_parallel_appends_lose_nothing(switched: Stage) -> None:
    with psycopg.connect(switched.database.conninfo, autocommit=True) as conn:
        made = conn.execute("select public.create_conversation_with_messages(gen_random_uuid(), %s, 'q', 'r')", [USER])
        conversation = (made.fetchone() or ("",))[0]

        def append(number: int) -> None:
            with psycopg.connect(switched.database.conninfo, autocommit=True) as own:
                for part in range(5):
                    said = f"{number}.{part}"
                    own.execute("select public.add_message_to_conversation(%s, 'user', %s)", [conversation, said])

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(append, range(20)))
        numbers = conn.execute(
            "select array_agg(sequence_number order by sequence_number), count(distinct content) "
            "from public.get_conversation_messages(%s)",
            [conversation],
        ).fetchone()
        assert numbers == (list(range(1, 103)), 102)
        count = conn.execute("select message_count from public.conversations where id = %s", [conversation]).fetchone()
        assert count == (102,)


def test_people_see_their_own_messages_only(switched: Stage) -> None:
    with psycopg.connect(switched.database.conninfo, autocommit=True) as conn:
        user = (conn.execute("select user_id::text from public.conversations limit 1").fetchone() or ("",))[0]
        mine = conn.execute(
            "select count(*) from public.messages m join public.conversations c on c.id = m.conversation_id "
            "where c.user_id::text = %s",
            [user],
        ).fetchone()
        conn.execute("set role app_user")
        conn.execute("select set_config('app.user_id', %s, false)", [user])
        assert conn.execute("select count(*) from public.messages").fetchone() == mine
        conn.execute("select set_config('app.user_id', %s, false)", [USER])
        assert conn.execute("select count(*) from public.messages").fetchone() == (0,)


def test_updated_at_is_set_where_a_statement_does_not(switched: Stage) -> None:
    with psycopg.connect(switched.database.conninfo) as conn:
        update = "update public.conversations set title = 'edited' returning updated_at = now()"
        assert conn.execute(update).fetchone() == (True,)
        said = "update public.conversations set updated_at = 'epoch' returning updated_at = 'epoch'"
        assert conn.execute(said).fetchone() == (True,)


@pytest.mark.parametrize(
    ("script", "probe", "break_it"),
    [
        ("functions", "functions_probe", ("coalesce(v_number, 0) + 1", "coalesce(v_number, 0) + 2")),
        ("functions", "functions_probe", ("left(new.content, 200),\n        title", "'x',\n        title")),
        ("views", "views_probe", ("where c.status = 'active'", "where true")),
        ("views", "views_probe", ("m.role = 'user' order by m.sequence_number", "m.role = 'user' order by m.id")),
    ],
)
def test_a_probe_raises_where_a_function_or_view_is_wrong(
    switched: Stage, script: str, probe: str, break_it: tuple[str, str]
) -> None:
    define = switched.file.parent / "define"
    text = (define / f"{script}.sql").read_text()
    assert break_it[0] in text
    broken = text.replace(*break_it).replace("create function", "create or replace function")
    broken = broken.replace("create view", "create or replace view").split("create trigger update_conversations")[0]
    broken = broken.replace("create trigger", "create or replace trigger")
    with psycopg.connect(switched.database.conninfo) as conn:
        conn.execute((define / f"{probe}.sql").read_text().encode())
        conn.execute(broken.encode())
        with pytest.raises(psycopg.errors.RaiseException):
            # Ids are random, so that an order by them is right now and then.
            for _ in range(20):
                conn.execute((define / f"{probe}.sql").read_text().encode())


def test_a_rollback_keeps_what_was_written_since(switched: Stage) -> None:
    with psycopg.connect(switched.database.conninfo, autocommit=True) as conn:
        make = "select public.create_conversation_with_messages(%s, %s, 'new question', 'new answer', 'en')"
        conn.execute(make, ["cccccccc-0000-4000-8000-000000000003", USER])
        conn.execute("update public.messages set feedback = 'positive' where content = 'new answer'")
        switched.rollback()
        rows = conn.execute(
            "select session_id, user_id, question, response, language, feedback, title from public.conversations "
            "where question like 'new%'"
        ).fetchall()
        assert rows == [
            ("cccccccc-0000-4000-8000-000000000003", USER, "new question", "new answer", "en", "1", "new question")
        ]


def test_names_and_types_that_nobody_expected(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        generate(conn, "L2", 300)
        conn.execute(
            """
            alter table public.conversations add column "Flock Size" numeric default 1.50,
                add column notes json default '{}', add column seen bytea default '\\x00', add column "user" inet[];
            update public.conversations set "Flock Size" = 20000.0, notes = '{ "a": null }', seen = '\\xff',
                "user" = '{192.0.2.1}' where hashtext(id) % 3 = 0;
            create table public."Stars Given" (
                conversation_id text primary key references public.conversations on delete cascade,
                stars integer generated always as identity);
            insert into public."Stars Given" select id from public.conversations where hashtext(id) % 4 = 0;
            """
        )
        found = Stage(database, write_files(conn, tmp_path))
    before = snapshot(database)
    found.apply()
    found.switch()
    found.verify()
    found.rollback()
    assert snapshot(database).rows == before.rows


def test_an_old_policy_that_reads_a_column_that_goes_is_named(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        generate(conn, "L2", 10)
        conn.execute("create policy answered on public.conversations using (response is not null)")
        text = write_files(conn, tmp_path).read_text()
    assert "# Policy answered reads a column that goes" in text
    assert not Stage(database, tmp_path / "migration.toml").plan().refused


def test_a_user_outside_the_map_goes_to_quarantine(database: Database, tmp_path: Path) -> None:
    found = stage(database, tmp_path, "L1", 200)
    users = tmp_path / "users.csv"
    users.write_text("\n".join(line for line in users.read_text().splitlines() if not line.startswith("user3@")))
    found.apply_as_foreseen()
    with psycopg.connect(database.conninfo) as conn:
        rows = conn.execute("select distinct reason, row ->> 'user_email' from ecluse.quarantine").fetchall()
    assert ("the user is not a UUID, and is not in users.csv", "user3@example.com") in rows


def test_a_second_recipe_on_the_new_shape_says_that_there_is_nothing_to_do(switched: Stage, tmp_path: Path) -> None:
    with psycopg.connect(switched.database.conninfo) as conn, pytest.raises(EcluseError, match="nothing to do"):
        write_files(conn, tmp_path / "again")
