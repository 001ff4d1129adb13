"""The recipe of many providers as a user meets it; and no token is shown, whatever is asked and whatever fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests.cli.conftest import Project, write_project
from tests.recipes.providers import leave_out_half, prepared

NAME = "multi_provider"
SECRETS = ("no-real-", "not-a-hash-")  # how every token and every hash of the sample begins


class Told:
    """Runs commands and remembers everything that they said."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.all: dict[str, str] = {}

    def __call__(self, *arguments: str, status: int = 0) -> str:
        result = self.project.run(*arguments)
        assert result.status == status, result.err + result.out
        self.all[" ".join(arguments)] = result.out + result.err
        return result.out + result.err

    def nothing_secret(self) -> None:
        shown = [command for command, said in self.all.items() for secret in SECRETS if secret in said]
        assert shown == []


@pytest.fixture(params=["alone", "beside a Supabase"])
def place(request: pytest.FixtureRequest, database: Database) -> Iterator[Database]:
    for (each,) in prepared(request.param, database):
        yield each


@pytest.mark.parametrize("generation", ["integer", "uuid"])
def test_from_init_to_finish_and_a_seventh_provider(
    place: Database, tmp_path: Path, generation: str, request: pytest.FixtureRequest
) -> None:
    leave_out_half(request)
    project = write_project(tmp_path, place)
    say = Told(project)
    say("init", NAME, "--sample", generation, "--rows", "2000")
    assert f"generation {generation}" in say.all[f"init {NAME} --sample {generation} --rows 2000"]
    plan = say("plan", NAME)
    for line in (
        "1 rows of public.strava_connections have the same provider_user_id as another row, and go to quarantine",
        "4 rows of public.activities have the same strava_activity_id as another of the same user_id",
        "rows of public.activities are unlinked by rule",
        "rows of public.activities match several and stay unlinked",
        "public.users.role becomes: 17 athlete, 2 coach, 1 admin",
    ):
        assert line in plan
    assert " refuse " not in plan
    say("plan", NAME, "--show-values")
    say("explain", NAME)
    say("apply", NAME)
    say("status")
    say("quarantine", "list", NAME)
    say("quarantine", "list", NAME, "--show-values")
    say("quarantine", "list", NAME, "--show-values", "--json")
    say("switch", NAME)
    assert "everything holds" in say("verify", NAME, "--show-values")
    say("plan", NAME)
    project.execute(
        "insert into provider_connections (user_id, provider, provider_user_id, access_token) select id, 'polar', 'p', "
        "'no-real-polar' from users where email = 'athlete12@example.com'"
    )
    assert "1 row of public.provider_connections parked" in say("rollback", NAME)
    say("quarantine", "list", NAME, "--show-values")
    say("apply", NAME, "--switch")
    assert "migrated already, nothing to do" in say("init", NAME, status=1)
    fingerprint = say("finish", NAME, status=1).partition("--confirm ")[2].split()[0]
    say("finish", NAME, "--confirm", fingerprint)

    (project.folder / "migrations" / "suunto.toml").write_text(
        'name = "suunto"\ndatabase = "app"\n[[operation]]\nkind = "extend_enum"\nname = "public.provider_type"\n'
        'labels = ["suunto"]\n'
    )
    say("apply", "suunto", "--switch")
    project.execute(
        "insert into provider_connections (user_id, provider, provider_user_id, access_token) select id, 'suunto', "
        "'s', 'no-real-suunto' from users where email = 'athlete12@example.com'"
    )
    assert "1 rows of public.provider_connections have 'suunto' in provider" in say("rollback", "suunto", status=1)
    say("status")
    say.nothing_secret()


def test_what_fails_shows_no_token_either(tmp_path: Path, database: Database) -> None:
    project = write_project(tmp_path, database)
    say = Told(project)
    say("init", NAME, "--sample", "integer", "--rows", "200")
    project.execute("update users set role = 'pro' where id = 13")
    refused = say("plan", NAME, status=3)
    assert "1 of 16 values of public.users.role do not fit and are refused" in refused and "like pro" not in refused
    assert "like pro" in say("plan", NAME, "--show-values", status=3)
    say("apply", NAME, status=3)
    project.execute("update users set role = 'athlete'")
    say("apply", NAME)
    project.execute("update ecluse_next_multi_provider.provider_connections set access_token = 'no-real-other'")
    say("verify", NAME, status=3)
    say("verify", NAME, "--show-values", status=3)
    say("switch", NAME, status=3)
    say("rollback", NAME)
    say("apply", NAME, "--switch")
    project.execute("update activities set connection_id = 1 where user_id <> 1 and connection_id is not null")
    say("verify", NAME, "--show-values", "--json", status=3)
    say.nothing_secret()


def test_the_promised_shape_is_there_after_it(tmp_path: Path, open_folder: Path, database: Database) -> None:
    project = write_project(open_folder / "providers", database)
    say = Told(project)
    say("init", NAME, "--sample", "uuid", "--rows", "100")
    lacking = say("inspect", "--expect", NAME, status=3)
    assert "table public.provider_connections" in lacking
    say("apply", NAME, "--switch")
    say("inspect", "--expect", NAME)
