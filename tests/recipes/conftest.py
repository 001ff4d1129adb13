"""What the tests of two databases share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ecluse.postgres.connect import Database
from tests.supabase.conftest import drop_roles


@pytest.fixture
def people(second_database: Database) -> Iterator[Database]:
    yield replace(second_database, name="people")
    drop_roles(second_database)
