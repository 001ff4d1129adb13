"""What the script that this recipe replaces failed at, case by case: each works, or is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.engine.planner import make_plan
from ecluse.errors import PlanRefused, UnknownGeneration, WrongState
from ecluse.postgres.connect import Database
from ecluse.postgres.project import read_migration
from tests.harness import Stage, load
from tests.recipes.providers import CROSSED, Words, edit, prepared, sample, write, written
from tests.recipes.two import of

ROLE = (
    "select column_default, is_nullable, udt_name from information_schema.columns where table_schema = 'public' "
    "and table_name = 'users' and column_name = 'role'"
)
CONNECTED = "select count(*) from provider_connections where provider = 'strava'"


def switched(database: Database, folder: Path, change: str = "", *edits: tuple[str, str]) -> Stage:
    stage = written(database, folder, "integer", 60, change)
    edit(stage, *edits)
    stage.apply()
    stage.switch()
    stage.verify()
    return stage


# --- role -----------------------------------------------------------------------------------------


def test_a_role_with_a_default_keeps_it(database: Database, tmp_path: Path) -> None:
    switched(database, tmp_path)
    assert of(database, ROLE) == [("'athlete'::user_role", "NO", "user_role")]


def test_a_role_without_a_default_stays_required(database: Database, tmp_path: Path) -> None:
    switched(database, tmp_path, "alter table users alter role drop default")
    assert of(database, ROLE) == [(None, "NO", "user_role")]


def test_roles_that_the_enum_does_not_know_are_refused_with_their_numbers(database: Database, tmp_path: Path) -> None:
    change = "update users set role = case id % 2 when 0 then 'pro' else 'lab' end where id between 10 and 14"
    stage = written(database, tmp_path, "integer", 60, change)
    counted = "5 of 16 values of public.users.role do not fit and are refused"
    for show, words in ((False, "xxx"), (True, "pro")):  # values of rows are shown to who asks for them
        plan = make_plan(database, read_migration(stage.file), show_values=show)
        [told] = list(plan.refused)
        assert told.message.startswith(counted) and words in told.message
        assert "--show-values" in told.hint
    with pytest.raises(PlanRefused):
        stage.apply()
    assert of(database, "select to_regtype('user_role')") == [(None,)]


def test_roles_that_the_enum_does_not_know_may_be_told_and_kept(database: Database, tmp_path: Path) -> None:
    change = "update users set role = case id % 2 when 0 then 'pro' else 'lab' end where id between 10 and 14"
    stage = written(database, tmp_path, "integer", 60, change)
    edit(
        stage,
        (
            'to = "public.user_role"\n',
            'to = "public.user_role"\nvalues = { pro = "athlete", lab = "coach" }\nraw = "user_type"\n',
        ),
    )
    stage.apply()
    stage.switch()
    stage.verify()
    found = "select role::text, user_type, count(*) from users where id between 10 and 14 group by 1, 2 order by 1"
    assert of(database, found) == [("athlete", "pro", 3), ("coach", "lab", 2)]
    stage.rollback()
    assert of(database, "select count(*) from users where role in ('pro', 'lab')") == [(5,)]


# --- again, and beside a Supabase --------------------------------------------------------------------


@pytest.fixture(params=["alone", "beside a Supabase"])
def place(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    for (each,) in prepared(request.param, database):
        yield each


def test_the_second_run_says_that_nothing_is_to_be_done(place: Database, tmp_path: Path) -> None:
    """Also where another table, that of the accounts, has a column `role`."""
    stage = switched(place, tmp_path)
    with pytest.raises(UnknownGeneration, match="migrated already, nothing to do"):
        write(place, tmp_path / "again")
    stage.finish(tmp_path)
    with pytest.raises(UnknownGeneration, match="migrated already, nothing to do"):
        write(place, tmp_path / "again")


BY_HAND = """
create type provider_type as enum ('strava');
create table provider_connections (id serial primary key, user_id integer not null references users on delete cascade,
    provider provider_type not null, access_token text not null);
insert into provider_connections (user_id, provider, access_token)
    select user_id, 'strava', access_token from strava_connections order by id;
alter table activities add connection_id integer references provider_connections on delete set null;
update activities a set connection_id = p.id from provider_connections p where p.user_id = a.user_id;
create table sync_history (id serial primary key, connection_id integer references provider_connections);
drop table sync_history cascade;
drop table provider_connections cascade;
delete from users where id = (select min(user_id) from strava_connections);
"""


def test_the_numbers_that_the_old_way_back_left_are_refused_with_what_cleans_them_up(
    database: Database, tmp_path: Path
) -> None:
    """Option 2 of the guide drops two tables; activities keep numbers that will be other people's."""
    sample(database, "integer", 60, BY_HAND)
    with pytest.raises(UnknownGeneration, match="may belong to nobody") as caught:
        write(database, tmp_path)
    assert "public.activities.connection_id" in caught.value.details
    _, _, cleaning = caught.value.hint.partition("\n")
    load(database, cleaning)
    load(database, "drop type provider_type")
    stage = write(database, tmp_path)
    stage.apply()
    stage.switch()
    stage.verify()
    assert of(database, CROSSED) == [(0,)]


def test_an_enum_that_the_old_way_back_left_is_used_and_extended(database: Database, tmp_path: Path) -> None:
    sample(database, "integer", 60, "create type provider_type as enum ('garmin', 'strava')")
    stage = write(database, tmp_path)
    stage.apply()
    stage.switch()
    labels = "select enum_range(null::provider_type)::text"
    assert of(database, labels) == [("{garmin,strava,polar,coros,wahoo,fitbit}",)]
    stage.rollback()
    assert of(database, labels) == [("{garmin,strava}",)]


def test_our_own_way_back_and_a_second_run_link_everybody_to_his_own(database: Database, tmp_path: Path) -> None:
    stage = switched(database, tmp_path)
    stage.rollback()
    words = Words("integer")
    for line in (
        "delete from users where id = (select min(user_id) from strava_connections)",
        words.signs_up("new"),
        words.connects("own", "new", "5000001"),
        words.did("1000001", words.id("new"), "7000001"),
    ):
        load(database, line.replace("{n}", "1"))
    again = write(database, tmp_path)
    again.apply()
    again.switch()
    again.verify()
    assert of(database, CROSSED) == [(0,)]
    assert of(
        database,
        "select c.user_id = a.user_id from activities a join provider_connections c "
        "on c.id = a.connection_id where a.id = 1000001",
    ) == [(True,)]


# --- two users on one athlete -------------------------------------------------------------------------


def test_of_two_users_on_one_athlete_one_waits_and_no_batch_is_lost(database: Database, tmp_path: Path) -> None:
    stage = switched(database, tmp_path)
    [(all_,)] = of(database, "select count(*) from ecluse_kept_multi_provider.strava_connections")
    assert of(database, CONNECTED) == [(all_ - 2,)]
    held = (
        "select row ->> 'user_id', reason from ecluse.quarantine where source = 'public.strava_connections' order by 1"
    )
    assert of(database, held) == [
        ("10", "another row has the same provider_user_id"),
        ("11", "another row has the same user_id"),
    ]
    # His activities stay, and are linked to nobody else's connection.
    linked = (
        "select user_id, count(*), count(connection_id) from activities where user_id in (9, 10) group by 1 order by 1"
    )
    assert [(user, count > 0, links > 0) for user, count, links in of(database, linked)] == [
        (9, True, True),
        (10, True, False),
    ]
    stage.rollback()
    assert of(database, "select count(*) from strava_connections") == [(all_,)]


def test_two_users_on_one_athlete_may_both_keep_him(database: Database, tmp_path: Path) -> None:
    one = '"unique (provider, provider_user_id)"'
    stage = switched(database, tmp_path, "", (one, '"unique (provider, provider_user_id, user_id)"'))
    shared = "select user_id from provider_connections where provider_user_id = '700009' order by 1"
    assert of(database, shared) == [(9,), (10,)]
    assert of(database, "select count(distinct connection_id) from activities where id in (9, 10)") == [(2,)]
    assert of(database, "select count(connection_id) from activities where user_id = 11") == [(0,)]
    assert of(database, CROSSED) == [(0,)]
    stage.rollback()


# --- activities ---------------------------------------------------------------------------------------


def test_without_the_providers_id_of_activities_it_is_refused_and_says_what_to_add(
    database: Database, tmp_path: Path
) -> None:
    sample(database, "integer", 60, "alter table activities drop strava_activity_id")
    with pytest.raises(UnknownGeneration, match="no column 'strava_activity_id'") as caught:
        write(database, tmp_path)
    load(database, caught.value.hint.partition("\n")[0])
    stage = write(database, tmp_path)
    stage.apply()
    stage.switch()
    stage.verify()
    assert of(database, "select count(connection_id) from activities") == [(0,)]


def test_manual_activities_and_those_without_a_connection_are_unlinked_by_rule(
    database: Database, tmp_path: Path
) -> None:
    stage = written(database, tmp_path, "integer", 300)
    told = [h.message for h in stage.plan().hazards if h.id == "links"]
    counted = {text: int(number) for number, _, text in (line.partition(" ") for line in told)}
    assert set(counted) == {
        "rows of public.activities refer to what matches them",
        "rows of public.activities are unlinked by rule",
        "rows of public.activities match nothing and stay unlinked",
        "rows of public.activities match several and stay unlinked",
    }
    assert sum(counted.values()) == 300
    stage.apply()
    stage.switch()
    stage.verify()
    [(manual,)] = of(database, "select count(*) from activities where is_manual and connection_id is null")
    assert manual == counted["rows of public.activities are unlinked by rule"]
    assert of(database, "select count(*) from activities where user_id in (11, 12) and connection_id is not null") == [
        (0,)
    ]


def test_raw_types_are_kept(database: Database, tmp_path: Path) -> None:
    was = "select id, activity_type::text from {}activities"
    sample(database, "integer", 300)
    before = dict(of(database, was.format("")))
    stage = write(database, tmp_path)
    stage.apply()
    stage.switch()
    kept = dict(of(database, "select id, sport_type from activities"))
    assert kept == {id_: before[id_] for id_ in kept}
    labels = dict(of(database, "select sport_type, min(activity_type::text) from activities group by 1"))
    assert [labels[w] for w in ("TrailRun", "VirtualRide", "EBikeRide", "WeightTraining", "GravelRide", "Rowing")] == [
        *("run", "ride", "ride", "workout", "ride", "other")
    ]


# --- verification, tokens, labels ---------------------------------------------------------------------


def test_the_counts_of_the_guide_are_identical_but_for_quarantine(database: Database, tmp_path: Path) -> None:
    """And where there is nothing twice, they are identical."""
    change = "delete from strava_connections where user_id in (9, 10, 11)"
    switched(database, tmp_path, change)
    assert of(database, "select count(*) from strava_connections") == of(database, CONNECTED)
    assert of(database, CONNECTED) == of(database, "select count(*) from ecluse_kept_multi_provider.strava_connections")
    assert of(database, "select count(*) from ecluse.quarantine where source <> 'public.activities'") == [(0,)]


@pytest.mark.parametrize("provider", ["garmin", "polar"])
def test_a_provider_without_refresh_or_expiry_is_taken(database: Database, tmp_path: Path, provider: str) -> None:
    stage = switched(database, tmp_path)
    load(
        database,
        "insert into provider_connections (user_id, provider, provider_user_id, access_token, refresh_token, "
        f"token_expires_at) values ({Words.user(12)}, '{provider}', 'x', 'no-real-token', null, null)",
    )
    expired = f"select is_token_expired(id) from provider_connections where provider = '{provider}'"
    assert of(database, expired) == [(False,)]
    stage.verify()


def test_a_label_is_added_and_used_by_one_command_each(database: Database, tmp_path: Path) -> None:
    """ALTER TYPE ADD VALUE and the first use of the label cannot be one transaction; a run commits in between."""
    stage = switched(database, tmp_path)
    stage.finish(tmp_path)
    file = tmp_path / "suunto" / "migration.toml"
    file.parent.mkdir()
    file.write_text(
        'name = "suunto"\n[[operation]]\nkind = "extend_enum"\nname = "public.provider_type"\nlabels = ["suunto"]\n'
        '[[operation]]\nkind = "sql"\ntitle = "the first"\ndown = ""\n'
        'up = "insert into provider_connections (user_id, provider, provider_user_id, access_token) '
        "select id, 'suunto', 's', 'no-real' from users where id = 12\"\n"
    )
    extended = Stage(database, file)
    extended.apply()
    extended.switch()
    assert of(database, "select user_id from provider_connections where provider = 'suunto'") == [(12,)]
    with pytest.raises(WrongState, match="cannot"):
        extended.rollback()
    load(database, "delete from provider_connections where provider = 'suunto'")
    extended.rollback()
    assert of(database, "select 'suunto' = any (enum_range(null::provider_type)::text[])") == [(False,)]
