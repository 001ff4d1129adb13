"""Random small worlds, there and back and there again: nobody's activity ever becomes another's.

Each world is drawn from its number. What the migration must make of it is told by a few lines of Python.
"""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.harness import FULL, Stage, load
from tests.recipes.providers import CROSSED, sample, write
from tests.recipes.two import of

WORLDS = range(120 if FULL else 12)
KEPT = "ecluse_kept_multi_provider"
NOW = "timestamp '2025-11-01'"
Row = tuple[Any, ...]


@dataclass
class World:
    """A database and the chance that changes it."""

    database: Database
    chance: random.Random
    ids: int = 1000
    log: list[str] = field(default_factory=list)

    def next(self) -> int:
        self.ids += 1
        return self.ids

    def pick(self, table: str) -> Any:
        """A row's id, by chance; None where there is none."""
        rows = of(self.database, f"select id from {table} order by id")
        return self.chance.choice(rows)[0] if rows else None

    def change(self, *kinds: str, times: int) -> None:
        """Do some of the named things, as the application does them; what the server refuses has not happened."""
        for _ in range(times):
            statement = getattr(self, self.chance.choice(kinds))()
            with (
                psycopg.connect(self.database.conninfo, autocommit=True) as conn,
                contextlib.suppress(psycopg.errors.UniqueViolation),
            ):
                conn.execute(statement.encode())
                self.log.append(statement)

    def comes(self) -> str:
        number = self.next()
        key = "default" if isinstance(self.pick("users"), int) else f"md5('{number}')::uuid"
        return f"insert into users (id, email, password_hash) values ({key}, 'u{number}@example.com', 'x')"

    def leaves(self) -> str:
        return f"delete from users where id = '{self.pick('users')}'"

    def connects(self) -> str:
        """To one of a few athletes, so that some are shared, at one of a few moments."""
        athlete, at = self.chance.randrange(8), self.chance.randrange(4)
        return (
            "insert into strava_connections (user_id, strava_athlete_id, access_token, refresh_token, "
            f"token_expires_at, created_at) values ('{self.pick('users')}', {athlete}, 'no-real-a', 'no-real-r', "
            f"{NOW}, {NOW} + {at} * interval '1 day')"
        )

    def disconnects(self) -> str:
        return (
            f"delete from strava_connections where id = '{self.pick('strava_connections') or 0}'"
            if self.pick("strava_connections")
            else "select"
        )

    def moves(self) -> str:
        """A connection becomes another user's, or another athlete's."""
        if (id_ := self.pick("strava_connections")) is None:
            return "select"
        if self.chance.random() < 0.5:
            return f"update strava_connections set user_id = '{self.pick('users')}' where id = '{id_}'"
        return f"update strava_connections set strava_athlete_id = {self.chance.randrange(8)} where id = '{id_}'"

    def does(self) -> str:
        """An activity, of which some are there twice and some have no number."""
        told = self.chance.choice(["null", *range(12)])
        return (
            "insert into activities (id, user_id, strava_activity_id, name, activity_type, start_date, created_at) "
            f"values ({self.next()}, '{self.pick('users')}', {told}, 'n', 'Ride', {NOW}, {NOW})"
        )

    def deletes(self) -> str:
        return f"delete from activities where id = {self.pick('activities') or 0}"

    def does_anew(self) -> str:
        """An activity of the new shape, of a connection of its user, or of none."""
        return (
            "insert into activities (id, user_id, connection_id, external_id, name, activity_type, start_date) "
            f"select {self.next()}, c.user_id, c.id, '{self.next()}', 'n', 'ride', {NOW} from provider_connections c "
            f"order by md5(c.id::text || {self.next()}) limit 1"
        )

    def connects_anew(self) -> str:
        provider = self.chance.choice(["strava", "garmin", "polar"])
        return (
            "insert into provider_connections (user_id, provider, provider_user_id, access_token) values "
            f"('{self.pick('users')}', '{provider}', '{self.next()}', 'no-real-a') on conflict do nothing"
            if provider != "strava"
            else "insert into provider_connections (user_id, provider, provider_user_id, access_token, refresh_token, "
            f"token_expires_at) values ('{self.pick('users')}', 'strava', '{self.next()}', 'no-real-a', 'no-real-r', "
            f"{NOW}) on conflict do nothing"
        )

    def disconnects_anew(self) -> str:
        id_ = self.pick("provider_connections")
        return f"delete from provider_connections where id = '{id_}'" if id_ else "select"


BEFORE = (
    "comes",
    "leaves",
    "connects",
    "connects",
    "connects",
    "disconnects",
    "moves",
    "does",
    "does",
    "does",
    "deletes",
)
SINCE = ("comes", "leaves", "connects_anew", "disconnects_anew", "does_anew", "does_anew", "deletes", "connects")


# --- what must become of it ---------------------------------------------------------------------------


def staying(connections: list[Row]) -> set[Any]:
    """The connections that are the first of their user and the first of their athlete."""
    firsts: dict[tuple[str, Any], Any] = {}
    for id_, user, athlete, _ in sorted(connections, key=lambda row: (row[3], row[0])):
        firsts.setdefault(("user", user), id_)
        firsts.setdefault(("athlete", athlete), id_)
    return {i for i, user, athlete, _ in connections if firsts["user", user] == i == firsts["athlete", athlete]}


def links(connections: list[Row], activities: list[Row]) -> dict[Any, Any]:
    """What each activity that stays is linked to."""
    stays, athletes, one = staying(connections), defaultdict(set), {}
    for id_, user, athlete, _ in connections:
        athletes[user].add(athlete)
        if id_ in stays:
            one[user] = id_
    found, seen = {}, set()
    for id_, user, told, _ in sorted(activities, key=lambda row: (row[3], row[0])):
        if told is None:
            found[id_] = None
        elif (user, told) not in seen:
            seen.add((user, told))
            found[id_] = one.get(user) if len(athletes[user]) == 1 else None
    return found


def is_right(database: Database) -> None:
    """Compare the new shape with the old one, which is kept as it was at the switch."""
    connections = of(database, f"select id, user_id, strava_athlete_id, created_at from {KEPT}.strava_connections")
    activities = of(database, f"select id, user_id, strava_activity_id, created_at from {KEPT}.activities")
    owners = {row[0]: row[1] for row in activities}
    expected = links(connections, activities)
    made = of(database, "select id, user_id, connection_id from activities")
    assert {id_: link for id_, _, link in made} == expected
    assert {id_: owner for id_, owner, _ in made} == {id_: owners[id_] for id_ in expected}
    held = (
        "select count(*) from ecluse.quarantine where state = 'held' and source = 'public.{}' "
        "and run = (select max(id) from ecluse.run)"
    )
    assert of(database, held.format("activities")) == [(len(activities) - len(made),)]
    kept = of(database, "select id, user_id from provider_connections where provider = 'strava'")
    assert {row[0] for row in kept} == staying(connections)
    assert {row[0]: row[1] for row in kept}.items() <= {row[0]: row[1] for row in connections}.items()
    assert of(database, held.format("strava_connections")) == [(len(connections) - len(kept),)]
    assert of(database, CROSSED) == [(0,)]


def owners(database: Database) -> dict[Any, Any]:
    return dict(of(database, "select id, user_id from activities"))


def goes_back(world: World, stage: Stage) -> None:
    """New writes, and home: all activities are whose they were, but for those of other providers, which are parked."""
    world.change(*SINCE, times=12)
    now = owners(world.database)
    run = of(world.database, "select max(id) from ecluse.run")[0][0]
    held = "select (row ->> 'id')::integer from ecluse.quarantine where state = 'held' and source = 'public.activities'"
    behind = {row[0] for row in of(world.database, f"{held} and run = {run}")}
    was = dict(of(world.database, f"select id, user_id from {KEPT}.activities"))
    stage.rollback()
    home = owners(world.database)
    parked = of(
        world.database,
        "select (row ->> 'id')::integer, row ->> 'connection_id', row ->> 'external_id' from "
        f"ecluse.parked where source = 'public.activities' and run = {run}",
    )
    assert {id_: now[id_] for id_ in home if id_ in now} == {id_: home[id_] for id_ in home if id_ in now}
    gone = {str(row[0]) for row in of(world.database, "select id from users")}
    assert {id_ for id_ in behind if str(was[id_]) in gone} <= home.keys()
    assert set(now) - set(home) == {row[0] for row in parked if row[0] not in home}


def sweeps(world: World) -> None:
    """Take away what waited in quarantine while its user left: the next plan would refuse it."""
    for table in ("strava_connections", "activities"):
        load(world.database, f"delete from {table} t where not exists (select from users u where u.id = t.user_id)")


@pytest.mark.parametrize("seed", WORLDS)
def test_no_activity_ever_changes_its_owner(database: Database, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    sample(database, chance.choice(["integer", "uuid"]), 0)
    world = World(database, chance)
    world.change(*BEFORE, times=40)
    for cycle in range(2):
        stage = write(database, tmp_path / str(cycle))
        if chance.random() < 0.3:  # given up once, before the switch
            stage.apply()
            world.change(*BEFORE, times=5)
            stage.rollback()
        assert stage.apply() == "ready"
        world.change(*BEFORE, times=12)
        stage.switch()
        is_right(database)
        stage.verify()
        if cycle == 0:
            goes_back(world, stage)
            sweeps(world)
            world.change(*BEFORE, times=15)
