"""Sample of an application that knows one provider: Strava's connections in a table of their own.

What is planted, beside the shares; each is there at any size.

| where | who or how many | what |
|---|---|---|
| users | 2, 3, 4 | no names: NULL, empty, blanks; 5 has only a first name, 6 only a last one |
| | 7, 8 | the role written 'Athlete' and 'COACH' |
| strava_connections | 9 and 10, and 2 of 500 | two users on one athlete, whose activities both have |
| | 11, and 1 of 500 | two connections of one user |
| | 12, and 3 of 10 | no connection, though their activities came from the provider |
| | 5 kinds | profiles that are NULL, empty, 'null', JSON, with quotes, a backslash and a line end |
| activities | 1 of 10 | manual: without the provider's id |
| | 1 of 1000, and once for 11 and 13 | the same activity twice: equal user and provider's id |
| | | Strava's real types, in any case, and some that nobody knows |
| password_reset_tokens | | good, expired, used, and both |

User 1 is the admin. Tokens are words that nobody takes for real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from ecluse.recipes.texts import text_of

Connection = psycopg.Connection[Any]

FEWEST = 16  # users, so that each trap has its place
_SCRIPTS = ("chance", "users", "connections", "activities", "around")
# How ids are made, and what the id of row n is.
_NUMBERED = ("user", "connection", "token", "workout")
_TYPES = {
    "integer": {"key": "serial", "id": "integer"} | {f"of_{word}": "n" for word in _NUMBERED},
    "uuid": {"key": "uuid default gen_random_uuid()", "id": "uuid"}
    | {f"of_{word}": f"pg_temp.uuid_of(n, '{word}')" for word in _NUMBERED},
}


def load(conns: Mapping[str, Connection], generation: str, rows: int, seed: int) -> None:
    """Make the tables of the one database in schema public, in one transaction. `rows` counts the activities.

    Where there are accounts of Supabase, users have one; UUIDs of users are those of their accounts.
    """
    [conn] = conns.values()
    slots = {"rows": str(rows), "people": str(max(rows // 100, FEWEST)), "seed": str(seed), **_TYPES[generation]}
    with conn.transaction():
        conn.execute("set local timezone = 'UTC'")
        for name in _SCRIPTS + (("accounts",) if _knows_accounts(conn) else ()):
            conn.execute(text_of(__name__, f"{name}.sql", **slots).encode())
        if generation == "integer":
            conn.execute(text_of(__name__, "sequences.sql").encode())
    conn.execute("analyze")


def _knows_accounts(conn: Connection) -> bool:
    return conn.execute("select to_regclass('auth.users') is not null").fetchone() == (True,)
