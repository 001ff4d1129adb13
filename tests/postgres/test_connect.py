"""Databases by name, the pins of a session, and what becomes of the driver's errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.errors import (
    CannotConnect,
    ConnectionLost,
    DatabaseError,
    DiskFull,
    LockNotTaken,
    MissingVariable,
    ServerTooOld,
    SettingsError,
    UnknownDatabase,
)
from ecluse.model.settings import parse_settings
from ecluse.postgres import connect
from ecluse.postgres.connect import Database, open_session, resolve, session_pins
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.postgres.failures import translate


def test_every_pin_is_set(any_server_database: Database) -> None:
    with open_session(any_server_database, role="proof") as session:
        for name, value in session_pins(session.info.server_version).items():
            row = session.execute("SELECT current_setting(%s)", [name]).fetchone()
            assert row == (value,), name
        assert session.execute("SHOW application_name").fetchone() == ("ecluse proof",)


@pytest.mark.parametrize("autocommit", [True, False])
def test_pins_win_over_the_roles_own_settings_and_survive_a_rollback(database: Database, autocommit: bool) -> None:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("ALTER ROLE postgres SET DateStyle = 'German'")
    try:
        with open_session(database, autocommit=autocommit) as session:
            assert session.autocommit is autocommit
            session.execute("SELECT 1")
            session.rollback()
            assert session.execute("SELECT date '2026-03-04'::text").fetchone() == ("2026-03-04",)
            assert session.execute("SHOW search_path").fetchone() == ("",)
    finally:
        with psycopg.connect(database.conninfo, autocommit=True) as conn:
            conn.execute("ALTER ROLE postgres RESET ALL")


@pytest.mark.parametrize(("given", "kept"), [("off", "on"), ("local", "local"), ("on", "on")])
def test_a_commit_outlives_the_server(database: Database, given: str, kept: str) -> None:
    lax = replace(database, conninfo=f"{database.conninfo} options='-c synchronous_commit={given}'")
    with open_session(lax) as conn:
        assert conn.execute("SHOW synchronous_commit").fetchone() == (kept,)


def test_hidden_rows_are_an_error(database: Database) -> None:
    with open_session(database) as admin:
        admin.execute("CREATE ROLE tenant LOGIN")
        try:
            admin.execute("CREATE TABLE public.t AS SELECT 1 AS a")
            admin.execute("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY")
            admin.execute("GRANT SELECT ON public.t TO tenant")
            tenant = Database("app", make_conninfo(database.conninfo, user="tenant"))
            with open_session(tenant) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("SELECT count(*) FROM public.t")
        finally:
            admin.execute("DROP OWNED BY tenant")
            admin.execute("DROP ROLE tenant")


def test_wrong_database_and_wrong_host_are_told_with_a_hint(server: EmbeddedServer) -> None:
    with pytest.raises(CannotConnect) as missing:
        open_session(Database("app", server.conninfo("no_such_database"), label="'app' (here)"))
    assert "cannot connect to 'app' (here)" in missing.value.message
    assert "name of the database" in missing.value.hint
    with pytest.raises(CannotConnect) as refused:
        open_session(Database("app", "host=127.0.0.1 port=1 user=u password=hush dbname=d"))
    assert "the port" in refused.value.hint
    assert "hush" not in str(refused.value.as_dict())


def test_wrong_password_is_told_and_not_shown(open_folder: Path, server: EmbeddedServer) -> None:
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    hba = server.data_dir / "pg_hba.conf"
    before = hba.read_text()
    try:
        hba.write_text("local all locked scram-sha-256\n" + before)
        _reload(server)
        with pytest.raises(CannotConnect) as wrong:
            open_session(Database("app", make_conninfo(server.conninfo(), user="locked", password="sesame")))
        assert "the password" in wrong.value.hint
        assert "sesame" not in str(wrong.value.as_dict())
    finally:
        hba.write_text(before)
        _reload(server)
        with psycopg.connect(server.conninfo(), autocommit=True) as conn:
            conn.execute("DROP ROLE locked")


def _reload(server: EmbeddedServer) -> None:
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute("SELECT pg_reload_conf()")
        conn.execute("SELECT pg_sleep(0.2)")


def test_an_invalid_string_is_not_repeated() -> None:
    with pytest.raises(CannotConnect) as error:
        open_session(Database("app", "host=h password='hush"))
    assert "hush" not in str(error.value.as_dict())


def test_an_old_server_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_OLDEST", 990000)
    with pytest.raises(ServerTooOld):
        open_session(database)


def test_resolve_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_settings('[databases]\napp = "env:APP_URL"\nbad = "postgresql://u:p%zz@h/d"\n')
    monkeypatch.delenv("APP_URL", raising=False)
    with pytest.raises(UnknownDatabase, match="did you mean 'app'"):
        resolve(settings, "apq", tmp_path)
    with pytest.raises(MissingVariable, match="APP_URL"):
        resolve(settings, "app", tmp_path)
    with pytest.raises(SettingsError):
        resolve(settings, "bad", tmp_path)
    monkeypatch.setenv("APP_URL", "postgresql://me:hush@db.example.org:6543/shop")
    found = resolve(settings, "app", tmp_path)
    assert str(found) == "'app' (me@db.example.org:6543/shop)"
    assert "hush" not in repr(found)


def test_resolve_starts_the_embedded_server(open_folder: Path) -> None:
    project = open_folder / "project"
    project.mkdir()
    settings = parse_settings('[databases]\napp = { url = "embedded:shop", protect = true }\n')
    found = resolve(settings, "app", project)
    try:
        assert found.protect
        assert resolve(settings, "app", project) == found
        with open_session(found) as session:
            assert session.execute("SELECT current_database()").fetchone() == ("shop",)
    finally:
        connect._kept.pop((project / ".ecluse" / "pg18").resolve()).release()
    assert (project / ".ecluse" / ".gitignore").read_text() == "*\n"


def _raised(database: Database, sql: str) -> psycopg.Error:
    with open_session(database) as session, pytest.raises(psycopg.Error) as caught:
        session.execute(sql.encode())
    return caught.value


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'secret-value'::uuid",
        "SELECT E'secret\"value\\n\"more'::int",
        "SELECT '{\"secret\": value}'::json",
        "SELECT '99-secret'::date",
        "INSERT INTO public.t VALUES ('secret', 1), ('secret', 2)",
        "INSERT INTO public.t VALUES ('secret', -1)",
        "INSERT INTO public.t VALUES (NULL, 424242)",
        "SELECT convert_from('\\xc3736563726574', 'UTF8')",
        "DO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'secret', HINT = 'secret'; END $$",
    ],
)
def test_no_value_of_a_row_gets_into_an_error(any_server_database: Database, sql: str) -> None:
    with open_session(any_server_database) as session:
        session.execute("CREATE TABLE public.t (a text PRIMARY KEY, b int CONSTRAINT positive CHECK (b > 0))")
    ours = translate(_raised(any_server_database, sql), "nothing was changed")
    assert isinstance(ours, DatabaseError)
    shown = str(ours.as_dict())
    assert ours.sqlstate and ours.sqlstate in shown
    for value in ("secret", "424242", "c3736563"):
        assert value not in shown


def test_the_names_of_objects_stay(database: Database) -> None:
    with open_session(database) as session:
        session.execute("CREATE TABLE public.t (a int CONSTRAINT positive CHECK (a > 0))")
        session.execute("CREATE VIEW public.v AS SELECT * FROM public.t")
    refused = translate(_raised(database, "INSERT INTO public.t VALUES (-1)"))
    assert "positive" in refused.message and "table public.t" in refused.details
    depended = translate(_raised(database, "DROP TABLE public.t"))
    assert depended.as_dict()["code"] == "2BP01"
    assert "view public.v depends on table public.t" in depended.details
    assert "CASCADE" in depended.hint


def test_a_lost_connection_is_told_apart(database: Database) -> None:
    with open_session(database) as victim, open_session(database) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [victim.info.backend_pid])
        with pytest.raises(psycopg.Error) as caught:
            victim.execute("SELECT 1")
        assert isinstance(translate(caught.value), ConnectionLost)
        with pytest.raises(psycopg.Error) as again:
            victim.execute("SELECT 1")
        assert isinstance(translate(again.value), ConnectionLost)


def test_a_full_disk_and_a_lock_are_told_apart(database: Database) -> None:
    full = _raised(database, "DO $$ BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END $$")
    assert isinstance(translate(full, "stopped"), DiskFull)
    assert translate(full, "stopped").state == "stopped"
    busy = _raised(database, "DO $$ BEGIN RAISE 'lock' USING ERRCODE = '55P03'; END $$")
    assert isinstance(translate(busy), LockNotTaken)
