"""A clean world of two databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecluse.postgres.connect import Database
from tests.identity.world import APPLICATION, PEOPLE, World


@pytest.fixture
def world(database: Database, second_database: Database) -> World:
    """Nothing is wrong in it."""
    made = World({"app": database, "people": replace(second_database, name="people")})
    made.run("app", APPLICATION)
    made.run("people", PEOPLE)
    return made
