"""A database to compare, and what is expected of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecluse.model.catalog import Catalog
from ecluse.planning.bring import bring
from ecluse.planning.expectation import EXTRA, Finding, comparable, compare
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.expected import expected_of
from tests.harness import load


@dataclass(frozen=True)
class Comparison:
    """A schema, a database, and how they differ."""

    expected: Catalog
    actual: Catalog

    @property
    def findings(self) -> tuple[Finding, ...]:
        return compare(comparable(self.expected), comparable(self.actual))

    @property
    def told(self) -> list[tuple[str, str]]:
        """State and text of what is no mere extra."""
        return [(f.state, str(f)) for f in self.findings if f.state != EXTRA]

    @property
    def extra(self) -> list[str]:
        return [str(f) for f in self.findings if f.state == EXTRA]

    @property
    def migration(self) -> str:
        return bring("as_expected", "app", self.findings, comparable(self.expected), comparable(self.actual))


Compared = Callable[[str, str], Comparison]


@pytest.fixture
def compared(database: Database, open_folder: Path) -> Compared:
    """Compares what two scripts make: the first is expected, the second is there already and may be empty."""

    def run(wanted: str, there: str) -> Comparison:
        if there:
            load(database, there)
        with open_session(database) as conn:
            actual = read_catalog(conn, measure=False)
        return Comparison(expected_of(wanted, "schema.sql", actual, open_folder), actual)

    return run
