"""The columns of production and their view: over every shape of the table, never without the view, and back."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ecluse.errors import EcluseError, UnknownGeneration
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.recipes.conversations_to_messages.generate import Generation, Variant, generate
from ecluse.recipes.production_columns.recognise import COLUMNS, QUESTIONS, VIEW_COLUMNS
from ecluse.recipes.production_columns.write import detect, write
from tests import harness
from tests.harness import Halted, Listener, Stage, Writer, same, snapshot, without_traces

INSERT = (
    "insert into public.conversations (id, session_id, user_id, question, response) "
    "values ('{0}-{{n}}', '{0}-{{n}}', 'u', 'asked {{n}}', 'answered')"
)
READ = "select count(*) from public.user_questions_complete"
OLD = [
    INSERT.format("old"),
    "update public.conversations set feedback = '-1' where id = 'old-{n}'",
    "delete from public.conversations where id = 'old-{n}' and {n} % 3 = 0",
]
# What the way back can carry: the columns that were there before.
NEW = [INSERT.format("new"), "update public.conversations set feedback = '1', title = 'seen' where id = 'new-{n}'"]
SHAPES: dict[str, tuple[Generation, tuple[Variant, ...], str]] = {
    "as it was": ("L2", (), ""),
    "a number for feedback": ("L2", ("integer_feedback",), ""),
    "run half way by hand": ("L2", ("production_columns",), ""),
    "with sources and mode": (
        "L2",
        (),
        "alter table public.conversations add sources jsonb default '[]', add mode text default 'broiler'",
    ),
    "hardly a column": (
        "L2",
        (),
        "drop view public.user_questions_complete cascade; drop view public.languages_spoken; alter table "
        "public.conversations drop title, drop preview, drop message_count, drop language, drop last_message_preview, "
        "drop status, drop feedback, drop feedback_comment",
    ),
    "generation L3": ("L3", (), ""),
}


def write_files(conn: psycopg.Connection[tuple[object, ...]], folder: Path) -> Path:
    for name, text in write(read_catalog(conn), "app").items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return folder / "migration.toml"


def stage(database: Database, folder: Path, shape: str, rows: int = 300) -> Stage:
    generation, variants, more = SHAPES[shape]
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        generate(conn, generation, rows, variants=variants)
        conn.execute(more.encode())
        return Stage(database, write_files(conn, folder))


def told(database: Database) -> list[tuple[object, ...]]:
    """All of the conversations but when they were written."""
    with psycopg.connect(database.conninfo) as conn:
        return conn.execute(
            "select to_jsonb(c) - 'created_at' - 'updated_at' from public.conversations c order by id collate \"C\""
        ).fetchall()


def fits(database: Database) -> None:
    """The eleven columns, and a view that shows each row that has its question and response."""
    with psycopg.connect(database.conninfo) as conn:
        catalog = read_catalog(conn)
        table = next(t for name, t in catalog.tables.items() if name == name.parse("public.conversations"))
        assert all(table.column(name) for name in COLUMNS)
        assert (feedback := table.column("feedback")) and feedback.type == "text"
        assert catalog.views[QUESTIONS].columns == VIEW_COLUMNS
        counted = conn.execute(
            "select (select count(*) from public.conversations where question is not null and response is not null), "
            "(select count(*) from public.user_questions_complete)"
        ).fetchone()
        assert counted is not None and counted[0] == counted[1] > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back_and_there_again(database: Database, tmp_path: Path, shape: str) -> None:
    found = stage(database, tmp_path, shape)
    before = snapshot(database)
    assert not found.plan().refused, [str(hazard) for hazard in found.plan().refused]
    assert found.apply() == "ready"
    found.switch()
    found.verify()
    fits(database)
    found.rollback()
    after = snapshot(database)
    same(type(after)(without_traces(after.catalog), after.rows, after.sequences), before)
    found.apply()
    found.switch()
    found.finish(tmp_path)
    fits(database)
    with psycopg.connect(database.conninfo) as conn, pytest.raises(EcluseError, match="nothing to do"):
        write(read_catalog(conn), "app")


@pytest.mark.parametrize("shape", ["as it was", "a number for feedback"])
def test_takes_itself_back_from_every_stage(database: Database, tmp_path: Path, shape: str) -> None:
    found = stage(database, tmp_path, shape, 60)
    before = snapshot(database)
    whole = Listener()
    found.apply(whole)
    found.switch(whole)
    found.rollback()
    for point in harness.spread(range(1, len(whole.heard) + 1), 4):
        listener = Listener(at=point)
        with pytest.raises(Halted):
            found.apply(listener)
            found.switch(listener)
        found.rollback()
        same(snapshot(database), before)


@pytest.mark.parametrize("shape", ["as it was", "a number for feedback"])
def test_writers_lose_nothing_and_readers_never_miss_the_view(
    database: Database, second_database: Database, tmp_path: Path, shape: str
) -> None:
    found = stage(database, tmp_path, shape)
    stage(second_database, tmp_path / "replayed", shape)
    old, new, reader = Writer(database, OLD), Writer(database, NEW), Writer(database, [READ])
    with reader.running():
        with old.running():
            assert found.apply() == "ready"
        old.rounds(3)
        found.switch()
        fits(database)
        new.rounds(5)
        found.verify()
        found.rollback()
    assert reader.committed
    assert not (old.failures or new.failures or reader.failures)
    old.replay(second_database)
    new.replay(second_database)
    assert told(database) == told(second_database)


def test_a_rollback_does_without_a_view_that_was_dropped_by_hand(database: Database, tmp_path: Path) -> None:
    found = stage(database, tmp_path, "as it was", 60)
    before = snapshot(database)
    found.apply()
    found.switch()
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("drop view public.user_questions_complete cascade")
    found.rollback()
    after = snapshot(database)
    same(type(after)(without_traces(after.catalog), after.rows, after.sequences), before)


def test_a_feedback_that_is_no_number_is_parked_by_a_rollback(database: Database, tmp_path: Path) -> None:
    found = stage(database, tmp_path, "a number for feedback", 60)
    found.apply()
    found.switch()
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute(
            "insert into public.conversations (id, question, response, feedback) values "
            "('word', 'q', 'r', 'excellent'), ('number', 'q', 'r', '-1'), ('large', 'q', 'r', '99999999999')"
        )
        found.rollback()
        home = conn.execute("select id, feedback from public.conversations where question = 'q'").fetchall()
        parked = conn.execute("select row ->> 'id', row ->> 'feedback' from ecluse.parked order by 1").fetchall()
    assert sorted(home) == [("large", None), ("number", -1), ("word", None)]
    assert parked == [("large", "99999999999"), ("word", "excellent")]


def test_a_check_on_the_numbers_is_said_over_texts(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        generate(conn, "L2", 60, variants=("integer_feedback",))
        conn.execute("alter table public.conversations add constraint liked check (feedback in (-1, 0, 1, 2))")
        found = Stage(database, write_files(conn, tmp_path))
        found.apply()
        found.switch()
        found.verify()
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute("insert into public.conversations (id, feedback) values ('x', '7')")


def test_what_stands_on_the_view_stands_there_again_with_its_rights(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        generate(conn, "L2", 60)
        conn.execute(
            "create view public.newest as select max(created_at) as at from public.recent_questions;"
            "create materialized view public.words as select id, length(question) as n "
            "from public.user_questions_complete;"
            "create unique index words_id on public.words (id);"
            "comment on view public.newest is 'the newest question';"
            "comment on view public.user_questions_complete is 'for reports';"
            "grant select on public.newest to app_user"
        )
        before = read_catalog(conn, measure=False)
        found = Stage(database, write_files(conn, tmp_path))
        found.apply()
        found.switch()
        found.finish(tmp_path)
        after = read_catalog(conn, measure=False)
    for name, view in before.views.items():
        now = after.views[name]
        if name == QUESTIONS:
            assert (now.grants, now.comment, now.options) == (view.grants, view.comment, view.options)
        else:
            assert (now.definition, now.grants, now.comment) == (view.definition, view.grants, view.comment)
            assert [index.name for index in now.indexes] == [index.name for index in view.indexes]


def test_a_new_view_on_a_guarded_table_shows_what_its_reader_may_see(database: Database, tmp_path: Path) -> None:
    found = stage(database, tmp_path, "hardly a column", 60)
    found.apply()
    found.switch()
    with psycopg.connect(database.conninfo) as conn:
        assert read_catalog(conn).views[QUESTIONS].options == ("security_invoker=true",)


def test_the_probe_raises_where_the_view_hides_a_question(database: Database, tmp_path: Path) -> None:
    found = stage(database, tmp_path, "as it was", 60)
    file = tmp_path / "define" / "view.sql"
    file.write_text(file.read_text().replace("c.question is not null", "c.language = 'fr'"))
    found.apply()
    with pytest.raises(EcluseError, match="probe"):
        found.engine().switch(found.name)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("drop table public.conversations cascade", "there is no table public.conversations"),
        ("alter table public.conversations add response_source integer", "column 'response_source' is integer"),
        ("alter table public.conversations drop column question cascade", "there is no column 'question'"),
        (
            "drop view public.user_questions_complete cascade; create table public.user_questions_complete (id int)",
            "public.user_questions_complete is a table",
        ),
    ],
)
def test_another_table_is_refused_by_what_differs(database: Database, change: str, told: str) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        generate(conn, "L2", 20)
        conn.execute(change.encode())
        with pytest.raises(UnknownGeneration) as caught:
            detect(read_catalog(conn))
    assert told in caught.value.message + caught.value.details
