"""The migrations of the page about a provider's table, as they stand there, on tables as it tells of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.harness import Stage, load, same_rows, same_structure, snapshot
from tests.recipes.two import of

from ecluse.errors import WrongState
from ecluse.postgres.connect import Database

PAGE = Path(__file__).parents[2] / "docs/how-to/generalise-a-providers-table.md"
TABLES = """
create table users (id integer primary key);
create table github_accounts (id serial primary key, user_id integer not null references users on delete cascade,
    github_id bigint not null, avatar text, access_token text not null, refresh_token text not null,
    created_at timestamptz default now());
create table repositories (id serial primary key, user_id integer not null references users on delete cascade,
    github_repository_id bigint, kind text);
insert into users select generate_series(1, 9);
insert into github_accounts (user_id, github_id, avatar, access_token, refresh_token, created_at)
    select n, 100 + n % 7, 'picture ' || n, 'no-real-a', 'no-real-r', '2025-01-01'::timestamptz + n * interval '1 day'
    from generate_series(1, 8) n;
insert into repositories (user_id, github_repository_id, kind)
    select 1 + n % 9, case when n % 5 > 0 then n end, (array['original', 'Fork', 'mirror', null])[1 + n % 4]
    from generate_series(1, 90) n;
"""
OTHER = "insert into accounts (user_id, provider, external_id, access_token) values (9, 'gitlab', '1', 'no-real')"
NEXT = "insert into accounts (user_id, provider, external_id, access_token) values (9, 'codeberg', 'c', 'no-real')"


def test_the_migrations_of_the_page_run(database: Database, tmp_path: Path) -> None:
    files = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    accounts, codeberg = (Stage(database, tmp_path / f"{number}.toml") for number in range(2))
    for stage, text in zip((accounts, codeberg), files, strict=True):
        stage.file.write_text(text)
    load(database, TABLES)
    before = snapshot(database)
    for _ in range(2):
        accounts.apply()
        accounts.switch()
        accounts.verify()
        linked = "select count(distinct account_id), count(account_id) from repositories"
        assert of(database, linked) == [(7, 56)]
        load(database, OTHER)
        accounts.rollback()
        same_structure(snapshot(database).catalog, before.catalog)
        same_rows(snapshot(database), before)
    accounts.apply()
    accounts.switch()
    accounts.finish(tmp_path)
    codeberg.apply()
    codeberg.switch()
    load(database, NEXT)
    with pytest.raises(WrongState):
        codeberg.rollback()
