"""The import of users through the admin API: what is posted, what is found, and that nothing is lost on the way."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ecluse.errors import PlanRefused, ServiceUnavailable
from ecluse.operations.inputs import read_ids
from ecluse.operations.people_sql import NO_ADDRESS, NOT_VALID, TAKEN, TWINS
from ecluse.postgres.connect import Database
from ecluse.supabase.admin_api import AdminApi
from ecluse.supabase.prepare import prepare
from ecluse.supabase.user_outcomes import RESET, UserOutcome, mask_email, write_outcomes, write_user_map
from ecluse.supabase.users_by_api import Choices, ImportByApi
from tests.supabase.admin_api import AdminApiServer, serving
from tests.supabase.conftest import drop_roles
from tests.supabase.importing import KEY, carry_out, everybody, importing
from tests.supabase.legacy import BCRYPT, MIGRATION, load_users, mapped, rows


@pytest.fixture
def api() -> Iterator[AdminApiServer]:
    with serving(AdminApiServer(KEY)) as made:
        yield made


@pytest.fixture
def users(database: Database) -> Database:
    load_users(database)
    return database


# --- what becomes of whom -----------------------------------------------------------------------------


def test_a_dry_run_makes_nothing_and_accounts_for_every_row(users: Database, api: AdminApiServer) -> None:
    there = api.add("there@example.com")
    with importing(users, api) as work:
        found = work.survey(bodies=False)
        told = [(g.outcome, g.password, g.reason, g.users, g.there) for g in found.groups]
        outcomes = {user.old_user_id: user for user in work.roster.outcomes()}
    assert set(told) == {
        ("created", "bcrypt", "", 1, 0),
        ("created", "MD5", RESET, 1, 0),
        ("created", "none", RESET, 1, 0),
        ("matched", "", "", 1, 1),
        ("quarantined", "", TWINS, 2, 0),
        ("quarantined", "", NOT_VALID, 1, 0),
        ("quarantined", "", NO_ADDRESS, 1, 0),
    }
    assert (found.rows, found.to_create, found.adds_up) == (8, 3, True)
    assert outcomes["8"].supabase_user_id == there
    assert outcomes["4"].supabase_user_id == ""
    assert api.posted == []
    assert rows(users, "SELECT to_regclass('public.user_id_mapping')") == [(None,)]


def test_what_is_posted_of_a_user(users: Database, api: AdminApiServer) -> None:
    there = api.add("there@example.com", user_metadata={"full_name": "their own"})
    outcomes = carry_out(users, api)
    posted = {body["email"]: body for body in api.posted}
    assert sorted(posted) == ["ada@example.com", "bob@example.com", "cleo@example.com"]
    ada = posted["ada@example.com"]
    assert ada == {
        "id": outcomes["1"].supabase_user_id,
        "email": "ada@example.com",
        "email_confirm": True,
        "password_hash": BCRYPT,
        "user_metadata": {"full_name": "Ada L."},
        "app_metadata": {"role": "admin"},
    }
    assert "password_hash" not in posted["bob@example.com"]
    cleo = posted["cleo@example.com"]
    assert (cleo["user_metadata"], cleo["app_metadata"], cleo["ban_duration"]) == ({}, {}, "876000h")
    # Who was there before keeps everything, and is in the table as well.
    assert api.accounts[there]["user_metadata"]["full_name"] == "their own"
    assert set(mapped(users)) == {"1", "2", "3", "8"}
    assert mapped(users)["8"] == (there, "there@example.com")
    assert api.accounts[ada["id"]]["hash"] == BCRYPT
    assert api.busiest <= 4


def test_a_second_run_makes_nobody_and_changes_no_row(users: Database, api: AdminApiServer) -> None:
    api.add("there@example.com")
    first = carry_out(users, api)
    before, table = len(api.posted), rows(users, "SELECT * FROM public.user_id_mapping ORDER BY 1")
    with importing(users, api) as work:
        found = work.survey(bodies=True)
        assert (found.to_create, work.carry_out()) == (0, 0)
        again = {user.old_user_id: user for user in work.roster.outcomes()}
    assert len(api.posted) == before
    assert rows(users, "SELECT * FROM public.user_id_mapping ORDER BY 1") == table
    assert again == first  # with who is to be reset, which must not be forgotten
    assert sum(group.there for group in found.groups if group.outcome == "created") == 3


@pytest.mark.parametrize("kind", ["uuid", "text", "bigint"])
def test_ids_of_every_type(database: Database, api: AdminApiServer, kind: str) -> None:
    uid = "6a0d5c1e-0000-4000-8000-000000000001"
    old = "12" if kind == "bigint" else uid
    load_users(database, ((old, "ada@example.com", BCRYPT, "Ada", "user", True),), kind)
    outcomes = carry_out(database, api)
    new = outcomes[old].supabase_user_id
    assert (new == uid) is (kind != "bigint")
    assert list(api.accounts) == [new]
    assert rows(database, "SELECT pg_typeof(old_user_id)::text FROM public.user_id_mapping") == [(kind,)]
    assert carry_out(database, api) == outcomes
    assert len(api.posted) == 1


def test_an_account_that_cannot_be_signed_in_to_is_nobodys_match(users: Database, api: AdminApiServer) -> None:
    api.add("there@example.com", app_metadata={"provider": "sso:0d5c"})
    assert everybody(users, api)["8"].outcome == "created"


def test_an_id_that_is_somebody_elses_is_not_given(users: Database, api: AdminApiServer) -> None:
    uid = everybody(users, api)["1"].supabase_user_id
    api.add("another@example.com", id=uid)
    assert everybody(users, api)["1"].reason == TAKEN


# --- pages --------------------------------------------------------------------------------------------


def test_who_is_there_is_found_on_every_page_though_all_are_of_one_moment(users: Database, api: AdminApiServer) -> None:
    for n in range(250):
        api.add(f"{n:03}@elsewhere.example", same_moment=n % 50 != 0)
    there = api.add("there@example.com")
    for n in range(250, 300):
        api.add(f"{n:03}@elsewhere.example", same_moment=True)
    with importing(users, api, choices=Choices(page_size=100)) as work:
        work.survey(bodies=False)
        found = {user.old_user_id: user for user in work.roster.outcomes()}
        assert rows_of(work, "SELECT count(*) FROM pg_temp.ecluse_listed") == 301
    assert found["8"].supabase_user_id == there
    assert any("page=3&per_page=100" in asked for asked in api.asked)


def rows_of(work: ImportByApi, sql: str) -> int:
    row = work.roster.session.execute(sql.encode()).fetchone()
    return int(row[0]) if row else -1


def test_a_list_that_never_adds_up_is_no_list(
    users: Database, api: AdminApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        api.add(f"{n}@elsewhere.example")
    page = AdminApi.page

    def longer(self: AdminApi, number: int, size: int, **more: bool) -> object:
        found = page(self, number, size, **more)
        return replace(found, total=found.total + 1)

    monkeypatch.setattr(AdminApi, "page", longer)
    with (
        importing(users, api) as work,
        pytest.raises(ServiceUnavailable, match="there are 6 accounts, and its list") as e,
    ):
        work.survey(bodies=False)
    assert e.value.state == "nothing was changed"
    assert "--page-size" in e.value.hint


def test_an_account_that_goes_between_two_pages_is_not_waited_for(
    users: Database, api: AdminApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = [api.add(f"{n}@elsewhere.example") for n in range(8)]
    page = AdminApi.page

    def disturbed(self: AdminApi, number: int, size: int, **more: bool) -> object:
        found = page(self, number, size, **more)
        if uids:
            api.accounts.pop(uids.pop(0), None)
            uids.clear()
        return found

    monkeypatch.setattr(AdminApi, "page", disturbed)
    with importing(users, api, choices=Choices(page_size=3)) as work:
        work.survey(bodies=False)
        assert rows_of(work, "SELECT count(*) FROM pg_temp.ecluse_listed") == 7


# --- the table of who became whom -----------------------------------------------------------------------


def test_another_table_of_that_name_is_refused(users: Database, api: AdminApiServer) -> None:
    rows(users, "CREATE TABLE public.user_id_mapping (old_user_id int PRIMARY KEY, supabase_user_id uuid UNIQUE, "
                "email varchar(255), migrated_at timestamp)")  # fmt: skip
    with (
        pytest.raises(PlanRefused, match=r"'public\.user_id_mapping' is there already") as refused,
        importing(users, api),
    ):
        pass
    assert "mapping = " in refused.value.hint
    rows(users, "DROP TABLE public.user_id_mapping")
    rows(users, "CREATE VIEW public.user_id_mapping AS SELECT 1 AS x")
    with pytest.raises(PlanRefused, match="it is no table"), importing(users, api):
        pass
    other = MIGRATION + 'mapping = "public.who_is_whom"\n'
    carry_out(users, api, migration=other)
    assert rows(users, "SELECT count(*) FROM public.who_is_whom") == [(4,)]


def test_a_row_that_names_another_account_is_refused(users: Database, api: AdminApiServer) -> None:
    carry_out(users, api)
    rows(users, "UPDATE public.user_id_mapping SET supabase_user_id = gen_random_uuid() WHERE old_user_id = 1")
    with importing(users, api) as work, pytest.raises(PlanRefused, match=r"'public\.user_id_mapping' has rows \(1\)"):
        work.survey(bodies=True)


def test_users_without_an_id_of_their_own_are_refused(database: Database, api: AdminApiServer) -> None:
    rows(database, "CREATE TABLE public.users (id int, email text)")
    rows(
        database, "INSERT INTO public.users VALUES (1, 'a@example.com'), (1, 'b@example.com'), (NULL, 'c@example.com')"
    )
    with (
        importing(database, api) as work,
        pytest.raises(PlanRefused, match=r"without an id \(1\), or with the id of another \(1\)"),
    ):
        work.survey(bodies=False)


def test_the_table_of_addresses_is_not_open_to_browsers(users: Database, api: AdminApiServer) -> None:
    drop_roles(users)
    prepare(users)  # which gives anon every new table of this role
    rows(users, "CREATE TABLE public.other ()")
    carry_out(users, api)
    ask = "SELECT has_table_privilege('anon', 'public.other', 'SELECT'), has_table_privilege('anon', '{}', 'SELECT')"
    assert rows(users, ask.format("public.user_id_mapping")) == [(True, False)]
    drop_roles(users)


# --- files --------------------------------------------------------------------------------------------


def test_the_files_are_private_masked_and_what_remap_ids_takes(
    users: Database, api: AdminApiServer, tmp_path: Path
) -> None:
    outcomes = carry_out(users, api)
    file, ids = tmp_path / "outcomes.csv", tmp_path / "ids.csv"
    write_outcomes(file, outcomes.values(), show_values=False)
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "a***@e***.com" in text
    assert "ada@" not in text.lower()
    assert BCRYPT not in text
    with file.open() as lines:
        told = list(csv.DictReader(lines))
    assert list(told[0]) == ["old_user_id", "email", "outcome", "supabase_user_id", "password", "reason"]
    assert len(told) == 8
    write_outcomes(file, outcomes.values(), show_values=True)
    assert "ada@example.com" in file.read_text()
    assert write_user_map(ids, outcomes.values()) == 4
    assert ids.stat().st_mode & 0o777 == 0o600
    assert dict(read_ids(ids.read_text())) == {old: uid for old, (uid, _) in mapped(users).items()}
    assert [path.name for path in tmp_path.iterdir()] in (["ids.csv", "outcomes.csv"], ["outcomes.csv", "ids.csv"])


def test_an_id_that_is_an_address_is_masked_too(tmp_path: Path) -> None:
    file = tmp_path / "o.csv"
    write_outcomes(
        file, [UserOutcome("ada@example.com", "ada@example.com", "created", "x", "bcrypt", "")], show_values=False
    )
    assert file.read_text().splitlines()[1] == "a***@e***.com,a***@e***.com,created,x,bcrypt,"


def test_masks() -> None:
    assert [mask_email(text) for text in ("anna@example.com", "b@x.co.uk", "c@host", "", "not one")] == [
        "a***@e***.com",
        "b***@x***.uk",
        "c***@h***",
        "",
        "no***",
    ]
