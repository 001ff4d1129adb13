"""`ecluse supabase keys` as a process: one file for its owner only, and no secret in what is printed."""

from __future__ import annotations

import stat

from ecluse.supabase.env_file import read_env
from ecluse.supabase.keys import is_secret
from tests.cli.conftest import Project, Result


def secrets_of(project: Project) -> dict[str, str]:
    """Every secret in the `.env` of the stack."""
    values = read_env(project.folder / "supabase/.env").values
    return {name: value for name, value in values.items() if value and is_secret(name)}


def says_none(result: Result, *known: dict[str, str]) -> None:
    """Nothing that was printed is one of the secrets."""
    said = [n for secrets in known for n, value in secrets.items() if value in result.out + result.err]
    assert said == []


def test_new_keys_are_written_for_the_owner_and_never_over_others(empty: Project) -> None:
    result = empty.run("supabase", "keys", "new", "--url", "https://api.example.com")
    assert result.status == 0
    file = empty.folder / "supabase/.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (empty.folder / "supabase/.gitignore").read_text() == ".env\n.env.*\n"
    first = secrets_of(empty)
    says_none(result, first)
    assert "POSTGRES_PASSWORD" in result.out

    again = empty.run("supabase", "keys", "new", "--json")
    assert (again.status, again.error["code"]) == (2, "ECL100")
    assert again.error["hint"] == "ecluse supabase keys rotate --folder supabase"
    assert secrets_of(empty) == first

    forced = empty.run("supabase", "keys", "new", "--force", "--json")
    assert forced.status == 0
    assert read_env(empty.folder / forced.value["kept"]).values["JWT_SECRET"] == first["JWT_SECRET"]
    assert stat.S_IMODE((empty.folder / forced.value["kept"]).stat().st_mode) == 0o600
    says_none(forced, first, secrets_of(empty))


def test_show_prints_them(empty: Project) -> None:
    result = empty.run("supabase", "keys", "new", "--show", "--json")
    assert result.value["values"] == secrets_of(empty)
    result = empty.run("supabase", "keys", "rotate", "--show")
    assert all(value in result.out for name, value in secrets_of(empty).items() if name.startswith("SUPABASE_"))


def test_rotation_from_beginning_to_end(empty: Project) -> None:
    empty.run("supabase", "keys", "new")
    first = secrets_of(empty)
    web = empty.folder / "web/.env.local"
    web.parent.mkdir()
    web.write_text(f"VITE_SUPABASE_PUBLISHABLE_KEY={first['SUPABASE_PUBLISHABLE_KEY']}\n")
    assert empty.run("supabase", "keys", "check").status == 0

    rotated = empty.run("supabase", "keys", "rotate")
    assert rotated.status == 0
    says_none(rotated, first, secrets_of(empty))
    assert stat.S_IMODE((empty.folder / "supabase/.env").stat().st_mode) == 0o600
    meanwhile = empty.run("supabase", "keys", "check", "--json")
    assert (meanwhile.status, meanwhile.value["good"]) == (0, True)
    assert {f["fault"] for f in meanwhile.value["findings"]} == {"overlap", "previous"}
    assert (empty.run("supabase", "keys", "rotate", "--json").error["code"]) == "ECL303"

    assert empty.run("supabase", "keys", "rotate", "--end").status == 0
    late = empty.run("supabase", "keys", "check")
    assert late.status == 3
    assert "NO not-at-gateway  web/.env.local:1 VITE_SUPABASE_PUBLISHABLE_KEY" in late.out
    assert '   so: 401 "Invalid authentication credentials" from the gateway' in late.out
    says_none(late, first, secrets_of(empty))


def test_without_a_stack_the_first_step_is_told(empty: Project) -> None:
    for command in ("check", "rotate"):
        result = empty.run("supabase", "keys", command, "--json")
        assert (result.status, result.error["hint"]) == (2, "ecluse supabase keys new")
