"""`ecluse supabase compose` and `check` as processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecluse.postgres.connect import Database
from ecluse.supabase.env_file import read_env
from ecluse.supabase.prepare import prepare
from tests.cli.conftest import Project
from tests.cli.test_supabase_keys import says_none, secrets_of
from tests.supabase.conftest import drop_roles
from tests.supabase.fake_stack import FakeStack, running


def test_compose_writes_a_stack_whose_keys_fit_together(empty: Project) -> None:
    lacking = empty.run("supabase", "compose", "--json")
    assert (lacking.status, lacking.error["hint"]) == (2, "ecluse supabase keys new")
    empty.run("supabase", "keys", "new")
    result = empty.run("supabase", "compose")
    assert result.status == 0
    assert "  written  docker-compose.yml\n" in result.out
    says_none(result, secrets_of(empty))
    again = empty.run("supabase", "compose", "--json")
    assert {file["state"] for file in again.value["files"]} == {"there already"}
    checked = empty.run("supabase", "keys", "check", "--json")
    assert (checked.status, checked.value["findings"]) == (0, [])
    assert sum("gateway/kong.yml" in key["place"] for key in checked.value["keys"]) == 4
    (empty.folder / "supabase/gateway/kong.yml").write_text("consumers: []\n")
    other = empty.run("supabase", "compose", "--json")
    assert (other.status, other.error["details"], other.error["state"]) == (
        2,
        "gateway/kong.yml",
        "nothing was written",
    )


@pytest.fixture
def stack(empty: Project, database: Database) -> Iterator[FakeStack]:
    """A running stack with the keys of the project's `.env`."""
    empty.run("supabase", "keys", "new")
    drop_roles(database)
    prepare(database)
    with running(FakeStack(read_env(empty.folder / "supabase/.env").values, database)) as made:
        yield made
    drop_roles(database)


def test_check_tells_of_each_service_and_exits_3_where_one_fails(empty: Project, stack: FakeStack) -> None:
    good = empty.run("supabase", "check", "--url", stack.url)
    assert (good.status, good.err) == (0, "")
    assert good.out.endswith("All services work.\n")
    assert "ok realtime  a person hears a row  " in good.out

    stack.faults.add("rest secret")
    bad = empty.run("supabase", "check", "--url", stack.url)
    assert bad.status == 3
    assert "   REST does not have the key that signed this token: JWT_JWKS is another than .env's\n" in bad.out
    assert "   hint: ecluse supabase keys check\n" in bad.out
    assert bad.out.endswith("These fail: rest.\n")

    told = empty.run("supabase", "check", "--url", stack.url, "--health", "--json")
    assert (told.status, told.value["good"], len(told.value["outcomes"])) == (0, True, 12)
    for result in (good, bad, told):
        says_none(result, secrets_of(empty))
