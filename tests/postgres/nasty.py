"""The database in which everything that a table can have is there once, under hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from ecluse.model.names import Name
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.sql import lines_for

SCHEMA = "Sch é ma"
USER = Name("public", "user")
WEIRD = Name(SCHEMA, 'We"ird')
PERCENT = Name("public", "100%")
LONG = Name("public", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg")
TABLES = (USER, WEIRD, PERCENT, LONG)


_PRELUDE_ENDS = "-- end of prelude"


def script(major: int, *, prelude: bool = False) -> str:
    """The SQL that makes it; the prelude is roles, default privileges, schemas, types and a trigger function."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    return lines_for(text.split(_PRELUDE_ENDS)[0] if prelude else text, major)


@contextmanager
def nasty(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session on the database, with all of it made."""
    with open_session(database) as conn:
        conn.execute(script(conn.info.server_version // 10000).encode())
        yield conn
