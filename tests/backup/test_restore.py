"""A backup becomes a database again, compared before it has its name; what would be lost is told before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.backup.lost import Change, lost_since
from ecluse.backup.observed import differences, observe_now
from ecluse.backup.place import named_place
from ecluse.backup.restore import Restore
from ecluse.backup.single import Put, put_tables, refuse_taken, wanted
from ecluse.backup.stopping import Stopping
from ecluse.backup.take import Taken
from ecluse.backup.target import Ways, name_of
from ecluse.errors import Interrupted, MissingRights, NotInDatabase, NotRestorable, ProofFailed, WrongState
from ecluse.model.names import Name, ident
from ecluse.model.report import Event
from ecluse.postgres.connect import Database, open_session
from tests.backup.conftest import fill_nasty, silent, taken

ALL = "SELECT datname::text FROM pg_database"


def restoring(backup: Taken, ways: Ways | None = None, emit: Callable[[Event], None] = silent) -> Restore:
    return Restore(backup.folder, backup.manifest, ways or Ways(), emit, Stopping())


def ask(database: Database, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        cursor = conn.execute(question.encode())
        return cursor.fetchall() if cursor.description else []


def called(database: Database, name: str) -> Database:
    return replace(database, conninfo=make_conninfo(database.conninfo, dbname=name))


def same(backup: Taken, database: Database) -> bool:
    """Every row of every table, as the manifest has it; sequences are compared by the restore itself."""
    now = observe_now(database, 1, Stopping())
    return not [d for d in differences(backup.manifest, now, {}) if not d.startswith("sequence")]


@contextlib.contextmanager
def dropped(server: Database) -> Iterator[None]:
    """Drop, at the end, the databases that a test has made."""
    with psycopg.connect(called(server, "postgres").conninfo, autocommit=True) as conn:
        before = {row[0] for row in conn.execute(ALL)}
        yield
        for row in conn.execute(ALL).fetchall():
            if row[0] not in before:
                conn.execute(f"DROP DATABASE {ident(row[0])} WITH (FORCE)".encode())


def test_in_place_on_every_version(any_server_database: Database, tmp_path: Path) -> None:
    database = any_server_database
    fill_nasty(database)
    backup = taken(database, tmp_path)
    with psycopg.connect(database.conninfo, autocommit=True) as conn, dropped(database):
        conn.execute('DELETE FROM "Sch é ma"."We""ird" WHERE id > 30')
        conn.execute("UPDATE public.\"user\" SET tags = '{x}' WHERE id = 1")
        conn.execute("CREATE TABLE public.since (id int)")
        conn.execute("DROP TABLE public.bare")
        lost = lost_since(backup.manifest, database, silent, Stopping(), 2)
        assert set(lost.changes) == {
            Change(Name("Sch é ma", 'We"ird'), 9, 3),
            Change(Name("public", "user"), 50, 50),
            Change(Name("public", "since"), None, 0),
            Change(Name("public", "bare"), 1, None),
        }
        done = restoring(backup).in_place(database)
        assert done.database == name_of(database) and done.before.startswith(f"{done.database}_before_restore_")
        with pytest.raises(psycopg.OperationalError):  # the application's session was ended
            conn.execute("SELECT 1")
        assert same(backup, database)
        assert ask(database, "SHOW app.word") == [("x=1",)]
        assert ask(called(database, done.before), 'SELECT count(*) FROM "Sch é ma"."We""ird"') == [(3,)]
        names = {row[0] for row in ask(database, ALL)}
        assert not [name for name in names if str(name).startswith("ecluse_throwaway")]


def test_into_a_new_database_or_an_empty_one(shop: Database, second_database: Database, tmp_path: Path) -> None:
    backup = taken(shop, tmp_path)
    with dropped(shop):
        assert restoring(backup).to_new(shop, "shop again").database == "shop again"
        assert same(backup, called(shop, "shop again"))
        with pytest.raises(WrongState, match="there is a database 'shop again'"):
            restoring(backup).to_new(shop, "shop again")
        restoring(backup).into_empty(second_database)
        assert same(backup, second_database)
        with pytest.raises(WrongState, match="is not empty"):
            restoring(backup).into_empty(second_database)
        with pytest.raises(NotRestorable, match="cannot be replaced") as refused:
            restoring(backup).refuse_in_place(called(shop, "postgres"))
        assert "--new NAME" in refused.value.hint and "Supabase" in refused.value.message


def test_what_is_not_what_it_says_gets_no_name(shop: Database, second_database: Database, tmp_path: Path) -> None:
    backup = taken(shop, tmp_path)
    first, *others = backup.manifest.tables
    bad = replace(backup, manifest=replace(backup.manifest, tables=(replace(first, checksum="0-0"), *others)))
    before = ask(shop, ALL)
    for work in (lambda: restoring(bad).in_place(shop), lambda: restoring(bad).to_new(shop, "bad")):
        with pytest.raises(ProofFailed, match="not what the snapshot was") as failed:
            work()
        assert failed.value.state == "nothing was changed"
    with pytest.raises(ProofFailed):
        restoring(bad).into_empty(second_database)
    work_of = restoring(backup)
    stopped = replace(work_of, emit=lambda event: work_of.stopping.ask() if event.step == "restored" else None)
    with pytest.raises(Interrupted):
        stopped.in_place(shop)
    assert ask(shop, ALL) == before and same(backup, shop)


def test_roles_rights_and_versions_are_asked_for_before(shop: Database, tmp_path: Path) -> None:
    with open_session(shop) as conn, dropped(shop):
        conn.execute("CREATE ROLE leaver; CREATE ROLE reader_of_orders; CREATE ROLE modest LOGIN")
        try:
            conn.execute("ALTER TABLE public.customers OWNER TO leaver")
            conn.execute("CREATE POLICY own ON public.orders TO reader_of_orders USING (true)")
            conn.execute("GRANT pg_read_all_data TO modest")
            backup = taken(shop, tmp_path)
            modest = Database("app", shop.conninfo + " user=modest")
            with pytest.raises(MissingRights, match="may not create databases"):
                restoring(backup).to_new(modest, "n")
            conn.execute("ALTER ROLE modest CREATEDB")
            with pytest.raises(MissingRights, match="may not give anything to 2 owners") as strange:
                restoring(backup).to_new(modest, "n")
            assert strange.value.details == "leaver, postgres"
            with pytest.raises(MissingRights, match="does not own"):
                restoring(backup, Ways(no_owner=True)).in_place(modest)
            restoring(backup, Ways(no_owner=True)).to_new(modest, "modestly")
            assert ask(called(shop, "modestly"), "SELECT tableowner FROM pg_tables WHERE tablename = 'customers'") == [
                ("modest",)
            ]
            conn.execute("DROP POLICY own ON public.orders; ALTER TABLE public.customers OWNER TO postgres")
            ask(called(shop, "modestly"), "DROP POLICY own ON public.orders")
            conn.execute("DROP ROLE leaver; DROP ROLE reader_of_orders")
            with pytest.raises(NotRestorable, match="lacks 2 roles") as lacking:
                restoring(backup).to_new(shop, "n")
            assert lacking.value.details == "leaver, reader_of_orders" and "--create-roles" in lacking.value.hint
            with pytest.raises(NotRestorable, match="policies name them") as named:
                restoring(backup, Ways(no_owner=True)).to_new(shop, "n")
            assert named.value.details == "reader_of_orders"
            done = restoring(backup, Ways(create_roles=True)).to_new(shop, "with roles")
            assert done.roles == ["leaver", "reader_of_orders"]
            found = conn.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = ANY (%s)", [done.roles]).fetchall()
            assert found == [(False,), (False,)]
            newer = replace(backup.manifest, versions=replace(backup.manifest.versions, server=990000))
            with pytest.raises(NotRestorable, match="is of PostgreSQL 99"):
                restoring(replace(backup, manifest=newer)).to_new(shop, "n")
            lacking_more = replace(backup.manifest, extensions={"nowhere": "1"})
            with pytest.raises(NotRestorable, match="lacks 1 extensions"):
                restoring(replace(backup, manifest=lacking_more)).to_new(shop, "n")
        finally:
            for name in ("modestly", "with roles"):
                conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            for role in ("leaver", "reader_of_orders", "modest"):
                conn.execute(f"DROP ROLE IF EXISTS {role}".encode())


def test_single_tables_come_beside(database: Database, tmp_path: Path) -> None:
    fill_nasty(database)
    backup = taken(database, tmp_path)
    ask(database, 'DELETE FROM "Sch é ma"."We""ird"')
    tables = wanted(backup.manifest, ('"Sch é ma"."We""ird"', '"We""ird"', "heir", "bare"))
    refuse_taken(database, tables)
    with named_place(database, backup.manifest) as place:
        done = put_tables(backup.folder, backup.manifest, tables, place, database, silent, Stopping())
    both = [Name("ecluse_restored", name) for name in ('Sch é ma.We"ird', 'public.We"ird', "heir", "bare")]
    assert done == tuple(Put(t.table, at, t.rows) for t, at in zip(tables, both, strict=True))
    assert [ask(database, f"SELECT count(*) FROM {at.sql}") for at in both] == [[(9,)], [(1,)], [(1,)], [(1,)]]
    assert ask(database, 'SELECT count(*) FROM "Sch é ma"."We""ird"') == [(0,)]
    with pytest.raises(WrongState, match="of an earlier restore"):
        refuse_taken(database, wanted(backup.manifest, ("bare", "reader")))
    with pytest.raises(NotInDatabase, match=r"did you mean 'public\.reader'"):
        wanted(backup.manifest, ("raeder",))
    first = replace(tables[2], checksum="0-0")
    ask(database, "DROP TABLE ecluse_restored.heir")
    with named_place(database, backup.manifest) as place, pytest.raises(ProofFailed, match=r"public\.heir"):
        put_tables(backup.folder, backup.manifest, (first,), place, database, silent, Stopping())
    assert ask(database, "SELECT to_regclass('ecluse_restored.heir')") == [(None,)]
