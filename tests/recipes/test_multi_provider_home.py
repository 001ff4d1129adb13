"""What comes home from many providers to one: what the old shape cannot hold is parked, and stops nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.model.catalog import Column
from ecluse.model.names import literal
from ecluse.postgres.connect import Database
from ecluse.recipes.multi_provider.write import number
from tests.harness import Stage, load, same_rows, snapshot
from tests.recipes.providers import GENERATIONS, NOW, Words, written
from tests.recipes.two import of

FREE = "(select u.id from users u where not exists (select from provider_connections c where c.user_id = u.id) limit 1)"
# What Strava never is, and a mistake of the new application may be: columns of a connection to it.
IMPOSSIBLE = {
    "an athlete who is no number": "'zoe', 'no-real-r', " + NOW,
    "an athlete who is another's with noughts": "'00700011', 'no-real-r', " + NOW,
    "an athlete of too many digits": "'99999999999999999999', 'no-real-r', " + NOW,
    "no refresh token": "'77', null, " + NOW,
    "no expiry": "'77', 'no-real-r', null",
}
PARKED = "select source, row ->> 'access_token' from ecluse.parked order by 1"


def switched(database: Database, folder: Path, generation: str) -> Stage:
    stage = written(database, folder, generation, 60)
    stage.apply()
    stage.switch()
    return stage


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_a_connection_that_the_old_table_cannot_hold_is_parked(
    database: Database, tmp_path: Path, generation: str, what: str
) -> None:
    stage = written(database, tmp_path, generation, 60)
    before = snapshot(database)
    stage.apply()
    stage.switch()
    load(
        database,
        "insert into provider_connections (user_id, provider, access_token, provider_user_id, refresh_token, "
        f"token_expires_at) values ({FREE}, 'strava', 'no-real-new', {IMPOSSIBLE[what]})",
    )
    stage.verify()
    stage.rollback()
    assert of(database, PARKED) == [("public.provider_connections", "no-real-new")]
    same_rows(snapshot(database), before)


NUMBERS = {
    "smallint": [0, -1, 7, 9999, 12345, 32767, -32768],
    "integer": [0, -1, 700009, 2**31 - 1, -(2**31)],
    "bigint": [0, -1, 700009, 10**18, 2**63 - 1, -(2**63)],
}
NONE = ["", " 7", "7 ", "007", "+7", "-0", "1.0", "1e3", "zoe", "٣", "7\n8", "9" * 30, "-" + "9" * 30]


@pytest.mark.parametrize("type_", NUMBERS)
def test_a_text_is_a_number_where_it_is_the_text_of_one(database: Database, type_: str) -> None:
    greater = [str(NUMBERS[type_][-2] + 1), str(NUMBERS[type_][-1] - 1)]
    texts = [*map(str, NUMBERS[type_]), *NONE, *greater]
    rows = ", ".join(f"({literal(text)})" for text in texts)
    found = of(database, f"select {number('v.t', Column('c', type_))} from (values {rows}) v (t)")
    assert [row[0] for row in found] == [*NUMBERS[type_], *[None] * (len(NONE) + 2)]


def test_an_activity_whose_number_is_none_is_parked(database: Database, tmp_path: Path) -> None:
    stage = switched(database, tmp_path, "integer")
    load(
        database,
        "insert into activities (user_id, connection_id, external_id, name, activity_type, start_date) select "
        f"user_id, id, 'no-number', 'n', 'run', {NOW} from provider_connections limit 1",
    )
    stage.rollback()
    assert of(database, "select source, row ->> 'external_id' from ecluse.parked") == [
        ("public.activities", "no-number")
    ]


def test_numbers_go_on_after_the_highest(database: Database, tmp_path: Path) -> None:
    """In both directions, so that no connection gets a number that was another's."""
    stage = switched(database, tmp_path, "integer")
    [(highest,)] = of(database, "select max(id) from ecluse_kept_multi_provider.strava_connections")
    connect = (
        "insert into provider_connections (user_id, provider, provider_user_id, access_token, refresh_token, "
        f"token_expires_at) values ({FREE}, 'strava', '55', 'a', 'r', {NOW}) returning id"
    )
    assert of(database, connect) == [(highest + 1,)]
    stage.rollback()
    again = (
        "insert into strava_connections (user_id, strava_athlete_id, access_token, refresh_token, token_expires_at) "
        f"values ({Words.user(12)}, 56, 'a', 'r', {NOW}) returning id"
    )
    assert of(database, again) == [(highest + 2,)]


def test_what_users_said_of_themselves_since_is_parked_beside(database: Database, tmp_path: Path) -> None:
    """The row goes home without what has no column there, and is parked whole."""
    stage = switched(database, tmp_path, "integer")
    load(
        database,
        """update users set preferences = '{"units": "km"}', first_name = 'Zoé' where email = 'athlete3@example.com'""",
    )
    stage.rollback()
    home = "select first_name from users where email = 'athlete3@example.com'"
    assert of(database, home) == [("Zoé",)]
    assert of(database, "select source, (row ->> 'preferences')::jsonb ->> 'units' from ecluse.parked") == [
        ("public.users", "km")
    ]


def test_a_workout_of_an_activity_that_is_parked_is_parked(database: Database, tmp_path: Path) -> None:
    stage = switched(database, tmp_path, "integer")
    load(
        database,
        f"""insert into provider_connections (id, user_id, provider, provider_user_id, access_token)
        values (900, {FREE}, 'garmin', 'g', 'no-real-garmin');
        insert into activities (id, user_id, connection_id, external_id, name, activity_type, start_date)
        select 9000, user_id, 900, '1', 'n', 'run', {NOW} from provider_connections where id = 900;
        insert into workouts (id, user_id, name, activity_id)
        select 9000, user_id, 'w', 9000 from provider_connections where id = 900""",
    )
    stage.rollback()
    assert of(database, "select source from ecluse.parked order by 1") == [
        ("public.activities",),
        ("public.provider_connections",),
        ("public.workouts",),
    ]
    assert of(database, "select count(*) from workouts where id = 9000") == [(0,)]
