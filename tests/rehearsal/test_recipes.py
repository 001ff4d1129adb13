"""The recipes on their samples, rehearsed under load: what the load makes up must not be what fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecluse.engine.planner import make_plan
from ecluse.postgres.connect import Database
from ecluse.postgres.project import read_migration
from ecluse.supabase.prepare import prepare
from tests.harness import Stage
from tests.recipes import test_conversations, test_self_hosted_supabase
from tests.recipes.providers import GENERATIONS, sample, write
from tests.recipes.two import two
from tests.rehearsal.test_life import rehearsed, silent
from tests.supabase.conftest import drop_roles

pytestmark = pytest.mark.slow


def conversations(app: Database, people: Database, folder: Path) -> Stage:
    return test_conversations.stage(app, folder, "L2")


def providers(app: Database, people: Database, folder: Path) -> Stage:
    prepare(app)
    sample(app, GENERATIONS[0], 300)
    return write(app, folder)


def users(app: Database, people: Database, folder: Path) -> Stage:
    prepare(app)
    return test_self_hosted_supabase.written(app, folder, 400)


def profiles(app: Database, people: Database, folder: Path) -> Stage:
    return two(app, people, folder, "L3").profiles


@pytest.mark.parametrize("make", [conversations, providers, users, profiles])
def test_a_recipe_passes_its_rehearsal(
    make: Callable[[Database, Database, Path], Stage],
    database: Database,
    second_database: Database,
    open_folder: Path,
    tmp_path: Path,
) -> None:
    try:
        stage = make(database, second_database, tmp_path)
        migration = read_migration(stage.file)
        databases = {"app": database, "people": second_database}
        found = rehearsed(migration, databases, open_folder, silent)
        assert found.record.passed, found.failures
        plan = make_plan(databases[migration.database], migration, origins=databases.__getitem__)
        assert found.record.fingerprint == plan.fingerprint
    finally:
        drop_roles(second_database if make is profiles else database)
