"""The sample of an application with one provider: what is planted is there, and the same each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.recipes.multi_provider import sample
from ecluse.recipes.multi_provider.activity_types import WORDS
from ecluse.recipes.multi_provider.recognise import ACTIVITY, ENUMS, recognise
from ecluse.supabase.prepare import prepare
from tests.harness import snapshot
from tests.recipes.two import of
from tests.supabase.conftest import drop_roles

GENERATIONS = ("integer", "uuid")
TOLD = "SELECT count(*) FROM activities WHERE strava_activity_id IS NOT NULL"
LINKS = "SELECT count(*) FROM password_reset_tokens"


def made(database: Database, generation: str = "integer", rows: int = 1000, seed: int = 1) -> Database:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        sample.load({"app": conn}, generation, rows, seed)
    return database


@pytest.fixture
def prepared(database: Database) -> Iterator[Database]:
    prepare(database)
    yield database
    drop_roles(database)


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("rows", [0, 40])
def test_each_server_takes_it(any_server_database: Database, generation: str, rows: int) -> None:
    made(any_server_database, generation, rows)
    assert of(any_server_database, "SELECT count(*), (SELECT count(*) FROM users) FROM activities") == [(rows, 16)]
    with psycopg.connect(any_server_database.conninfo) as conn:
        assert recognise(read_catalog(conn)).generation == generation


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_same_seed_gives_the_same_rows(fresh_database: Callable[[], Database], generation: str) -> None:
    one, same, other = (snapshot(made(fresh_database(), generation, 300, seed)) for seed in (1, 1, 2))
    assert one.rows == same.rows and one.sequences == same.sequences
    differing = {table for table in one.rows if one.rows[table] != other.rows[table]}
    assert {"public.activities", "public.users"} <= differing


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("rows", [40, 5000])
def test_every_trap_is_there(database: Database, generation: str, rows: int) -> None:
    made(database, generation, rows)
    traps = {
        "users without a name": "SELECT count(*) FROM users WHERE btrim(concat(first_name, last_name)) = ''",
        "roles in capitals": "SELECT count(*) FROM users WHERE role <> lower(role)",
        "an athlete of two users": "SELECT count(*) FROM (SELECT FROM strava_connections GROUP BY strava_athlete_id "
        "HAVING count(DISTINCT user_id) = 2) t",
        "a user of two athletes": "SELECT count(*) FROM (SELECT FROM strava_connections GROUP BY user_id "
        "HAVING count(*) = 2) t",
        "users without a connection": "SELECT count(*) FROM users u WHERE NOT EXISTS "
        "(SELECT FROM strava_connections c WHERE c.user_id = u.id)",
        "their activities of the provider": "SELECT count(*) FROM activities a WHERE strava_activity_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM strava_connections c WHERE c.user_id = a.user_id)",
        "manual activities": "SELECT count(*) FROM activities WHERE strava_activity_id IS NULL AND is_manual",
        "activities twice": "SELECT count(*) FROM (SELECT FROM activities WHERE strava_activity_id IS NOT NULL "
        "GROUP BY user_id, strava_activity_id HAVING count(*) = 2) t",
        "activities of two users": "SELECT count(*) FROM (SELECT FROM activities WHERE strava_activity_id IS NOT NULL "
        "GROUP BY strava_activity_id HAVING count(DISTINCT user_id) = 2) t",
        "no upload": f"{TOLD} AND strava_upload_id IS NULL",
        "profiles": "SELECT count(DISTINCT coalesce(strava_lastname, '-')) - 3 FROM strava_connections",
        "tokens used, not expired": f"{LINKS} WHERE is_used AND expires_at > now()",
        "tokens expired, not used": f"{LINKS} WHERE NOT is_used AND expires_at < now()",
        "good tokens": f"{LINKS} WHERE NOT is_used AND expires_at > now()",
    }
    assert {trap: of(database, query)[0][0] > 0 for trap, query in traps.items()} == dict.fromkeys(traps, True)
    types = {row[0] for row in of(database, "SELECT DISTINCT activity_type FROM activities")}
    known = {word.lower() for word in (*WORDS, *ENUMS[ACTIVITY])}
    assert {"Run", "TrailRun", "VirtualRide", "EBikeRide", "WeightTraining", "Yoga", "run", "RUNNING"} <= types
    assert {t for t in types if t.lower() not in known} == {"AlpineSki", "Rowing", "Parkour?", " Run "}


def test_no_activity_is_of_an_athlete_whom_its_user_is_not(database: Database) -> None:
    """But for the two who share one."""
    made(database, rows=5000)
    strangers = (
        "SELECT count(*) FROM activities a JOIN activities b USING (strava_activity_id) "
        "JOIN strava_connections c ON c.user_id = a.user_id JOIN strava_connections d ON d.user_id = b.user_id "
        "WHERE c.strava_athlete_id <> d.strava_athlete_id AND a.user_id <> b.user_id"
    )
    assert of(database, strangers) == [(0,)]


def test_the_next_row_gets_the_next_number(database: Database) -> None:
    made(database)
    for table in ("users", "strava_connections", "activities", "password_reset_tokens", "workouts"):
        assert of(database, f"SELECT max(id) = pg_sequence_last_value('{table}_id_seq') FROM {table}") == [(True,)]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_users_have_accounts_where_there_are_any(prepared: Database, generation: str) -> None:
    made(prepared, generation)
    [(accounts, same)] = of(
        prepared,
        "SELECT count(*), count(*) FILTER (WHERE a.id::text = u.id::text) FROM auth.users a "
        "JOIN public.users u ON u.email = a.email",
    )
    assert (accounts, same) == (16, 16 if generation == "uuid" else 0)
    assert of(prepared, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'role'")[0][0] > 1
