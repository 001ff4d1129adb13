"""Settings of a project: what it asks for, what is set, and under which of the names that a thing has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecluse.checkup.check import Finding, Project
from ecluse.checkup.examine import examine_project
from ecluse.checkup.registry import CHECKS
from ecluse.checkup.settings import look_around
from ecluse.supabase.keys import new_env

ALL = frozenset(check.id for check in CHECKS)
SECRET = "hunter2"


@dataclass
class World:
    """A folder with files in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str]) -> World:
        """Write files, by their paths."""
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        look_around.cache_clear()
        return self

    def found(self) -> list[Finding]:
        """What is not good."""
        project = Project(self.folder, self.environment, self.wanted)
        return [f for f in examine_project(project, ALL) if f.level != "good"]

    def said(self) -> Mapping[str, str]:
        """Level and words of each finding."""
        found = self.found()
        assert SECRET not in str(found)
        return {f"{f.level} {f.id} {f.object}".strip(): f"{f.found}\n{f.fix}" for f in found}


@pytest.fixture
def world(tmp_path: Path) -> World:
    look_around.cache_clear()
    return World(tmp_path)


@pytest.mark.parametrize(
    ("asked", "have"),
    [
        ("SUPABASE_KEY", "SUPABASE_ANON_KEY"),
        ("SUPABASE_ANON_KEY", "SUPABASE_KEY"),
        ("SUPABASE_SERVICE_KEY", "SUPABASE_SERVICE_ROLE_KEY"),
        ("SUPABASE_SERVICE_ROLE_KEY", "SERVICE_ROLE_KEY"),
        ("DATABASE_URL", "POSTGRES_URL"),
        ("SUPABASE_DB_URL", "DATABASE_URL"),
        ("SUPABASE_URL", "API_EXTERNAL_URL"),
        ("SUPABASE_JWT_SECRET", "JWT_SECRET"),
        ("NEXT_PUBLIC_SUPABASE_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY"),
    ],
)
def test_the_same_thing_under_another_name(world: World, asked: str, have: str) -> None:
    """By what the source reads, in files and in the process; without a value in what is said."""
    world.write({"backend/db.py": f"import os\nKEY = os.environ['{asked}']\n", ".env": f"{have}={SECRET}\n"})
    ((what, words),) = world.said().items()
    assert what == f"wrong setting-under-another-name {asked}"
    assert f"backend/db.py:2 asks for {asked}, and what is set is {have}" in words
    assert f"{asked}=<the value of {have}>   # beside it, in .env" in words
    (world.folder / ".env").unlink()
    world.environment[have] = SECRET
    assert "in this process" in "".join(World(world.folder, world.environment).write({}).said().values())
    world.environment[asked] = SECRET
    assert world.said() == {}


def test_what_ecluse_itself_asks_for(world: World) -> None:
    world.wanted = {"DATABASE_URL": "app", "SHOP": "shop"}
    world.write({".env": f"DATABASE_URL={SECRET}\n", "shop/ecluse.toml": ""})
    ((what, words),) = world.said().items()
    assert what == "wrong setting-under-another-name DATABASE_URL"
    assert "which .env sets and this process does not have" in words
    assert "set -a; . ./.env; set +a" in words
    world.write({".env": f"POSTGRES_URL={SECRET}\n"})
    assert "ecluse.toml (database 'app') asks for DATABASE_URL" in "".join(world.said().values())


@pytest.mark.parametrize(
    "source",
    [
        'a = os.getenv("SUPABASE_SERVICE_KEY") or os.getenv("SUPABASE_ANON_KEY")',
        'a = (\n    os.getenv("SUPABASE_KEY")\n    or os.environ.get("SUPABASE_ANON_KEY")\n)',
        'a = os.getenv("SUPABASE_KEY", os.getenv("SUPABASE_ANON_KEY"))',
        'a = os.getenv("SUPABASE_KEY", "a default")',
        "const a = process.env.SUPABASE_KEY ?? process.env.SUPABASE_ANON_KEY",
        "const a = process.env.SUPABASE_KEY || 'a default'",
        "f(process.env.SUPABASE_ANON_KEY!, 5)",
        'a = os.getenv("STRIPE_KEY")',
    ],
)
def test_a_program_that_knows_another_name_is_content(world: World, source: str) -> None:
    world.write({"a.ts": source, "b.py": source, ".env": f"SUPABASE_ANON_KEY={SECRET}\n"})
    assert world.said() == {}


@pytest.mark.parametrize(
    "source",
    [
        'a = os.getenv("SUPABASE_KEY", "")',
        "f(process.env.SUPABASE_KEY, process.env.SUPABASE_ANON_KEY)",
        'a = os.getenv("SUPABASE_KEY")\nb = os.getenv("SUPABASE_ANON_KEY")',
        'Deno.env.get("SUPABASE_KEY")',
        "import.meta.env.SUPABASE_KEY",
    ],
)
def test_a_program_that_does_not_is_told(world: World, source: str) -> None:
    world.write({"a.ts": source, ".env": f"SUPABASE_ANON_KEY={SECRET}\n"})
    assert list(world.said()) == ["wrong setting-under-another-name SUPABASE_KEY"]


def test_what_is_nowhere_and_what_was_not_filled_in(world: World) -> None:
    world.write(
        {
            ".env": "SUPABASE_URL=\nSUPABASE_ANON_KEY=<votre-anon-key>\nJWT_SECRET=changeme\n",
            "a.py": 'os.environ["SUPABASE_URL"]',
            ".env.example": "SUPABASE_URL=\nDATABASE_URL=postgresql://\nOPENAI_API_KEY=\n",
        }
    )
    said = world.said()
    assert set(said) == {
        "warning setting-missing SUPABASE_URL",
        "warning setting-missing DATABASE_URL",
        "wrong setting-placeholder SUPABASE_ANON_KEY",
        "wrong setting-placeholder JWT_SECRET",
    }
    assert "a.py:1 asks for SUPABASE_URL" in said["warning setting-missing SUPABASE_URL"]
    assert ".env.example:2 asks for DATABASE_URL" in said["warning setting-missing DATABASE_URL"]
    assert ".env:2 SUPABASE_ANON_KEY is not filled in" in said["wrong setting-placeholder SUPABASE_ANON_KEY"]


def test_without_the_settings_of_the_application_nothing_is_good(world: World) -> None:
    world.write({"a.py": 'os.environ["SUPABASE_URL"]'})
    (unseen,) = world.found()
    assert (unseen.id, unseen.level, unseen.seen) == ("setting-missing", "told", False)
    assert "the settings of the application are not here" in unseen.found


def test_a_name_for_browsers_is_none_for_a_server(world: World) -> None:
    world.write({"a.py": 'os.environ["SUPABASE_KEY"]', ".env": f"NEXT_PUBLIC_SUPABASE_ANON_KEY={SECRET}\n"})
    assert list(world.said()) == ["warning setting-missing SUPABASE_KEY"]


def test_of_several_names_one_is_missed(world: World) -> None:
    source = 'a = os.getenv("SUPABASE_KEY") or os.getenv("SUPABASE_ANON_KEY")'
    world.write({"a.py": source, ".env": f"SUPABASE_URL={SECRET}\n"})
    assert list(world.said()) == ["warning setting-missing SUPABASE_KEY"]


def test_where_nobody_looks_and_what_cannot_be_read(world: World) -> None:
    """Nothing of others is read, no link is followed, and a file of settings that is no text is named."""
    world.write({"node_modules/x.js": "process.env.SUPABASE_KEY", ".env": f"SUPABASE_URL={SECRET}\n"})
    (world.folder / "link.js").symlink_to(world.folder / "node_modules" / "x.js")
    assert world.said() == {}
    (world.folder / "api").mkdir()
    (world.folder / "api" / ".env").write_bytes(b"A=\xff")
    look_around.cache_clear()
    (unseen,) = world.found()
    assert (unseen.id, unseen.seen, unseen.found) == ("setting-under-another-name", False, "could not look: api/.env")


def test_one_secret_everywhere(world: World) -> None:
    world.write({".env": f"SUPABASE_JWT_SECRET={SECRET}\n", "api/.env": f"GOTRUE_JWT_SECRET={SECRET}\n"})
    assert world.said() == {}
    # What is taken from elsewhere, or was not filled in, is no other secret.
    world.write({"api/.env": "GOTRUE_JWT_SECRET=${JWT_SECRET}\n", "web/.env": "PGRST_JWT_SECRET=changeme\n"})
    assert list(world.said()) == ["wrong setting-placeholder PGRST_JWT_SECRET"]
    (world.folder / "web" / ".env").unlink()
    world.write({"api/.env": f"GOTRUE_JWT_SECRET={SECRET}!\n"})
    ((what, words),) = world.said().items()
    assert what == "wrong secrets-differ JWT secret"
    assert ".env SUPABASE_JWT_SECRET is another secret than api/.env GOTRUE_JWT_SECRET" in words


def test_keys_of_a_stack_that_do_not_fit(world: World) -> None:
    now = datetime.now(UTC)
    env, other = new_env("http://localhost:8000", now), new_env("http://localhost:8000", now)
    world.write({"stack/.env": env.text}).folder.joinpath("stack/.env").chmod(0o600)
    assert world.said() == {}
    world.write({"web/.env": f"NEXT_PUBLIC_SUPABASE_ANON_KEY={other.values['ANON_KEY']}\n"})
    found = [f for f in world.found() if f.id == "keys-do-not-fit"]
    assert found
    assert all(other.values["ANON_KEY"] not in str(f) for f in found)
    assert "web/.env:1" in found[0].found
