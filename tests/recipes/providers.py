"""The sample of one provider, the recipe written for it, and what the applications of before and of after write.

The clock of the sample's trigger stands still, so that what was written can be written again elsewhere and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from ecluse.planning.expectation import EXTRA, comparable, compare
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database
from ecluse.postgres.expected import expected_of
from ecluse.recipes.registry import RECIPES, Choices
from ecluse.supabase.prepare import prepare
from tests.harness import FULL, Stage
from tests.supabase.conftest import drop_roles

RECIPE = RECIPES["multi_provider"]
GENERATIONS = ("integer", "uuid")
NOW = "timestamp '2025-11-01 10:00'"
STILL = (
    "create or replace function update_updated_at_column() returns trigger language plpgsql as "
    "$$ begin new.updated_at = timestamp '2025-12-12'; return new; end $$;"
)
CROSSED = (
    "select count(*) from activities a join provider_connections c on c.id = a.connection_id "
    "where c.user_id <> a.user_id"
)


def sample(database: Database, generation: str, rows: int, change: str = "") -> None:
    """The old application's database."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        RECIPE.load({"app": conn}, generation, rows, 1)
        conn.execute((STILL + change).encode())


def write(database: Database, folder: Path) -> Stage:
    """The migration that the recipe writes for the database as it is."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        files = RECIPE.write({"app": read_catalog(conn)}, {"app": conn}, Choices())
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return Stage(database, folder / "multi_provider" / "migration.toml")


def written(database: Database, folder: Path, generation: str, rows: int, change: str = "") -> Stage:
    """Both."""
    sample(database, generation, rows, change)
    return write(database, folder)


def edit(stage: Stage, *changes: tuple[str, str]) -> None:
    """Say other words in the migration."""
    text = stage.file.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    stage.file.write_text(text)


def differences(database: Database, folder: Path) -> list[str]:
    """In what the database differs from the shape that is promised to it."""
    with psycopg.connect(database.conninfo) as conn:
        actual = read_catalog(conn)
    expected = expected_of(RECIPE.shape(actual), "recipe", actual, folder)
    return [str(f) for f in compare(comparable(expected), comparable(actual)) if f.state != EXTRA]


def prepared(kind: str, *databases: Database) -> Iterator[tuple[Database, ...]]:
    """The databases, alone or each beside the accounts of a Supabase."""
    if kind == "alone":
        yield databases
        return
    for each in databases:
        prepare(each)
    yield databases
    for each in databases[1:]:
        with psycopg.connect(each.conninfo, autocommit=True) as conn:
            for (role,) in conn.execute("select rolname from pg_roles where rolname ~ '^(anon|authenticat|s.*_)'"):
                conn.execute(f"drop owned by {role} cascade".encode())
    drop_roles(databases[0])


# --- what applications write ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """The lines of writers, for one kind of ids. `{n}` is the number of the round."""

    generation: str

    def id(self, word: str) -> str:
        """An id that is known beforehand, other ones for each word."""
        if self.generation == "uuid":
            return f"md5('{word}{{n}}')::uuid"
        return str(sum(map(ord, word)) * 10_000) + " + {n}"

    @staticmethod
    def user(who: int) -> str:
        """A user of the sample."""
        return f"(select id from users where email = 'athlete{who}@example.com')"

    def signs_up(self, word: str, role: str = "Coach") -> str:
        """A user who is new."""
        return (
            "insert into users (id, email, password_hash, first_name, role, created_at, updated_at) values "
            f"({self.id(word)}, '{word}{{n}}@example.com', 'not-a-hash', 'New', '{role}', {NOW}, {NOW})"
        )

    def connects(self, connection: str, user: str, athlete: str, at: str = NOW) -> str:
        """A connection of the old shape, or through the view of its name."""
        return (
            "insert into strava_connections (id, user_id, strava_athlete_id, strava_firstname, access_token, "
            f"refresh_token, token_expires_at, created_at, updated_at) select {self.id(connection)}, u.id, {athlete}, "
            f"'Prénom', 'no-real-token-{{n}}', 'no-real-refresh-{{n}}', {at}, {at}, {at} "
            f"from users u where u.id = {self.id(user)}"
        )

    def connected(self, connection: str, user: str, provider: str, account: str, profile: str = "{}") -> str:
        """A connection of the new shape. Only Strava has a refresh token and an expiry."""
        more = "'no-real-refresh-{n}', " + NOW if provider == "strava" else "null, null"
        return (
            "insert into provider_connections (id, user_id, provider, provider_user_id, provider_profile, "
            "access_token, refresh_token, token_expires_at, created_at, updated_at) select "
            f"{self.id(connection)}, u.id, '{provider}', {account}, '{profile}', 'no-real-token-{{n}}', {more}, "
            f"{NOW}, {NOW} from users u where u.id = {self.id(user)}"
        )

    @staticmethod
    def did(activity: str, user: str, told: str, kind: str = "GravelRide", at: str = NOW) -> str:
        """An activity of the old shape; `told` is the provider's id or null."""
        return (
            "insert into activities (id, user_id, strava_activity_id, name, activity_type, start_date, created_at, "
            f"updated_at) select {activity}, u.id, {told}, 'Sortie {{n}}', '{kind}', {NOW}, {at}, {at} "
            f"from users u where u.id = {user}"
        )

    @staticmethod
    def done(activity: str, user: str, connection: str, told: str, kind: str = "ride", raw: str = "null") -> str:
        """An activity of the new shape, of a connection that is still there."""
        of = "null" if connection == "null" else f"(select id from provider_connections where id = {connection})"
        return (
            "insert into activities (id, user_id, connection_id, external_id, name, activity_type, sport_type, "
            f"start_date, created_at, updated_at) select {activity}, u.id, {of}, {told}, 'Sortie {{n}}', '{kind}', "
            f"{raw}, {NOW}, {NOW}, {NOW} from users u where u.id = {user}"
        )

    def old(self) -> list[str]:
        """The application of before: people come and go, connect and disconnect, and rows are there twice."""
        new, later = self.id("new"), "timestamp '2025-11-02 10:00'"
        return [
            self.signs_up("new"),
            self.did("1000000 + {n}", new, "7000000 + {n}"),  # before there is a connection
            self.connects("own", "new", "5000000 + {n}"),
            self.did("2000000 + {n}", new, "7000000 + {n}", "Run", later),  # the same once more
            "delete from activities where id = 1000000 + {n} and {n} % 3 = 0",  # the first goes, the second is it now
            "delete from activities where id = 2000000 + {n} and {n} % 3 = 1",
            self.signs_up("other", "athlete"),
            self.connects("shared", "other", "5000000 + {n}", later),  # the same athlete
            self.did("3000000 + {n}", self.id("other"), "7000000 + {n}"),
            self.connects("second", "new", "6000000 + {n}", later),  # another athlete of the same user
            f"delete from strava_connections where id = {self.id('own')} and {{n}} % 5 = 0",
            f"delete from strava_connections where id = {self.id('second')} and {{n}} % 2 = 0",
            f"delete from users where id = {new} and {{n}} % 7 = 0",
            "update strava_connections set access_token = 'no-real-fresh-{n}', token_expires_at = "
            f"{NOW} + {{n}} * interval '1 hour' where user_id = {self.user(13)}",
            "update activities set name = 'Edited {n}', activity_type = 'Sport {n}' where id in (9, 13, 21)",
            self.did("4000000 + {n}", self.user(1), "null", "Yoga"),
            "insert into workouts (id, user_id, name, workout_type, activity_id, created_at, updated_at) select "
            f"{self.id('plan')}, {self.user(3)}, 'Plan {{n}}', 'Run', (select id from activities where id = "
            f"1000000 + {{n}}), {NOW}, {NOW}",
            "insert into password_reset_tokens (id, user_id, token, expires_at, created_at, updated_at) values "
            f"({self.id('reset')}, {self.user(4)}, 'no-real-reset-{{n}}', {NOW}, {NOW}, {NOW})",
            "update users set role = case {n} % 2 when 0 then 'ADMIN' else 'coach' end, last_name = 'N{n}' "
            f"where id = {self.user(7)}",
            f"delete from strava_connections where user_id = {self.user(9)} and {{n}} = 3",  # now the athlete is 10's
            f"update strava_connections set user_id = {self.user(12)} where strava_athlete_id = 900011 and {{n}} = 4",
        ]

    def new(self) -> list[tuple[str, str]]:
        """The application of after, each line with what it is in the old shape: `select` where that cannot hold it."""
        late, nothing = self.id("late"), "select"
        signs_up, signs_up_too = self.signs_up("late", "coach"), self.signs_up("view", "athlete")
        plan = (
            "insert into workouts (id, user_id, name, workout_type, activity_id, created_at, updated_at) select "
            f"{self.id('next')}, u.id, 'Plan {{n}}', 'ride', (select id from activities where id = 6000000 + {{n}}), "
            f"{NOW}, {NOW} from users u where u.id = {late}"
        )
        fresh = f"update strava_connections set access_token = 'no-real-new-{{n}}' where user_id = {self.user(13)}"
        viewed = self.connects("viewed", "view", "8500000 + {n}")
        there = f"from provider_connections where id = {self.id('strava')}"
        # What unlinks activities is an update, and their trigger notes when.
        unlinked = "update activities set id = id where id in (6000000 + {n}, 7000000 + {n}) and {n} % 3 = 0"
        leaves = f"where id = {self.id('strava')} and {{n}} % 3 = 0"
        edited = "update activities set name = 'Edited since {n}' where id = 13"
        gone = f"delete from users where id = {late} and {{n}} % 5 = 0"
        return [
            (signs_up, signs_up),
            (
                self.connected("strava", "late", "strava", "(8000000 + {n})::text", '{"firstname": "Prénom"}'),
                self.connects("strava", "late", "8000000 + {n}"),
            ),
            (self.connected("garmin", "late", "garmin", "(8000000 + {n})::text", '{"userId": "g{n}"}'), nothing),
            (self.connected("polar", "late", "polar", "'p{n}'"), nothing),
            (self.done("5000000 + {n}", late, self.id("garmin"), "(7700000 + {n})::text", "run"), nothing),
            (
                self.done("6000000 + {n}", late, self.id("strava"), "(7800000 + {n})::text", "ride", "'GravelRide'"),
                self.did("6000000 + {n}", late, "7800000 + {n}"),
            ),
            (
                self.done("7000000 + {n}", late, self.id("strava"), "(7900000 + {n})::text", "hike"),
                self.did("7000000 + {n}", late, "7900000 + {n}", "hike"),
            ),
            (self.done("8000000 + {n}", late, "null", "null", "yoga"), self.did("8000000 + {n}", late, "null", "yoga")),
            (
                "insert into sync_history (connection_id, sync_status, sync_completed_at, activities_fetched, "
                f"activities_created) select id, 'success', now() at time zone 'UTC' + interval '1 hour', 2, 2 {there}",
                nothing,
            ),
            (
                "insert into oauth_states (state, user_id, provider, expires_at) select 'no-real-state-{n}', u.id, "
                f"'wahoo', now() at time zone 'UTC' + interval '9 minutes' from users u where u.id = {late}",
                nothing,
            ),
            (plan, plan),
            (fresh, fresh),
            (signs_up_too, signs_up_too),
            (viewed, viewed),
            (f"delete from provider_connections {leaves}", f"delete from strava_connections {leaves}; {unlinked}"),
            (edited, edited),
            (gone, gone),
        ]


def leave_out_half(request: pytest.FixtureRequest) -> None:
    """Of the four combinations of ids and surroundings, try two in a reduced run: what they have in common is slow."""
    if not FULL and any(half in request.node.name for half in ("alone-uuid", "Supabase-integer")):
        pytest.skip("tried in a full run")
