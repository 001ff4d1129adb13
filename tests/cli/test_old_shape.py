"""The old application goes on after the switch: what the commands ask, refuse, tell and take away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.engine.status import look
from ecluse.errors import InUse
from ecluse.postgres.connect import Database
from tests.cli.conftest import MIGRATION, Project, Result, load, write_project
from tests.harness import OPTIONS, Stage

OLD, NEW = "ecluse_test_blue", "ecluse_test_green"
SHAPE = "SELECT pg_typeof(id)::text FROM conversations WHERE id <> %s LIMIT 1"
WRITE = "INSERT INTO conversations (user_id, question) VALUES (%s, 'hello') RETURNING pg_typeof(id)::text"
DEFAULT = '"$user", public'
COUNT_SECONDS = 20  # a server may keep its statistics to itself for ten

Session = psycopg.Connection[tuple[Any, ...]]


def add_roles(project: Project) -> Project:
    """Two applications, each with a role of its own, that may use everything."""
    for role in (OLD, NEW):
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            project.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'no-real'")
        project.execute(
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"
        )
    return project


@pytest.fixture
def project(project: Project) -> Iterator[Project]:
    """The legacy database, built and proved for the switch, with two applications."""
    add_roles(project)
    assert project.run("apply", "uuids").status == 0
    yield project


def session(project: Project, role: str = OLD) -> Session:
    """A session of an application, which prepares each statement at once."""
    told = make_conninfo(project.database.conninfo, user=role, password="no-real")
    return psycopg.connect(told, autocommit=True, prepare_threshold=0)


def asked(conn: Session, sql: str, value: str = "x") -> object:
    """The first value that the application gets."""
    row = conn.execute(sql.encode(), (value,)).fetchone()
    return row[0] if row else None


def old_shape(project: Project) -> Any:
    """What `status` tells of the old shape."""
    return project.run("status", "--json").value["runs"][0]["old_shape"]


def await_count(project: Project, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait for the statistics, which come late."""
    until = time.monotonic() + COUNT_SECONDS
    while True:
        (use,) = old_shape(project)["uses"]
        found: dict[str, Any] = use
        if wanted(found):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


def settings(project: Project) -> list[tuple[Any, ...]]:
    """What the roles have set in this database."""
    return project.execute(
        "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting "
        "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )


def refused(result: Result, code: str) -> dict[str, str]:
    """The error of a command that changed nothing."""
    assert result.status == 1, result.out
    assert result.error["code"] == code
    return result.error


def test_the_switch_waits_for_sessions_that_know_the_old_shape(project: Project) -> None:
    """A stale session refuses it; one that began in between lives through it, with what it has prepared."""
    stale = session(project)
    error = refused(project.run("switch", "uuids", "--old-shape-for", OLD, "--json"), "ECL306")
    assert error["details"] == f"{OLD}: 1"
    assert "--recycle-clients" in error["hint"]
    assert "nothing was switched" in error["state"]
    assert asked(stale, SHAPE) == "text"

    fresh = session(project)
    for statement in (SHAPE, WRITE):
        assert asked(fresh, statement) == "text"
    ((before,),) = project.execute("SELECT clock_timestamp()")
    done = project.run("switch", "uuids", "--old-shape-for", OLD, "--recycle-clients", "--json")
    assert done.status == 0, done.err
    assert done.events[-1]["old_shape"]["schema"] == "ecluse_before_uuids"
    assert [use["role"] for use in done.events[-1]["old_shape"]["uses"]] == [OLD]
    with pytest.raises(psycopg.OperationalError):
        stale.execute("SELECT 1")
    for statement in (SHAPE, WRITE):
        assert asked(fresh, statement) == "text"
    prepared = fresh.execute("SELECT statement FROM pg_prepared_statements WHERE prepare_time < %s", (before,))
    assert {row[0] for row in prepared} == {SHAPE.replace("%s", "$1"), WRITE.replace("%s", "$1")}
    assert asked(session(project, NEW), WRITE) == "uuid"
    assert asked(fresh, "SELECT count(*) FROM conversations WHERE question = 'hello' AND id <> %s") == 3


def test_the_new_application_is_not_made_to_wait_for_the_old_one(project: Project) -> None:
    """Sessions of other roles are no reason; after the switch they are recycled, and those of the old shape are not."""
    new = session(project, NEW)
    assert project.run("switch", "uuids", "--old-shape-for", OLD).status == 0
    old = session(project)
    assert asked(old, SHAPE) == "text"
    assert project.run("switch", "uuids", "--recycle-clients").status == 0
    assert asked(old, SHAPE) == "text"
    with pytest.raises(psycopg.OperationalError):
        new.execute("SELECT 1")


def test_a_role_that_is_not_there(project: Project) -> None:
    """Nothing is left of the attempt, for the other roles either; nor may a name be missing."""
    error = refused(project.run("switch", "uuids", "--old-shape-for", f"{OLD},nobody", "--json"), "ECL303")
    assert "'nobody'" in error["message"]
    assert settings(project) == []
    assert project.execute("SELECT to_regnamespace('ecluse_before_uuids')") == [(None,)]
    assert project.run("switch", "uuids", "--old-shape-for", f"{OLD},").status == 2


@pytest.mark.parametrize(("path", "hidden"), [("app, public", "app.tags"), ("public, app", "")])
def test_a_view_stands_before_no_other_table(project: Project, path: str, hidden: str) -> None:
    """What a name means to the old application is not made to mean something else."""
    project.execute("CREATE SCHEMA app; CREATE TABLE app.tags (x text)")
    where = f"ALTER ROLE {OLD} IN DATABASE {project.execute('SELECT current_database()')[0][0]}"
    project.execute(f"{where} SET search_path TO {path}")
    done = project.run("switch", "uuids", "--old-shape-for", OLD, "--json")
    if not hidden:
        assert done.status == 0, done.err
        return
    assert f"'tags' without a schema means {hidden} to role '{OLD}'" in refused(done, "ECL303")["message"]
    assert settings(project) == [(OLD, [f"search_path={path}"])]


def test_a_switch_without_roles_takes_back_what_an_earlier_attempt_prepared(project: Project) -> None:
    """Otherwise the setting would outlive the migration."""
    stale = session(project)
    refused(project.run("switch", "uuids", "--old-shape-for", OLD, "--json"), "ECL306")
    assert settings(project) == [(OLD, ['search_path=ecluse_before_uuids, "$user", public'])]
    assert project.run("switch", "uuids").status == 0
    assert settings(project) == []
    assert old_shape(project) is None
    assert asked(stale, WRITE) == "uuid"


def test_status_counts_and_retire_waits_for_the_last(project: Project) -> None:
    """Who uses it is counted; just used, it is neither retired nor finished; what is told fits each state."""
    run = ("switch", "uuids", "--old-shape-for", OLD)
    assert project.run(*run).status == 0
    never = await_count(project, lambda use: True)
    assert never == {"role": OLD, "statements": 0, "sessions": 0, "last": None}
    with session(project) as conn:
        for _ in range(3):
            asked(conn, SHAPE)
        asked(conn, WRITE)
        assert await_count(project, lambda use: use["sessions"] > 0)["sessions"] == 1
    used = await_count(project, lambda use: use["statements"] >= 4)
    assert (used["statements"], used["sessions"], bool(used["last"])) == (4, 0, True)

    human = project.run("status").out
    assert "the old shape is in schema ecluse_before_uuids; statements since 20" in human
    assert "ecluse retire uuids" in human
    assert "ecluse finish" not in human
    assert "ecluse retire uuids" in project.run("plan", "uuids").out
    error = refused(project.run("retire", "uuids", "--unused-for", "10m", "--json"), "ECL306")
    assert OLD in error["message"]
    assert project.run("retire", "uuids", "--unused-for", "1 week").status == 2
    fingerprint = project.run("status", "--json").value["runs"][0]["fingerprint"]
    error = refused(project.run("finish", "uuids", "--confirm", fingerprint, "--json"), "ECL306")
    assert "ecluse retire uuids" in error["hint"]

    time.sleep(1)
    retired = project.run("retire", "uuids", "--unused-for", "1s", "--json")
    assert retired.status == 0, retired.err
    assert retired.events[-1]["uses"] == [used]
    assert (settings(project), old_shape(project)) == ([], None)
    assert project.execute("SELECT to_regnamespace('ecluse_before_uuids')") == [(None,)]
    assert asked(session(project), SHAPE.replace("<> %s", "::text <> %s")) == "uuid"
    refused(project.run("retire", "uuids", "--json"), "ECL303")
    assert project.run("finish", "uuids", "--confirm", fingerprint).status == 0


@pytest.mark.parametrize("own", [None, '"My Schema", "odd, ""one""", public'])
def test_a_rollback_gives_the_roles_their_search_path_back(project: Project, own: str | None) -> None:
    """To the letter; and both applications' rows are in the old shape."""
    if own:
        where = f"ALTER ROLE {OLD} IN DATABASE {project.execute('SELECT current_database()')[0][0]}"
        project.execute(f"{where} SET search_path TO {own}")
    before = settings(project)
    assert bool(before) == bool(own)
    assert project.run("switch", "uuids", "--old-shape-for", OLD).status == 0
    assert settings(project) != before
    with session(project) as old, session(project, NEW) as new:
        assert old.execute("SHOW search_path").fetchone() == ("ecluse_before_uuids, " + (own or DEFAULT),)
        assert asked(old, WRITE) == "text"
        assert asked(new, WRITE) == "uuid"
    assert project.run("rollback", "uuids").status == 0
    assert settings(project) == before
    assert project.execute("SELECT to_regnamespace('ecluse_before_uuids')") == [(None,)]
    assert project.execute("SELECT count(*) FROM conversations WHERE question = 'hello'") == [(2,)]


@pytest.mark.parametrize(("now", "left"), [("{0}, app, public", "app, public"), ("app", "app")])
def test_a_search_path_that_was_changed_meanwhile(project: Project, now: str, left: str) -> None:
    """What somebody set since is not ours to take back; only our schema goes from it."""
    assert project.run("switch", "uuids", "--old-shape-for", OLD).status == 0
    where = f"ALTER ROLE {OLD} IN DATABASE {project.execute('SELECT current_database()')[0][0]}"
    project.execute(f"{where} SET search_path TO {now.format('ecluse_before_uuids')}")
    assert project.run("rollback", "uuids").status == 0
    assert settings(project) == [(OLD, [f"search_path={left}"])]


# --- what the plan says -----------------------------------------------------------------------------


@pytest.fixture
def declared(tmp_path: Path, database: Database) -> Project:
    """A migration that names the role of the old application."""
    made = write_project(tmp_path, database)
    load(made, 100)
    text = MIGRATION.replace('database = "app"\n', f'database = "app"\nold_shape_for = ["{OLD}"]\n')
    (made.folder / "migrations" / "uuids.toml").write_text(text, encoding="utf-8")
    return add_roles(made)


def found(project: Project, name: str) -> dict[str, dict[str, str]]:
    """The findings of that name, by what they are about."""
    hazards = project.run("plan", "uuids", "--json").value["hazards"]
    return {hazard["object"]: hazard for hazard in hazards if hazard["id"] == name}


def test_the_plan_names_what_does_not_follow_the_search_path(declared: Project) -> None:
    """Functions with a path, or a schema, of their own; a function that only names the table follows its caller."""
    declared.execute("""
        CREATE FUNCTION pinned() RETURNS bigint LANGUAGE sql SET search_path = public
            AS 'SELECT count(*) FROM conversations';
        CREATE FUNCTION qualified() RETURNS bigint LANGUAGE plpgsql
            AS 'BEGIN RETURN (SELECT count(*) FROM "public".conversations); END';
        CREATE FUNCTION follows() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM conversations';
        CREATE FUNCTION elsewhere() RETURNS bigint LANGUAGE sql SET search_path = public
            AS 'SELECT count(*) FROM events';
        CREATE MATERIALIZED VIEW busy AS SELECT user_id, count(*) FROM conversations GROUP BY 1;
        CREATE VIEW quiet AS SELECT user_id FROM conversations
    """)
    functions = found(declared, "old-shape-function")
    assert set(functions) == {"public.pinned", "public.qualified"}
    assert {each["level"] for each in functions.values()} == {"warn"}
    assert set(found(declared, "old-shape-view")) == {"public.busy"}
    (shown,) = found(declared, "old-shape").values()
    assert "public.conversations, public.tags" in shown["message"]
    assert "ON CONFLICT" in found(declared, "old-shape-on-conflict")["ecluse_before_uuids"]["message"]
    assert OLD in declared.run("plan", "uuids").out


def test_the_plan_refuses_an_old_shape_that_cannot_be(declared: Project) -> None:
    """One row of several secured ones would be written with more rights. Roles of the command are refused as well."""
    declared.execute("""
        CREATE TABLE turns (id serial PRIMARY KEY, session text NOT NULL, said text);
        ALTER TABLE turns ENABLE ROW LEVEL SECURITY""")
    path = declared.folder / "migrations" / "uuids.toml"
    operation = '[[operation]]\nkind = "merge_rows"\ntable = "public.turns"\nby = "session"\norder_by = "id"\n'
    path.write_text(f'name = "uuids"\nold_shape_for = ["{OLD}"]\n{operation}', encoding="utf-8")
    planned = declared.run("plan", "uuids")
    assert planned.status == 3
    assert "the rows of public.turns are secured" in planned.out
    path.write_text(f'name = "uuids"\n{operation}', encoding="utf-8")
    assert declared.run("apply", "uuids").status == 0
    error = refused(declared.run("switch", "uuids", "--old-shape-for", OLD, "--json"), "ECL303")
    assert "the rows of public.turns are secured" in error["details"]
    assert settings(declared) == []


def test_explain_shows_the_old_shape_with_lock_and_undo(declared: Project) -> None:
    """Before the switch, within it, and after it."""
    steps = declared.run("explain", "uuids", "--json", "--phase", "switch", "--phase", "after").value["steps"]
    ready, switch, armed, *_, retired = steps
    assert any("SET search_path TO" in sql for sql in ready["sql"])
    assert f'ALTER ROLE "{OLD}"' in ready["undo"]
    assert any("ACCESS EXCLUSIVE" in sql for sql in switch["sql"])
    assert sum(sql.startswith('CREATE VIEW "ecluse_before_uuids"') for sql in armed["sql"]) == 2
    assert any("INSTEAD OF INSERT OR UPDATE OR DELETE" in sql for sql in armed["sql"])
    assert "DROP SCHEMA" in armed["undo"]
    assert "ecluse retire" in retired["title"]
    assert "keeps" not in declared.run("explain", "uuids").err


def test_triggers_of_the_new_tables_find_what_they_name(declared: Project) -> None:
    """A write through a view fires them with the search_path of the new shape, not an empty one."""
    declared.execute(f"""
        CREATE TABLE audit (about text); GRANT ALL ON audit TO {OLD};
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql
            AS $$BEGIN INSERT INTO audit VALUES (pg_typeof(NEW.id)::text); RETURN NULL; END$$;
        CREATE TRIGGER noted AFTER INSERT ON conversations FOR EACH ROW EXECUTE FUNCTION noted()""")
    (told,) = found(declared, "old-shape-trigger").values()
    assert "noted is called with the rights of" in told["message"]
    assert found(declared, "old-shape-rights") == {}
    declared.execute(f"ALTER TABLE conversations OWNER TO {OLD}")
    assert set(found(declared, "old-shape-rights")) == {"public.conversations"}
    assert declared.run("apply", "uuids", "--switch").status == 0
    with session(declared) as conn:
        assert asked(conn, WRITE) == "text"
    assert declared.execute("SELECT about FROM audit") == [("uuid",)]


def test_inserts_are_counted_where_a_table_only_got_columns(declared: Project) -> None:
    """They read no view, and the server writes through it by itself."""
    (declared.folder / "migrations" / "mood.toml").write_text(
        f'name = "mood"\nold_shape_for = ["{OLD}"]\n[[operation]]\nkind = "add_columns"\n'
        'table = "public.events"\ncolumns = { mood = "text" }\n',
        encoding="utf-8",
    )
    assert declared.run("apply", "mood", "--switch").status == 0
    with session(declared) as conn:
        for each in range(2):
            upsert = (
                "INSERT INTO events (id, conversation) VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET payload = '{}'"
            )
            conn.execute(upsert, (str(each),))
        assert conn.execute("SELECT * FROM events LIMIT 1").description is not None
        assert "mood" not in [column.name for column in conn.execute("TABLE events").description or ()]
    assert await_count(declared, lambda use: use["statements"] >= 4)["statements"] >= 4


def test_retire_on_each_server(any_server_database: Database, tmp_path: Path) -> None:
    """A server before 16 does not note when a table was read: there two looks are compared."""
    made = add_roles(write_project(tmp_path, any_server_database))
    load(made, 50)
    add_roles(made)
    stage = Stage(
        any_server_database, made.folder / "migrations" / "uuids.toml", replace(OPTIONS, old_shape_for=(OLD,))
    )
    stage.apply()
    stage.switch()
    with session(made) as conn:
        asked(conn, SHAPE)
        noted = conn.info.server_version >= 160000
    until = time.monotonic() + COUNT_SECONDS
    while not look(any_server_database).runs[0].old_shape.uses[0].statements:
        assert time.monotonic() < until
        time.sleep(0.2)
    for _ in range(1 if noted else 2):  # the first look has nothing to compare with
        with pytest.raises(InUse):
            stage.engine().retire("uuids", 60)
    time.sleep(1)
    (use,) = stage.engine().retire("uuids", 1)
    assert (use.role, bool(use.last)) == (OLD, noted)
    assert settings(made) == []
