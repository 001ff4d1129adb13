"""`ecluse supabase compose` and `check` as processes."""

from __future__ import annotations

from tests.cli.conftest import Project
from tests.cli.test_supabase_keys import says_none, secrets_of


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
