"""The page about two applications at once: its SQL, its migration and its settings, as they stand there."""

from __future__ import annotations

import re
import threading
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.harness import Stage, load, same_rows, same_structure, snapshot

from ecluse.errors import InUse
from ecluse.postgres.connect import Database

PAGE = (Path(__file__).parents[2] / "docs/how-to/blue-and-green.md").read_text(encoding="utf-8")
TABLES = """
create table orders (id text primary key default gen_random_uuid()::text, item text, amount integer default 1);
create table lines (id serial primary key, order_id text not null references orders on delete cascade, what text);
insert into orders (item) select 'item ' || n from generate_series(1, 20) n;
insert into lines (order_id, what) select id, item from orders;
grant select, insert, update, delete on all tables in schema public to shop;
grant usage on all sequences in schema public to shop;
"""
SERVED = "insert into orders (item) values (%s) returning pg_typeof(id)::text, id::text"

Session = psycopg.Connection[tuple[object, ...]]


def blocks(language: str) -> list[str]:
    """The code of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    """The roles and the migration of the page, on tables as it tells of."""
    (roles,), (migration,) = blocks("sql"), blocks("toml")
    for statement in ("create role shop", roles):
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            load(database, statement)
    load(database, TABLES)
    file = tmp_path / "order_uuids.toml"
    file.write_text(migration)
    return Stage(database, file)


def blue(database: Database, options: str = "") -> Session:
    """The old application, with the password of the page."""
    (password,) = re.findall(r"PASSWORD '([^']*)'", PAGE)
    told = make_conninfo(database.conninfo, user="shop_blue", password=password, options=options)
    return psycopg.connect(told, autocommit=True)


def options() -> list[str]:
    """What the page tells libpq of the search_path, for Django and for SQLAlchemy."""
    found = [text for block in blocks("python") for text in re.findall(r'"(-c[^"]*)"', block)]
    assert len(found) == 2
    return found


def test_the_steps_of_the_page(stage: Stage, database: Database, tmp_path: Path) -> None:
    before = snapshot(database)
    name = tomllib.loads(blocks("toml")[0])["name"]
    stage.apply()
    with blue(database), pytest.raises(InUse):
        stage.switch()
    stage.switch()
    with blue(database) as old:
        assert old.execute(SERVED, ("by blue",)).fetchone()[0] == "text"
    for each in options():
        assert f"ecluse_before_{name}" in each
        with blue(database, each) as old:
            assert old.execute(SERVED, ("by options",)).fetchone()[0] == "text"
    with psycopg.connect(database.conninfo, autocommit=True) as new:
        assert new.execute(SERVED, ("by green",)).fetchone()[0] == "uuid"
    stage.verify()
    stage.rollback()
    same_structure(snapshot(database).catalog, before.catalog)
    load(database, "delete from orders where item like 'by %'")
    same_rows(snapshot(database), before)
    stage.apply()
    stage.switch()
    with pytest.raises(InUse):
        stage.finish(tmp_path)
    stage.engine().retire(name, 0)
    stage.finish(tmp_path)


CANNOT: list[tuple[str, Callable[[Session, str], object]]] = [
    ("42P10", lambda c, i: c.execute("insert into orders (id) values (%s) on conflict (id) do nothing", (i,))),
    ("23505", lambda c, i: c.execute("insert into orders (id) values (%s) on conflict do nothing", (i,))),
    ("42809", lambda c, i: c.execute("truncate lines")),
    ("22P02", lambda c, i: c.execute("insert into orders (id) values ('not-a-uuid')")),
    ("42703", lambda c, i: c.execute("select ctid from orders")),
    ("42501", lambda c, i: c.execute("select lastval()")),
    ("42501", lambda c, i: c.execute("create table more (id text references orders)")),
]


def test_the_table_of_the_page(stage: Stage, database: Database) -> None:
    """What it says cannot be done cannot, and what it says can, can."""
    stage.apply()
    stage.switch()
    with blue(database) as old:
        served = old.execute(SERVED, ("x",)).fetchone()
        assert served is not None
        made = str(served[1])
        line = old.execute("insert into lines (order_id) values (%s) returning id", (made,)).fetchone()
        assert old.execute("select currval('lines_id_seq')").fetchone() == line
        assert old.execute("select pg_get_serial_sequence('lines', 'id')").fetchone() == (None,)
        for code, statement in CANNOT:
            with pytest.raises(psycopg.Error) as refused:
                statement(old, made)
            assert refused.value.sqlstate == code
        told = {code for code, _ in CANNOT} - {"42501", "42703"}
        assert all(code in PAGE for code in told)
        with pytest.raises(psycopg.errors.FeatureNotSupported), old.transaction():
            old.execute("declare c cursor for select id from orders")
            old.execute("fetch 1 from c")
            old.execute("update orders set item = '' where current of c")
        with old.cursor().copy("copy orders (item) from stdin") as copied:
            copied.write_row(("copied",))
        with old.cursor().copy("copy (select item from orders where item = 'copied') to stdout") as out:
            assert [bytes(block) for block in out] == [b"copied\n"]
        with old.transaction():
            old.execute("lock table orders")
        assert old.execute("delete from orders where id = %s returning item", (made,)).fetchone() == ("x",)
        if old.info.server_version >= 170000:
            merge = (
                "merge into orders o using (values ('none')) v (id) on o.id = v.id when not matched then insert (item)"
            )
            assert old.execute(f"{merge} values ('merged')").rowcount == 1


def waited(database: Database, first: str, then: str) -> object:
    """What a statement of the old application comes to that waits until another of it commits: rows, or a code."""
    came: list[object] = []

    def wait() -> None:
        with blue(database) as conn:
            try:
                came.append(conn.execute(then.encode()).rowcount)
            except psycopg.Error as error:
                came.append(error.sqlstate)

    waits = "select count(*) from pg_stat_activity where usename = 'shop_blue' and wait_event_type = 'Lock'"
    with blue(database) as conn, blue(database) as watcher, conn.transaction():
        conn.execute(first.encode())
        thread = threading.Thread(target=wait)
        thread.start()
        while thread.is_alive() and watcher.execute(waits.encode()).fetchone() != (1,):
            time.sleep(0.02)
    thread.join()
    return came[0]


def test_what_the_page_says_of_two_writes_at_once(stage: Stage, database: Database) -> None:
    stage.apply()
    stage.switch()
    more = "update orders set amount = amount + 1 where item = 'item 1'"
    assert waited(database, more, more) == "40001"
    renamed = "update orders set item = 'item 2, once' where item = 'item 2'"
    for number, late in enumerate((more.replace("item 1", "item 2"), "delete from orders where item = 'item 3'")):
        assert waited(database, renamed.replace("item 2", f"item {number + 2}"), late) == "40001", "a table gives 0"
    gone = "delete from orders where item = 'item 4'"
    assert waited(database, gone, more.replace("item 1", "item 4")) == 0, "as a table gives"
