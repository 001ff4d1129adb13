"""Rows that are linked by lookup: who is, who is not and why, and what is asked after the switch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ecluse.engine import quarantine
from ecluse.errors import EcluseError
from ecluse.postgres.connect import Database, open_session
from tests.harness import OPTIONS, SCENARIOS, Halted, Listener, Stage, load

CASE = SCENARIOS / "link_rows" / "activities"
AMBIGUOUS = ('ambiguous = "unlinked"', 'ambiguous = "refuse"')


def stage(database: Database, folder: Path, *changes: tuple[str, str], more: str = "") -> Stage:
    load(database, CASE / "before.sql")
    if more:
        load(database, more)
    text = (CASE / "migration.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "links.toml").write_text(text)
    return Stage(database, folder / "links.toml")


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with open_session(database, role="test") as conn:
        return conn.execute(query.encode()).fetchall()


def test_the_plan_accounts_for_every_row(database: Database, tmp_path: Path) -> None:
    it = stage(database, tmp_path)
    told = [hazard.message for hazard in it.plan().hazards if hazard.id in ("links", "duplicates")]
    go = "go to quarantine; the first stays"
    # 48 of 60 users have 5 activities of Strava each; 30 of these users have one account, whose connection stays.
    assert sorted(told) == [
        f"1 rows of public.strava_connections have the same account as another row, and {go}",
        f"1 rows of public.strava_connections have the same user_id as another row, and {go}",
        "153 rows of public.activities refer to what matches them",
        f"2 rows of public.activities have the same strava_id as another of the same user_id, and {go}",
        "5 rows of public.activities match several and stay unlinked",
        "60 rows of public.activities are unlinked by rule",
        "85 rows of public.activities match nothing and stay unlinked",
    ]
    it.apply()
    it.switch()
    found = "count(*) FILTER (WHERE connection_id IS NOT NULL), count(*)"
    assert rows(database, f"SELECT {found} FROM public.activities") == [(151, 301)]


UNIQUE = (
    "UPDATE strava_connections SET athlete = 903 WHERE user_id = 3; ALTER TABLE strava_connections ADD UNIQUE (athlete)"
)
TOGETHER = ('"unique (provider, account)"', '"unique (provider, account, user_id)"')


@pytest.mark.parametrize(("more", "changes"), [(UNIQUE, ()), ("", (TOGETHER,))], ids=["unique before", "both stay"])
def test_two_accounts_are_two_whatever_is_unique(
    database: Database, tmp_path: Path, more: str, changes: tuple[tuple[str, str], ...]
) -> None:
    it = stage(database, tmp_path, *changes, more=more)
    it.apply()
    it.switch()
    linked = (
        "SELECT user_id, count(connection_id) FROM public.activities WHERE user_id IN (2, 3, 5) GROUP BY 1 ORDER BY 1"
    )
    assert rows(database, linked) == [(2, 5), (3, 5), (5, 0)]
    it.verify()


def test_several_accounts_are_refused_where_nobody_says_otherwise(database: Database, tmp_path: Path) -> None:
    it = stage(database, tmp_path, AMBIGUOUS)
    assert [hazard.message for hazard in it.plan().refused] == [
        "5 rows of public.activities match several and are refused"
    ]


def test_the_same_account_twice_is_not_ambiguous(database: Database, tmp_path: Path) -> None:
    more = "UPDATE strava_connections SET athlete = 905 WHERE user_id = 5"
    it = stage(database, tmp_path, AMBIGUOUS, more=more)
    it.apply()
    it.switch()
    linked = "SELECT count(connection_id), count(external_id) FROM public.activities WHERE user_id = 5"
    assert rows(database, linked) == [(5, 5)]
    it.verify()


def test_a_connection_without_an_account_is_one_of_its_own(database: Database, tmp_path: Path) -> None:
    more = (
        "ALTER TABLE strava_connections ALTER athlete DROP NOT NULL;"
        "UPDATE strava_connections SET athlete = NULL WHERE user_id IN (2, 5, 7);"
        "INSERT INTO strava_connections (user_id, athlete, token) VALUES (7, NULL, 'another'), (8, NULL, 'another')"
    )
    changes = (
        ('account = "text not null"', 'account = "text"'),
        ('connections_user_id_provider_key = "unique (user_id, provider)"', ""),
    )
    it = stage(database, tmp_path, *changes, more=more)
    it.apply()
    it.switch()
    linked = "SELECT user_id, count(connection_id) FROM public.activities WHERE user_id IN (2, 5, 7, 8)"
    assert rows(database, f"{linked} GROUP BY 1 ORDER BY 1") == [(2, 5), (5, 0), (7, 0), (8, 0)]
    it.verify()


def test_rows_that_match_nothing_may_go_to_quarantine(database: Database, tmp_path: Path) -> None:
    change = ("unique = [", 'missing = "quarantine"\nunique = [')
    it = stage(database, tmp_path, change, more="DROP TABLE workouts")
    it.apply()
    with open_session(database, role="test") as conn:
        reasons = [row.reason for row in quarantine.listing(conn) if row.source == "public.activities"]
    assert reasons.count("no row of public.connections matches its user_id") == 85
    it.switch()
    it.verify()
    it.rollback()
    assert rows(database, "SELECT count(*) FROM public.activities") == [(303,)]


def test_a_row_that_refers_to_what_does_not_match_fails_the_proof(database: Database, tmp_path: Path) -> None:
    it = stage(database, tmp_path)
    it.apply()
    it.switch()
    it.verify()
    load(
        database,
        "UPDATE activities SET connection_id = 1 WHERE id = (SELECT min(id) FROM activities WHERE user_id = 9)",
    )
    failed = [probe for probe in it.engine().verify(it.name).probes if not probe.passed]
    assert [probe.title for probe in failed] == ["public.activities.connection_id refers to what matches"]
    assert failed[0].details == "1 rows refer to a row that does not match them"


def test_what_hangs_on_another_kind_is_parked_whole(database: Database, tmp_path: Path) -> None:
    it = stage(database, tmp_path)
    it.apply()
    it.switch()
    load(
        database,
        "INSERT INTO connections (id, user_id, provider, account, token) VALUES (500, 50, 'garmin', 'g', 't');"
        "INSERT INTO activities (id, user_id, connection_id, external_id, name) VALUES (900, 50, 500, '77', 'Garmin');"
        "INSERT INTO connections (id, user_id, provider, account, token) VALUES (501, 51, 'strava', '51', 't');"
        "INSERT INTO activities (id, user_id, connection_id, external_id, name) VALUES (901, 51, 501, '78', 'Strava');"
        "INSERT INTO workouts (id, activity_id) VALUES (900, 900), (901, 901);"
        "DELETE FROM connections WHERE user_id = 10",
    )
    it.rollback()
    assert rows(database, "SELECT source, key FROM ecluse.parked ORDER BY 1") == [
        ("public.activities", "(900)"),
        ("public.connections", "(500)"),
        ("public.workouts", "(900)"),
    ]
    assert rows(database, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]
    assert rows(database, "SELECT id, strava_id FROM public.activities WHERE id >= 900") == [(901, 78)]


def test_links_are_made_again_after_a_rollback(database: Database, tmp_path: Path) -> None:
    """The trap of a script: connections get new numbers at its second run, and activities keep the old ones."""
    it = stage(database, tmp_path)
    it.apply()
    it.switch()
    it.rollback()
    load(database, "DELETE FROM users WHERE id = 4; INSERT INTO users VALUES (70, 'new')")
    load(database, "INSERT INTO strava_connections (user_id, athlete, token) VALUES (70, 970, 'new')")
    load(database, "INSERT INTO activities (user_id, strava_id, name) VALUES (70, 70, 'new')")
    it.apply()
    it.switch()
    crossed = "SELECT count(*) FROM public.activities a JOIN public.connections c ON c.id = a.connection_id"
    assert rows(database, f"{crossed} WHERE a.user_id <> c.user_id") == [(0,)]
    assert rows(database, f"{crossed} WHERE a.user_id = 70") == [(1,)]


def test_a_link_to_what_waits_in_the_log_is_no_stumbling_block(database: Database, tmp_path: Path) -> None:
    """Who left and came back has two entries far apart: a batch that has the first alone would link to nobody."""
    unique = (
        "DELETE FROM strava_connections WHERE user_id IN (3, 5);"
        "ALTER TABLE strava_connections ADD UNIQUE (user_id), ADD UNIQUE (athlete)"
    )
    it = stage(database, tmp_path, more=unique)
    it.options = replace(OPTIONS, unit_batch=20)

    def write(name: str) -> None:
        if name == "copied":
            load(database, "DELETE FROM strava_connections WHERE user_id = 32")
            load(database, "UPDATE strava_connections SET token = 'fresh'")
            load(database, "INSERT INTO strava_connections (user_id, athlete, token) VALUES (32, 5032, 'again')")

    it.apply(Listener(on_record=write))
    it.switch()
    assert rows(database, "SELECT count(connection_id) FROM public.activities WHERE user_id = 32") == [(5,)]
    it.verify()


def test_a_rollback_that_was_given_up_is_no_difference(database: Database, tmp_path: Path) -> None:
    it = stage(database, tmp_path)
    it.apply()
    it.switch()
    load(
        database,
        "INSERT INTO connections (id, user_id, provider, account, token) VALUES (500, 50, 'garmin', 'g', 't');"
        "INSERT INTO connections (id, user_id, provider, account, token) VALUES (501, 51, 'strava', '51', 't');"
        "INSERT INTO activities (id, user_id, connection_id, external_id, name) VALUES (901, 51, 501, '78', 'Strava')",
    )
    with pytest.raises(Halted):
        it.rollback(Listener(at=1))
    assert rows(database, "SELECT status FROM ecluse.run") == [("switched",)]
    assert rows(database, "SELECT source, key FROM ecluse.parked") == [("public.connections", "(500)")]
    it.verify()
    load(database, "UPDATE activities SET name = 'another' WHERE user_id = 51")
    it.verify()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('references = "public.connections"', 'references = "public.users"', "'public.users' has no column 'user_id'"),
        ('references = "public.connections"', 'references = "public.nobodies"', "there is no table 'public.nobodies'"),
        ('references = "public.connections"', 'references = "public.activities"', "rows of the same table"),
        ('match = { user_id = "user_id" }', 'match = { name = "user_id" }', "'name' is text, and 'user_id'"),
        ('match = { user_id = "user_id" }', 'match = { user_id = "nobody" }', "has no column 'nobody'"),
        ('unique = ["external_id"]', 'unique = ["external"]', "has no column 'external'"),
        ('unique = ["external_id"]', 'unique = ["external_id", "name"]', "must come from one old column"),
        ('column = "connection_id"', 'column = "name"', "has a column 'name' already"),
        ('"(connection_id)"', '"(connection)"', "has no column 'connection'"),
        ("strava_id is not null", "strava_no is not null", "names 'strava_no'"),
    ],
)
def test_wrong_words_are_refused_by_line(database: Database, tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(EcluseError) as caught:
        stage(database, tmp_path, (old, new)).plan()
    assert said in caught.value.message
    assert "links.toml, line" in caught.value.message


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        'column = "id"',
        'column = "name"\nto = "public.provider"\ninvalid = "quarantine"',
    ],
)
def test_a_table_is_not_referred_to_where_its_rows_do_not_stay_what_they_are(
    database: Database, tmp_path: Path, change: str, *, first: bool
) -> None:
    load(
        database,
        "CREATE TYPE provider AS ENUM ('strava'); CREATE TABLE people (id text PRIMARY KEY, name text, email text);"
        "CREATE TABLE letters (id integer PRIMARY KEY, email text)",
    )
    link = (
        '[[operation]]\nkind = "link_rows"\ntable = "public.letters"\ncolumn = "person_id"\n'
        'references = "public.people"\nmatch = { email = "email" }\nambiguous = "unlinked"\n'
    )
    convert = f'[[operation]]\nkind = "convert_column"\ntable = "public.people"\n{change}\n'
    (tmp_path / "links.toml").write_text('name = "links"\n' + (convert + link if first else link + convert))
    with pytest.raises(EcluseError, match="so that its rows cannot be referred to"):
        Stage(database, tmp_path / "links.toml").plan()
