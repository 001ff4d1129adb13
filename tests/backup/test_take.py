"""A backup holds what its snapshot held, and one that does not is found out."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.backup.files import described, intact, read_manifest, write_manifest
from ecluse.backup.shelf import look
from ecluse.errors import BackupDamaged, LockNotTaken, MissingRights, NotVerifiable, ProofFailed, RowsHidden
from ecluse.model.backup import Manifest
from ecluse.model.names import Name
from ecluse.model.report import Event
from ecluse.postgres import dump
from ecluse.postgres.connect import Database
from ecluse.recipes.registry import RECIPES
from ecluse.supabase.prepare import prepare
from tests.backup.conftest import bench, fill_nasty, taken

Tried = Callable[..., Manifest]


def test_hostile_names_on_every_version(any_server_database: Database, tmp_path: Path, tried: Tried) -> None:
    fill_nasty(any_server_database)
    backup = taken(any_server_database, tmp_path)
    manifest = tried(backup.folder, any_server_database)
    assert manifest.verified and manifest.checked and manifest.checked.on == str(any_server_database)
    rows = {str(each.table): each.rows for each in manifest.tables}
    assert rows["public.bare"] == 1 and rows["public.reader"] == 2 and rows["public.heir"] == 1
    assert rows['"Sch é ma"."We""ird"'] == 9 and rows["public.parts_1"] == 1
    assert manifest.large_objects.number == 1
    named = {each.role: each for each in manifest.roles}
    assert named["anon"].in_policies and named["Own er"].owns and "authenticated" in named
    settings = json.loads((backup.folder / "settings.json").read_text())
    assert {"role": None, "name": "app.word", "value": "x=1"} in settings["settings"]
    assert settings["comment"] == "it's ours"
    assert (backup.folder.stat().st_mode & 0o777, (backup.folder / "manifest.json").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_pgbench_on_a_server_of_its_own(database: Database, tmp_path: Path, tried: Tried) -> None:
    bench(database)
    manifest = tried(taken(database, tmp_path).folder)
    assert manifest.verified and manifest.rows == 100_011
    assert manifest.checked and manifest.checked.on.startswith("throw-away PostgreSQL")


def test_what_is_written_meanwhile_is_not_in_it(shop: Database, tmp_path: Path, tried: Tried) -> None:
    """Between the checksums and the dump rows change and a sequence goes on; what would empty a table must wait."""
    blocked = []

    def meddle(event: Event) -> None:
        if (event.kind, event.step) != ("step", "dump"):
            return
        with psycopg.connect(shop.conninfo, autocommit=True) as conn:
            conn.execute("INSERT INTO public.customers (name) VALUES ('late')")
            conn.execute("UPDATE public.orders SET total = 0")
            conn.execute("CREATE TABLE public.newcomer (id int)")
            conn.execute("SET lock_timeout TO '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                conn.execute("TRUNCATE public.orders")
            blocked.append(True)

    backup = taken(shop, tmp_path, meddle)
    manifest = tried(backup.folder, shop)
    assert blocked and {str(each.table): each.rows for each in manifest.tables} == {
        "public.customers": 500,
        "public.orders": 2000,
    }
    ids = next(each for each in manifest.sequences if each.sequence.name == "customers_id_seq")
    assert (ids.value, ids.later) == (500, 501)


def test_who_waits_to_alter_a_table_is_not_waited_for(
    shop: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He waits for our snapshot, and pg_dump would wait behind him, for ever, and the application behind both."""
    monkeypatch.setattr(dump, "LOCK_PATIENCE", 300)
    with ThreadPoolExecutor(1) as other:
        altered: list[Future[None]] = []

        def alter() -> None:
            with psycopg.connect(shop.conninfo, autocommit=True) as conn:
                conn.execute("ALTER TABLE public.customers ADD extra int")

        def meddle(event: Event) -> None:
            if (event.kind, event.step) == ("step", "dump"):
                altered.append(other.submit(alter))
                with psycopg.connect(shop.conninfo, autocommit=True) as conn:
                    while not conn.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                        time.sleep(0.01)

        with pytest.raises(LockNotTaken) as refused:
            taken(shop, tmp_path, meddle)
        altered[0].result(timeout=30)
    assert refused.value.hint and "no backup was kept" in refused.value.state and "customers" not in str(refused.value)
    assert not look(tmp_path).kept and not look(tmp_path).left


def test_rows_that_an_extension_says_are_its_users_are_proved(shop: Database, tmp_path: Path) -> None:
    """As those of cron.job: pg_dump writes them, and nothing makes them anew."""
    with psycopg.connect(shop.conninfo, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.jobs AS SELECT n FROM generate_series(1, 9) n")
        conn.execute("CREATE TABLE public.inner_life AS SELECT 1")
        for table in ("jobs", "inner_life"):
            conn.execute(f"ALTER EXTENSION plpgsql ADD TABLE public.{table}".encode())
        conn.execute(
            "UPDATE pg_extension SET extconfig = ARRAY['public.jobs'::regclass::oid], "
            "extcondition = ARRAY['WHERE n > 2'] WHERE extname = 'plpgsql'"
        )
    found = {str(each.table): each.rows for each in taken(shop, tmp_path).manifest.tables}
    assert found == {"public.customers": 500, "public.orders": 2000, "public.jobs": 7}


def test_a_backup_that_is_not_its_snapshot_fails(shop: Database, tmp_path: Path, tried: Tried) -> None:
    with psycopg.connect(shop.conninfo, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.third (id int); CREATE TABLE public.fourth (id int)")
    backup = taken(shop, tmp_path)
    catalogue = backup.folder / "catalogue.json"
    catalogue.write_text(catalogue.read_text().replace("orders_customer_idx", "orders_customers"))
    tables = {each.table.name: each for each in backup.manifest.tables}
    tables["orders"] = replace(tables["orders"], checksum="0-0")
    tables["customers"] = replace(tables["customers"], rows=7)
    tables["fourth"] = replace(tables["fourth"], table=Name("public", "fifth"))
    del tables["third"]
    first, *others = backup.manifest.sequences
    changed = replace(
        backup.manifest,
        tables=tuple(tables.values()),
        sequences=(replace(first, value=9, later=9), *others),
        large_objects=replace(backup.manifest.large_objects, number=3),
        files=described(backup.folder),
    )
    write_manifest(backup.folder, changed)
    with pytest.raises(ProofFailed) as failed:
        tried(backup.folder, shop)
    assert failed.value.details.splitlines() == [
        "public.orders: 2,000 rows, as many as the snapshot had, and not the same",
        "public.customers: 500 rows, and the snapshot had 7",
        "public.fifth: the table is missing",
        "public.fourth: the table was not there",
        "public.third: the table was not there",
        "sequence public.customers_id_seq: it stands at 500, and stood at 9",
        "large objects: 0 of 3",
        "table public.orders, index orders_customer_idx: is new (USING btree (customer))",
        "table public.orders, index orders_customers: is gone (was USING btree (customer))",
    ]
    noted = read_manifest(backup.folder).checked
    assert noted is not None and not noted.passed and not look(tmp_path).kept[0].sound


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _replace(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new))


DAMAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("flipped", lambda f: _flip(next(f.glob("dump/*.gz"))), r"dump/\d+\.dat\.gz: its content was changed"),
    ("cut", lambda f: (f / "dump" / "toc.dat").write_bytes(b"PGDMP"), r"dump/toc\.dat: it is cut off: 5 of"),
    ("gone", lambda f: (f / "settings.json").unlink(), r"settings\.json: it is missing"),
    ("more", lambda f: (f / "dump" / "1.dat.gz").write_bytes(b""), r"dump/1\.dat\.gz: it is not of this backup"),
    ("manifest", lambda f: _flip(f / "manifest.json"), r"manifest\.json: it"),
    ("no manifest", lambda f: (f / "manifest.json").unlink(), r"manifest\.json: it is missing"),
    (
        "edited",
        lambda f: _replace(f / "manifest.json", '"rows": 500', '"rows": 5'),
        r"manifest\.json: its content is not what its sha256 is of",
    ),
]


def test_every_damage_is_named(shop: Database, tmp_path: Path) -> None:
    backup = taken(shop, tmp_path)
    for name, damage, told in DAMAGES:
        folder = tmp_path / name
        shutil.copytree(backup.folder, folder)
        intact(folder)
        damage(folder)
        with pytest.raises(BackupDamaged) as damaged:
            intact(folder)
        assert re.search(told, damaged.value.details), (name, damaged.value.details)
        assert damaged.value.state == "nothing was changed"


def test_hidden_and_closed_rows_are_refused(shop: Database, tmp_path: Path) -> None:
    with psycopg.connect(shop.conninfo, autocommit=True) as conn:
        conn.execute("CREATE ROLE warden LOGIN")
        try:
            conn.execute("GRANT pg_read_all_data TO warden")
            conn.execute("ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
            warden = Database("app", shop.conninfo + " user=warden")
            with pytest.raises(RowsHidden, match="may hide rows") as hidden:
                taken(warden, tmp_path)
            assert hidden.value.details == "public.orders"
            conn.execute("REVOKE pg_read_all_data FROM warden")
            with pytest.raises(MissingRights, match="may not read 2 of 2") as closed:
                taken(warden, tmp_path)
            assert "public.customers" in closed.value.details
        finally:
            conn.execute("DROP ROLE warden")
    assert not list(tmp_path.iterdir())


def test_what_a_server_lacks_is_no_verification(shop: Database, tmp_path: Path, tried: Tried) -> None:
    backup = taken(shop, tmp_path)
    write_manifest(backup.folder, replace(backup.manifest, extensions={"plpgsql": "1.0", "nowhere": "1.0"}))
    for on in (None, shop):
        with pytest.raises(NotVerifiable, match="lacks the extension 'nowhere'") as lacking:
            tried(backup.folder, on)
        assert "--on NAME" in lacking.value.hint and "not verified" in lacking.value.state
    assert read_manifest(backup.folder).checked is None


def test_the_samples_of_the_recipes(fresh_database: Callable[[], Database], tmp_path: Path, tried: Tried) -> None:
    for name, recipe in RECIPES.items():
        made = {each: replace(fresh_database(), name=each) for each in recipe.databases or ("app",)}
        if "people" in made:
            prepare(made["people"])
        generation = next(iter(recipe.generations))
        with contextlib.ExitStack() as stack:
            conns = {
                each: stack.enter_context(psycopg.connect(database.conninfo, autocommit=True))
                for each, database in made.items()
            }
            recipe.load(conns, generation, 60, 1)
        for each, database in made.items():
            manifest = tried(taken(database, tmp_path / name / each).folder, database)
            assert manifest.verified and manifest.rows > 50, name
