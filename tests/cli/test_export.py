"""Exported migrations, run by psql, file by file as the Supabase CLI sends them, and by Alembic."""

from __future__ import annotations

import ast
import io
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pglast
import psycopg
import pytest
from alembic import command
from alembic.config import Config

from ecluse.cli.export_files import Layout, _comment, _quoted, files
from ecluse.engine.exporting.script import export
from ecluse.errors import CannotExport
from ecluse.postgres.binaries import bin_dir
from ecluse.postgres.connect import Database, open_session
from tests import harness
from tests.cli.conftest import Project
from tests.harness import Snapshot, Stage, case_id, lines_of, load, same, same_rows, same_structure
from tests.moving.places import AS_IT_WAS, prepared

USUAL = {
    "add_columns/in_place",
    "convert_column/fk_family",
    "convert_column/quarantine",
    "merge_rows/sessions",
    "split_table/questions",
    "sql/before",
}
CASES = [
    pytest.param(case, id=case_id(case), marks=() if case_id(case) in USUAL else pytest.mark.slow)
    for case in harness.cases()
]


def exported(database: Database, case: Path, kind: str, folder: Path) -> list[Path]:
    """The files of an export of a scenario, in order."""
    plan = Stage(database, case / "migration.toml").plan()
    with open_session(database, role="export") as conn:
        found = export(plan, conn)
    layout = Layout(plan.migration, datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), plan.fingerprint)
    made = []
    for name, text in files(kind, plan, found, layout).items():
        made.append(folder / name)
        made[-1].parent.mkdir(parents=True, exist_ok=True)
        made[-1].write_text(text, encoding="utf-8")
    return made


def psql(database: Database, file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(bin_dir() / "psql"), "-X", "-q", "-d", database.conninfo, "-f", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def like(database: Database, wanted: Snapshot) -> None:
    have = harness.snapshot(database)
    same_structure(harness.without_traces(have.catalog), wanted.catalog)
    same_rows(have, wanted)


@pytest.mark.parametrize("case", CASES)
def test_psql_makes_what_apply_makes_and_takes_it_back(
    case: Path, database: Database, second_database: Database, tmp_path: Path
) -> None:
    load(database, case / "before.sql")
    before = harness.snapshot(database)
    harness.load_wanted(second_database, case)
    wanted = harness.snapshot(second_database)
    made = exported(database, case, "sql", tmp_path)
    same(harness.snapshot(database), before)
    forward = [file for file in made if file.name[0].isdigit()]
    for file in forward:
        done = psql(database, file)
        assert done.returncode == 0, done.stderr
    like(database, wanted)
    again = psql(database, forward[-1])
    assert again.returncode != 0
    like(database, wanted)
    back = psql(database, tmp_path / "rollback.sql")
    assert back.returncode == 0, back.stderr
    if "enum" not in case_id(case):  # labels stay
        same(harness.snapshot(database), before)


def test_it_refuses_other_tables_and_never_loses_new_writes(database: Database, tmp_path: Path) -> None:
    case = harness.SCENARIOS / "convert_column" / "fk_family"
    load(database, case / "before.sql")
    made, name = exported(database, case, "sql", tmp_path), Stage(database, case / "migration.toml").name
    load(database, "CREATE VIEW public.late AS SELECT * FROM public.people")
    seen = harness.snapshot(database)
    refused = psql(database, made[0])
    assert refused.returncode != 0
    assert "export it again" in refused.stderr and "new: " in refused.stderr and "late" in refused.stderr
    same(harness.snapshot(database), seen)
    load(database, "DROP VIEW public.late")
    # What it would make again as it was when it was exported: a table that is secured since, a right that is gone.
    for change, back in (
        ("ALTER TABLE tags ENABLE ROW LEVEL SECURITY", "ALTER TABLE tags DISABLE ROW LEVEL SECURITY"),
        ("ALTER TABLE tags FORCE ROW LEVEL SECURITY", "ALTER TABLE tags NO FORCE ROW LEVEL SECURITY"),
        ("CREATE POLICY mine ON tags USING (tag = 'a')", "DROP POLICY mine ON tags"),
        ("ALTER TABLE tags ALTER tag SET DEFAULT 'none'", "ALTER TABLE tags ALTER tag DROP DEFAULT"),
        ("ALTER TABLE tags OWNER TO pg_monitor", "ALTER TABLE tags OWNER TO postgres"),
        ("GRANT SELECT (tag) ON tags TO PUBLIC", "REVOKE SELECT (tag) ON tags FROM PUBLIC"),
        ("GRANT DELETE ON tags TO PUBLIC", "REVOKE DELETE ON tags FROM PUBLIC"),
        ("CREATE PUBLICATION told FOR TABLE tags", "DROP PUBLICATION told"),
    ):
        load(database, change)
        refused = psql(database, made[0])
        assert refused.returncode != 0 and "export it again" in refused.stderr, change
        load(database, back)
    before = harness.snapshot(database)
    for spoilt, told in (
        ("DELETE FROM {next}.conversations WHERE number = 7", "public.conversations: 300 rows in, 299 carried"),
        ("UPDATE {next}.conversations SET question = 'x' WHERE number = 7", "public.conversations: its rows are not"),
    ):
        text = made[0].read_text()
        first = text.index("DO $ecluse$", text.index("ANALYZE"))
        wrong = text[:first] + spoilt.format(next=f"ecluse_next_{name}") + ";\n" + text[first:]
        (tmp_path / "spoilt.sql").write_text(wrong)
        refused = psql(database, tmp_path / "spoilt.sql")
        assert refused.returncode != 0 and told in refused.stderr, refused.stderr
        same(harness.snapshot(database), before)
    assert psql(database, made[0]).returncode == 0
    load(database, "CREATE VIEW public.stranger AS SELECT * FROM public.people")
    refused = psql(database, tmp_path / "rollback.sql")
    assert refused.returncode != 0 and "public.stranger" in refused.stderr, refused.stderr
    load(database, "DROP VIEW public.stranger")
    load(database, lines_of(case / "writers_new.sql")[0].replace("{n}", "1"))
    refused = psql(database, tmp_path / "rollback.sql")
    assert refused.returncode != 0
    assert "has been written to since the switch" in refused.stderr
    text = (tmp_path / "rollback.sql").read_text().replace("BEGIN;", "SET ecluse.lose_new_writes = 'yes';\nBEGIN;", 1)
    (tmp_path / "rollback.sql").write_text(text)
    assert psql(database, tmp_path / "rollback.sql").returncode == 0


def test_what_is_written_into_new_columns_is_not_lost_unasked(database: Database, tmp_path: Path) -> None:
    case = harness.SCENARIOS / "add_columns" / "in_place"
    load(database, case / "before.sql")
    made = exported(database, case, "sql", tmp_path)
    assert psql(database, made[0]).returncode == 0
    load(database, lines_of(case / "writers_new.sql")[0].replace("{n}", "1"))
    seen = harness.snapshot(database)
    refused = psql(database, tmp_path / "rollback.sql")
    assert refused.returncode != 0 and "the new columns of public.t have been written to" in refused.stderr
    same(harness.snapshot(database), seen)


def test_a_row_that_is_being_written_is_waited_for_and_comes_along(database: Database, tmp_path: Path) -> None:
    case = harness.SCENARIOS / "convert_column" / "fk_family"
    load(database, case / "before.sql")
    file = exported(database, case, "sql", tmp_path)[0]
    with psycopg.connect(database.conninfo) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute("INSERT INTO people (id, email) VALUES (md5('late')::uuid::text, 'late')")
        done = pool.submit(psql, database, file)
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'people'::regclass"
        while not done.done() and not writer.execute(waiting.encode()).fetchone():
            time.sleep(0.02)
        writer.commit()
        assert done.result().returncode == 0, done.result().stderr
        assert writer.execute("SELECT count(*) FROM people WHERE email = 'late'").fetchone() == (1,)


@pytest.mark.parametrize("kind", ["split_table/questions", "extend_enum/between"])
def test_supabase_sends_each_file_as_one_implicit_transaction(
    kind: str, database: Database, second_database: Database, tmp_path: Path
) -> None:
    case = harness.SCENARIOS / kind
    load(database, case / "before.sql")
    harness.load_wanted(second_database, case)
    made = exported(database, case, "supabase", tmp_path)
    forward = sorted((tmp_path / "supabase" / "migrations").iterdir())
    assert forward == made[: len(forward)]
    assert [file.name[:14] for file in forward] == ["20260131235959", "20260201000000"][: len(forward)]
    for file in forward:
        # As the CLI does: all statements one after the other, and one Sync at the end.
        with psycopg.connect(database.conninfo, autocommit=True) as conn, conn.pipeline():
            for statement in pglast.split(file.read_text(encoding="utf-8")):
                conn.execute(statement.encode())
    like(database, harness.snapshot(second_database))
    assert psql(database, next(f for f in made if f.name.endswith("_rollback.sql"))).returncode == 0


ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine
url, schema = context.config.get_main_option("sqlalchemy.url"), "ecluse_alembic"
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, version_table_schema=schema)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url).connect() as connection:
        context.configure(connection=connection, version_table_schema=schema)
        with context.begin_transaction():
            context.run_migrations()
"""


def alembic(database: Database, folder: Path, output: io.StringIO | None = None) -> Config:
    """A project of Alembic with what is in `versions`. Its own table is where the harness does not look."""
    load(database, "CREATE SCHEMA IF NOT EXISTS ecluse_alembic")
    (folder / "env.py").write_text(ENVIRONMENT)
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(folder))
    place = psycopg.conninfo.conninfo_to_dict(database.conninfo)
    url = f"postgresql+psycopg://{place['user']}@/{place['dbname']}?host={place['host']}&port={place.get('port', 5432)}"
    config.set_main_option("sqlalchemy.url", url)
    return config


@pytest.mark.parametrize("kind", ["merge_rows/metadata", "extend_enum/between"])
def test_alembic_upgrades_and_downgrades(kind: str, fresh_database: Callable[[], Database], tmp_path: Path) -> None:
    case = harness.SCENARIOS / kind
    database, written, wanted = fresh_database(), fresh_database(), fresh_database()
    for each in (database, written):
        load(each, case / "before.sql")
    before = harness.snapshot(database)
    harness.load_wanted(wanted, case)
    exported(database, case, "alembic", tmp_path / "versions")
    config = alembic(database, tmp_path)
    command.upgrade(config, "head")
    like(database, harness.snapshot(wanted))
    command.downgrade(config, "base")
    if not kind.startswith("extend_enum"):  # labels stay
        like(database, before)

    output = io.StringIO()
    command.upgrade(alembic(written, tmp_path, output), "head", sql=True)
    (tmp_path / "offline.sql").write_text("\\set ON_ERROR_STOP on\n" + output.getvalue())
    done = psql(written, tmp_path / "offline.sql")
    assert done.returncode == 0, done.stderr
    like(written, harness.snapshot(wanted))


ASKING = """
name = "asking"
[[operation]]
kind = "sql"
title = "what is held"
up = "CREATE INDEX ON public.t (id)"
down = ""
verify = "SELECT count(*) = 0 FROM ecluse.quarantine"
"""


def test_what_only_the_engine_can_do_is_refused_by_name(
    database: Database, second_database: Database, tmp_path: Path
) -> None:
    moving = prepared(second_database, database, tmp_path, AS_IT_WAS)
    with open_session(database, role="export") as conn, pytest.raises(CannotExport) as refused:
        export(moving.plan(), conn)
    assert "public.invitations comes from 'origin'" in refused.value.details
    load(database, "CREATE TABLE t (id int PRIMARY KEY)")
    asking = tmp_path / "asking.toml"
    asking.write_text(ASKING)
    with open_session(database, role="export") as conn, pytest.raises(CannotExport) as refused:
        export(Stage(database, asking).plan(), conn)
    assert refused.value.details == "'what is held' asks the journal, which a script has not"


def test_the_command(project: Project) -> None:
    made = project.run("export", "uuids", "--as", "supabase", "--json")
    assert (made.status, made.err) == (0, "")
    assert made.value["rollback"] is True and len(made.value["lost"]) >= 5
    for name in made.value["files"]:
        text = (project.folder / made.value["folder"] / name).read_text()
        assert all(word in text for word in ("What is lost", "-- - ", made.value["fingerprint"]))
    one = project.run("export", "uuids", "--as", "alembic", "--down-revision", "0123", "--out", "versions")
    assert one.status == 0 and "lost by running it" in one.out
    [revision] = (project.folder / "versions").glob("*_uuids.py")
    assert "down_revision = '0123'" in revision.read_text()
    revision.write_text("# mine")
    assert project.run("export", "uuids", "--as", "alembic", "--out", "versions").status == 2
    assert revision.read_text() == "# mine"
    assert project.execute("SELECT to_regnamespace('ecluse')") == [(None,)]
    project.run("apply", "uuids")
    begun = project.run("export", "uuids", "--as", "sql", "--json")
    assert (begun.status, begun.error["code"]) == (1, "ECL303")


def test_line_ends_in_a_statement_and_in_a_name_stay_what_they_are() -> None:
    statement = "SELECT 'one\r\ntwo'"
    assert ast.literal_eval(_quoted(statement)) == statement
    assert _comment(iter(["a title\nDROP TABLE x;"])) == "-- a title DROP TABLE x;\n"
