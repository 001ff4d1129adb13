"""The migration that is printed is one that `plan` takes, and it brings what was expected."""

from __future__ import annotations

from pathlib import Path

from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from tests.expect.conftest import Compared, Comparison
from tests.harness import Stage, same, snapshot

THERE = """
create table public.chats (id text primary key, owner text, grade integer, opened timestamptz, "Odd Name" text);
create table public.lines (id integer primary key, chat text references public.chats, said text default 'x');
create table public.plain (id integer primary key, note text default 'old');
create index lines_said on public.lines (said);
create view public.open_chats as select id, owner from public.chats;
create view public.owners as select distinct owner from public.open_chats;
create function public.double(n integer) returns integer language sql as 'select n';
create function public.held() returns trigger language plpgsql as 'begin return null; end';
create trigger plain_held before update on public.plain for each row execute function public.held();
create policy all_of_it on public.plain using (true);
insert into public.chats values ('6a8d2f6c-5ab4-4b6e-9d5c-1d2f1e5a0001', 'me', 3, now(), 'odd');
insert into public.lines values (1, '6a8d2f6c-5ab4-4b6e-9d5c-1d2f1e5a0001', 'hello');
insert into public.plain values (1, 'a');
"""
WANTED = """
create schema more;
create type public.mood as enum ('good', 'it''s "bad"');
create sequence public.numbers start 5 increment 5;
create table public.chats (id uuid primary key, owner text not null, grade text, opened timestamptz default now(),
    "Odd Name" text, mood text default 'it''s', weight double precision default 0.5, "New Name" integer);
create table public.lines (id integer primary key, chat uuid references public.chats, said text default 'y',
    constraint short check (length(said) < 500));
create index lines_said on public.lines (lower(said));
create index lines_chat on public.lines (chat);
create table public.plain (id integer primary key, note text, extra jsonb default '{}');
create table more.people (id serial primary key, boss integer references more.people, mood public.mood);
create index people_boss on more.people (boss);
alter table more.people enable row level security;
create policy own on more.people for select using (id > 0);
create view public.open_chats as select id, owner, mood from public.chats;
create view public.owners as select distinct owner from public.open_chats;
create view public.bosses as select boss from more.people;
create function public.double(n integer) returns integer language sql as 'select n * 2';
create function public.held() returns trigger language plpgsql as 'begin return new; end';
create function public.fresh(words text[]) returns text language plpgsql as $$
begin
    return words[1] || '\\' || ''' ''';
end $$;
create trigger plain_held before update on public.plain for each row execute function public.held();
create trigger plain_fresh after insert on public.plain for each row execute function public.held();
create policy all_of_it on public.plain using (id > 0);
alter table public.plain enable row level security;
create publication news for table public.plain (id), more.people;
grant select, update on public.plain to pg_monitor;
grant execute on function public.fresh to pg_monitor;
revoke all on function public.fresh from public;
"""


def test_it_is_planned_applied_taken_back_and_brings_all(
    compared: Compared, database: Database, tmp_path: Path
) -> None:
    found = compared(WANTED, THERE)
    before = snapshot(database)
    file = tmp_path / "as_expected.toml"
    file.write_text(found.migration)
    stage = Stage(database, file)
    plan = stage.plan()
    assert not plan.refused, [str(hazard) for hazard in plan.refused]
    stage.apply()
    stage.switch()
    with open_session(database) as conn:
        assert Comparison(found.expected, read_catalog(conn, measure=False)).told == []
    stage.rollback()
    same(snapshot(database), before)
    stage.apply()
    stage.switch()
    stage.finish(tmp_path)
    with open_session(database) as conn:
        now = Comparison(found.expected, read_catalog(conn, measure=False))
    assert now.told == []
    assert now.migration == ""


def test_what_no_operation_brings_is_told_for_people(compared: Compared) -> None:
    wanted = (
        "create type public.mood as enum ('good', 'bad'); create table public.t (id integer, n integer not null);"
        "create unlogged table public.u (id integer)"
    )
    there = (
        "create type public.mood as enum ('good'); create table public.t (id integer);"
        "create table public.u (id integer)"
    )
    text = compared(wanted, there).migration
    assert "# n: NOT NULL and no default: say what the rows that exist get." in text
    assert "#   type public.mood: expected (good, bad), is (good)" in text
    assert "#   table public.u, persistence: expected u, is p" in text
