"""The SQL of the recipe `multi_provider` on real servers: functions, views and rights, and the probes that try them.

The promised shape is made by its script and filled by hand; then each thing is broken, and the probe must say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.recipes.multi_provider import sample
from ecluse.recipes.multi_provider.shape import shape
from ecluse.recipes.multi_provider.write import write
from ecluse.supabase.prepare import prepare
from tests.harness import load, same_structure
from tests.recipes.two import of
from tests.supabase.conftest import ask, drop_roles

GENERATIONS = ("integer", "uuid")
UNKNOWN = {"integer": "-5", "uuid": "'00000000-0000-4000-8000-000000000000'"}


@dataclass
class Made:
    """A database of the promised shape with a few rows, and the files of the migration that would have made it."""

    database: Database
    files: dict[str, str]
    generation: str
    ids: dict[str, str]  # of users by their names, and of connections as 'c1' and 'c2'

    def probe(self, name: str, broken: str = "") -> None:
        """Run a probe as the engine does, after something was broken; all is rolled back."""
        with psycopg.connect(self.database.conninfo, autocommit=True) as conn, conn.transaction(force_rollback=True):
            if broken:
                conn.execute(broken.encode())
            conn.execute(self.files[f"define/{name}_probe.sql"].encode())


def legacy(database: Database, generation: str) -> Catalog:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        sample.load({"app": conn}, generation, 0, 1)
        return read_catalog(conn)


def build(old: Database, new: Database, generation: str) -> Made:
    before = legacy(old, generation)
    with psycopg.connect(new.conninfo, autocommit=True) as conn:
        conn.execute(shape(before).encode())
        ids = fill(conn)
    return Made(new, write(before, "app"), generation, ids)


def fill(conn: psycopg.Connection[tuple[object, ...]]) -> dict[str, str]:
    """Two users with a connection each, one of them with two activities; and two users without names."""
    ids = {}
    for number, (first, last) in enumerate((("Ada", "Roy"), (" Li ", None), ("", " "), (None, None))):
        conn.execute(
            "insert into users (email, password_hash, first_name, last_name) values (%s, '', %s, %s)",
            (f"user{number}@example.com", first, last),
        )
        row = conn.execute("select id::text from users where email = %s", (f"user{number}@example.com",)).fetchone()
        assert row
        ids[f"u{number}"] = str(row[0])
    for number in (0, 1):
        row = conn.execute(
            "insert into provider_connections (user_id, provider, provider_user_id, access_token, token_expires_at) "
            "select id, 'strava', %s, 'no-real-token', now() at time zone 'UTC' from users where email = %s "
            "returning id::text",
            (str(number), f"user{number}@example.com"),
        ).fetchone()
        assert row
        ids[f"c{number}"] = str(row[0])
    conn.execute(
        "insert into activities (user_id, name, activity_type, start_date, connection_id, external_id) "
        "select u.id, n, 'run', now(), c.id, x from users u left join provider_connections c on c.user_id = u.id "
        "join (values (0, 'a', '1'), (0, 'b', '2'), (1, 'c', '1'), (3, 'd', null)) v (who, n, x) "
        "on u.email = 'user' || who || '@example.com'"
    )
    return ids


@pytest.fixture(params=GENERATIONS)
def plain(request: pytest.FixtureRequest, fresh_database: Callable[[], Database]) -> Made:
    return build(fresh_database(), fresh_database(), request.param)


@pytest.fixture(params=GENERATIONS)
def guarded(request: pytest.FixtureRequest, fresh_database: Callable[[], Database]) -> Iterator[Made]:
    old, new = fresh_database(), fresh_database()
    prepare(old)
    yield build(old, new, request.param)
    load(new, "drop owned by anon, authenticated, service_role cascade")
    drop_roles(old)


def test_names_are_of_people(plain: Made) -> None:
    query = "select get_user_full_name(id) from users order by email"
    assert of(plain.database, query) == [("Ada Roy",), ("Li",), ("Unknown User",), ("Unknown User",)]
    assert of(plain.database, f"select get_user_full_name({UNKNOWN[plain.generation]})") == [("Unknown User",)]


def test_a_token_is_expired_or_not_or_unknown(plain: Made) -> None:
    load(plain.database, f"update provider_connections set token_expires_at = null where id = '{plain.ids['c1']}'")
    query = "select is_token_expired(id) from provider_connections order by provider_user_id"
    assert of(plain.database, query) == [(True,), (False,)]
    load(plain.database, "update provider_connections set token_expires_at = now() at time zone 'UTC' + '1 hour'")
    assert of(plain.database, query) == [(False,), (False,)]
    assert of(plain.database, f"select is_token_expired({UNKNOWN[plain.generation]})") == [(None,)]


def test_the_zone_of_a_session_makes_no_difference(plain: Made) -> None:
    load(plain.database, "update provider_connections set token_expires_at = now() at time zone 'UTC' + '1 hour'")
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        found = ask(
            plain.database, f"set local timezone = '{zone}'", "select is_token_expired(id) from provider_connections"
        )
        assert found == [(False,), (False,)]


def test_only_good_links_stay(plain: Made) -> None:
    user = plain.ids["u0"]
    made = (
        "insert into password_reset_tokens (user_id, token, expires_at, is_used) "
        f"select '{user}', token, now() + hours * interval '1 hour', used from (values ('a', 9, false), "
        "('b', 9, true), ('c', -9, false), ('d', 9, null)) v (token, hours, used)"
    )
    kept = ask(
        plain.database,
        made,
        "select cleanup_expired_password_tokens()",
        "select string_agg(token, '' order by token) from password_reset_tokens",
    )
    assert kept == [("ad",)]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_is_promised_is_the_same_once_it_is_done(fresh_database: Callable[[], Database], generation: str) -> None:
    made = build(fresh_database(), fresh_database(), generation)
    load(made.database, "alter type provider_type add value 'suunto'")
    with psycopg.connect(made.database.conninfo) as conn:
        done = read_catalog(conn)
    with pytest.raises(UnknownGeneration, match="migrated already"):
        write(done, "app")
    again = fresh_database()
    load(again, shape(done))
    with psycopg.connect(again.conninfo) as conn:
        same_structure(read_catalog(conn), done)


@pytest.mark.parametrize("probe", ["functions", "views", "links"])
def test_the_probes_pass_where_all_is_well(plain: Made, probe: str) -> None:
    plain.probe(probe)
    load(plain.database, "truncate users cascade")
    plain.probe(probe)


@pytest.mark.parametrize("probe", ["functions", "views", "links", "rights"])
def test_the_probes_pass_beside_a_supabase(guarded: Made, probe: str) -> None:
    guarded.probe(probe)


BROKEN = {
    "functions": {
        "create or replace function get_user_full_name(p_user_id {user}) returns text language sql as "
        "'select coalesce(first_name, '''') from public.users where id = p_user_id'": "who is not there",
        "create or replace function is_token_expired(p_connection_id {user}) returns boolean language sql as "
        "'select coalesce(bool_or(token_expires_at < now()), true) from public.provider_connections'": "not there: t",
        "create or replace function cleanup_expired_password_tokens() returns void language sql as ''; "
        "insert into password_reset_tokens (user_id, token, expires_at) select id, 'x', now() - interval '1 year' "
        "from users limit 1": "leaves 1 of 0 tokens",
    },
    "views": {
        "create or replace view user_connections_summary as select id as user_id, email, first_name, last_name, role, "
        "1::bigint as total_connections, 1::bigint as active_connections, array['strava'::provider_type] as "
        "connected_providers from users": "does not count the connections",
        "alter view recent_activities rename column provider to name_of_provider": "recent_activities has the columns",
        "drop view recent_activities": '"public.recent_activities" does not exist',
    },
    "links": {
        "update activities set connection_id = '{c1}' where name = 'b'": "1 activities are linked to a connection of",
        "alter table activities drop constraint activities_connection_id_external_id_key": "may hold one activity",
        "alter table sync_history drop constraint sync_history_sync_status_check": "foreign key",
        "alter table sync_history drop constraint sync_history_connection_id_fkey": "a connection that is not there",
        "create schema ecluse_kept_multi_provider; set search_path = ecluse_kept_multi_provider, public; "
        "create table activities as select id, user_id, 1 as strava_activity_id from public.activities; "
        "create table strava_connections as select id, user_id from provider_connections; reset search_path; "
        "update activities set connection_id = null where name = 'b'": "1 activities came by a connection",
    },
}


@pytest.mark.parametrize(("probe", "broken"), [(probe, broken) for probe, each in BROKEN.items() for broken in each])
def test_a_probe_says_what_is_broken(plain: Made, probe: str, broken: str) -> None:
    types = {"user": plain.generation, **plain.ids}
    with pytest.raises(psycopg.Error) as caught:
        plain.probe(probe, broken.format(**types))
    assert BROKEN[probe][broken] in (caught.value.diag.message_primary or "")


OPENED = {
    "grant select on provider_connections to authenticated": "authenticated reads provider_connections.",
    "grant select (refresh_token) on provider_connections to anon": "anon reads provider_connections.refresh_token",
    "grant select on password_reset_tokens to public": "reads password_reset_tokens.token",
    "grant select on users to authenticated": "authenticated reads users.password_hash",
    "create view strava_connections as select access_token from provider_connections; "
    "grant select on strava_connections to anon": "anon reads strava_connections.access_token",
    "alter table sync_history disable row level security": "without row level security",
    "create policy every on provider_connections for select to authenticated using (true)": "1 connections sees 2",
    "create policy every on activities for select to authenticated using (true)": "the activities of others",
}


@pytest.mark.parametrize("opened", OPENED)
def test_a_probe_says_what_is_open(guarded: Made, opened: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        guarded.probe("rights", opened)
    assert OPENED[opened] in (caught.value.diag.message_primary or "")


@pytest.mark.parametrize("sub", ["u0", "1", "stranger@example.com", ""])
def test_people_see_their_own_rows(guarded: Made, sub: str) -> None:
    """And a token of another kind of user sees nothing, instead of failing."""
    if guarded.generation == "uuid" and not sub.startswith("u"):
        return  # auth.uid() is the server's own, and takes UUIDs only
    with open_session(guarded.database, role="test") as conn:
        by_views = conn.info.server_version >= 150000  # before, views are read with their owner's rights: services only
    claim = guarded.ids.get(sub, "77" if sub == "1" else sub)
    seen = ask(
        guarded.database,
        f"select set_config('request.jwt.claims', '{{\"sub\": \"{claim}\"}}', true)",
        "set local role authenticated",
        "select (select count(id) from provider_connections), (select count(id) from activities), "
        "(select count(id) from users)"
        + (", (select count(*) from recent_activities), (select count(*) from user_connections_summary)" * by_views),
    )
    mine = (1, 2, 1, 2, 1) if sub == "u0" else (0, 0, 0, 0, 0)
    assert seen == [mine if by_views else mine[:3]]


# --- the new tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ("default, null, default, default", True),
        ("'running', now(), default, default", False),
        ("'success', null, default, default", False),
        ("'success', now() + interval '1 minute', 3, 1", True),
        ("'partial', now() - interval '1 year', default, default", False),
        ("'failed', null, default, default", True),
        ("'failed', now() + interval '1 minute', default, default", True),
        ("'done', now() + interval '1 minute', default, default", False),
        ("'success', now() + interval '1 minute', -1, default", False),
    ],
)
def test_the_history_of_fetches_is_truthful(plain: Made, values: str, taken: bool) -> None:
    said = (
        "insert into sync_history "
        "(connection_id, sync_status, sync_completed_at, activities_fetched, activities_created) "
        f"values ('{plain.ids['c0']}', {values}) returning activities_skipped"
    )
    if taken:
        assert ask(plain.database, "set local timezone = 'UTC'", said) == [(0,)]
        return
    with pytest.raises(psycopg.errors.CheckViolation):
        ask(plain.database, "set local timezone = 'UTC'", said)


def test_a_state_is_one_users_for_a_while(plain: Made) -> None:
    made = "insert into oauth_states (state, user_id, provider, expires_at) values ('s', {user}, 'garmin', {until})"
    user = f"'{plain.ids['u0']}'"
    soon, before = "now() at time zone 'UTC' + '10 minutes'", "now() at time zone 'UTC' - interval '1 minute'"
    load(plain.database, made.format(user=user, until=soon))
    with pytest.raises(psycopg.errors.UniqueViolation):
        load(plain.database, made.format(user=user, until=soon))
    for values, error in (
        ({"user": "null", "until": soon}, psycopg.errors.NotNullViolation),
        ({"user": user, "until": before}, psycopg.errors.CheckViolation),
        ({"user": UNKNOWN[plain.generation], "until": soon}, psycopg.errors.ForeignKeyViolation),
    ):
        with pytest.raises(error):
            load(plain.database, made.replace("'s'", "'t'").format(**values))
