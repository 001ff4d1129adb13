"""The guide's verifications, as probes that can fail: each is broken, and `verify` says which. And a new provider."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ecluse.errors import EcluseError, WrongState
from ecluse.postgres.connect import Database
from tests.harness import Stage, load
from tests.recipes.providers import GENERATIONS, Words, prepared, written
from tests.recipes.two import of

KEPT = "ecluse_kept_multi_provider"
LINKED = "(select id from activities where connection_id is not null order by id limit 1)"
SUMMARY = "select pg_get_viewdef('user_connections_summary'::regclass)"
# What somebody does by hand, the probe or the object that says so, and how it is put right again.
BROKEN = [
    (
        f"update activities a set connection_id = (select id from provider_connections c where c.user_id <> a.user_id "
        f"limit 1) where id = {LINKED}",
        "1 activities are linked to a connection of somebody else",
        "update activities a set connection_id = c.id from provider_connections c where c.user_id = a.user_id "
        "and a.connection_id in (select id from provider_connections d where d.user_id <> a.user_id)",
    ),
    (
        f"create table put_aside as select id, connection_id from activities where id = {LINKED}; "
        "update activities set connection_id = null where id in (select id from put_aside)",
        "1 activities came by a connection and are linked to none",
        "update activities a set connection_id = p.connection_id from put_aside p where p.id = a.id; "
        "drop table put_aside",
    ),
    (
        "alter table activities drop constraint activities_connection_id_external_id_key",
        "activities may hold one activity of a connection twice",
        "alter table activities add constraint activities_connection_id_external_id_key "
        "unique (connection_id, external_id)",
    ),
    (
        "alter table sync_history drop constraint sync_history_sync_status_check",
        "sync_history_sync_status_check",
        "alter table sync_history add constraint sync_history_sync_status_check check "
        "(sync_status in ('running', 'success', 'failed', 'partial'))",
    ),
    ("drop view recent_activities", "recent_activities", ""),
    (
        "create or replace function cleanup_expired_password_tokens() returns void language sql as 'select'",
        "cleanup_expired_password_tokens leaves",
        "",
    ),
    (
        "create or replace function get_user_full_name(p_user_id {id}) returns text language sql stable "
        "set search_path = '' as 'select coalesce(first_name, email) from public.users where id = p_user_id'",
        "get_user_full_name",
        "",
    ),
    (
        "create or replace function is_token_expired(p_connection_id {id}) returns boolean language sql stable "
        "set search_path = '' as 'select coalesce(token_expires_at, ''-infinity'') <= now() from "
        "public.provider_connections c where c.id = p_connection_id'",
        "is_token_expired",
        "",
    ),
    ("drop trigger update_provider_connections_updated_at on provider_connections", "update_provider_connections", ""),
]
OPENED = [
    ("grant select on provider_connections to authenticated", "authenticated reads provider_connections."),
    ("grant select (access_token) on strava_connections to anon", "anon reads strava_connections.access_token"),
    ("grant select on users to authenticated", "authenticated reads users.password_hash"),
    ("alter table sync_history disable row level security", "without row level security"),
]


def switched(database: Database, folder: Path, generation: str) -> Stage:
    stage = written(database, folder, generation, 60)
    stage.apply()
    stage.switch()
    stage.verify()
    return stage


def failing(stage: Stage) -> str:
    """All that `verify` says is wrong."""
    result = stage.engine().verify(stage.name)
    assert not result.passed
    return "\n".join(f"{probe.title}: {probe.details}" for probe in result.probes if not probe.passed)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_verify_says_what_is_broken(database: Database, tmp_path: Path, generation: str) -> None:
    stage = switched(database, tmp_path, generation)
    for broken, said, right in BROKEN:
        load(database, broken.format(id=generation))
        assert said in failing(stage), broken
        if right:
            load(database, right)
            stage.verify()


def test_verify_says_what_is_open(database: Database, tmp_path: Path) -> None:
    for (place,) in prepared("beside a Supabase", database):
        stage = switched(place, tmp_path, "uuid")
        for opened, said in OPENED:
            load(place, opened)
            assert said in failing(stage), opened
            load(place, "revoke all on provider_connections, strava_connections, users from anon, authenticated")


def test_verify_says_which_table_is_gone(database: Database, tmp_path: Path) -> None:
    stage = switched(database, tmp_path, "integer")
    load(database, "drop table oauth_states")
    with pytest.raises(EcluseError, match="oauth_states"):
        stage.verify()


@pytest.mark.parametrize("what", ["delete from {}", "update {} set user_id = (select min(id) from users)"])
def test_a_connection_that_is_missing_or_another_users_is_never_switched(
    database: Database, tmp_path: Path, what: str
) -> None:
    """Whoever writes to the tables that are built beside; the counts and the proof are asked before the commit."""
    stage = written(database, tmp_path, "integer", 60)
    stage.apply()
    table = "ecluse_next_multi_provider.provider_connections"
    load(database, f"{what.format(table)} where id = (select max(id) from {table})")
    assert not stage.engine().verify(stage.name).passed
    with pytest.raises(EcluseError, match="proof"):
        stage.switch()
    assert of(database, "select to_regclass('public.provider_connections')") == [(None,)]
    stage.rollback()


def test_the_counts_of_the_guide_are_asked_within_the_switch(database: Database, tmp_path: Path) -> None:
    stage = written(database, tmp_path, "integer", 60)
    stage.apply()
    table = "ecluse_next_multi_provider.provider_connections"
    load(database, f"delete from {table} where id = (select max(id) from {table})")
    with pytest.raises((EcluseError, psycopg.Error)) as caught:
        stage.switch()
    assert "connections of before are" in f"{caught.value} {getattr(caught.value, 'details', '')}"
    assert of(database, "select to_regclass('public.provider_connections')") == [(None,)]


# --- a seventh provider -------------------------------------------------------------------------------

SUUNTO = 'name = "suunto"\n\n[[operation]]\nkind = "extend_enum"\nname = "public.provider_type"\nlabels = ["suunto"]\n'


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_seventh_provider_is_a_label_and_a_row(database: Database, tmp_path: Path, generation: str) -> None:
    switched(database, tmp_path, generation).finish(tmp_path / "archive")
    file = tmp_path / "suunto" / "migration.toml"
    file.parent.mkdir()
    file.write_text(SUUNTO)
    stage = Stage(database, file)
    stage.apply()
    stage.switch()
    load(
        database,
        "insert into provider_connections (user_id, provider, provider_user_id, access_token) "
        f"values ({Words.user(12)}, 'suunto', 's-1', 'no-real-token')",
    )
    stage.verify()
    shown = "select connected_providers::text from user_connections_summary where email = 'athlete12@example.com'"
    assert of(database, shown) == [("{suunto}",)]
    with pytest.raises(WrongState, match="take 'suunto' off enum") as caught:
        stage.rollback()
    assert caught.value.details == "1 rows of public.provider_connections have 'suunto' in provider"
    assert of(database, shown) == [("{suunto}",)]
    load(database, "delete from provider_connections where provider = 'suunto'")
    stage.rollback()
    labels = "select enum_range(null::provider_type)::text"
    assert of(database, labels) == [("{strava,garmin,polar,coros,wahoo,fitbit}",)]
    assert of(database, shown) == [(None,)]
