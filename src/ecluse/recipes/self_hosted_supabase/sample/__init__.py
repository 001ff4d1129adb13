"""Sample of an application that keeps its users itself, with numbers for ids, and would go to a Supabase of its own.

What is planted, as shares of the users, or of the rows of a table. Each is there once at least from 200 users on.

| where | share | what |
|---|---|---|
| users.password_hash | 80 % | bcrypt: seven of ten `$2b$12$`, else `$2a$`, `$2y$` and `$2b$` of lower costs |
| | 8 %, 2 %, 4 % | Argon2id, Argon2i, the scrypt of Firebase |
| | 6 % | eleven kinds that a Supabase does not take, see passwords.sql |
| users.email | 0.5 % | twins: pairs that differ in case only; both have conversations, documents and a quota |
| | 1 % | none: NULL, once the empty text, once blanks only |
| | 0.5 % | no e-mail: without `@`, nothing after it or before it, blanks inside, more than 255 characters |
| | 0.5 % | good when trimmed and in lower case |
| | 0.1 % | good, of 252 characters |
| users.is_active | 2 % | false |
| users.last_login | 30 % | NULL |
| users.created_at | 10 % | that of the user before |
| users.full_name | 3 %, 1 %, 0.1 % | NULL, empty, of 420 characters; in many scripts |
| owners without a foreign key | 0.5 % | ids of nobody: 0, -1, above all others |
| watch_history.user_id | 3 % | NULL |
| activity_logs.user_id | 10 % | NULL |
| invitations.created_by, used_by | 5 %, a third | NULL |
| auth.users, where there is one | 0.5 % | accounts of users, with other ids and passwords; and four of nobody |

User 1 is the admin, and the only one. Users are numbered without gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from ecluse.recipes.conversations_to_messages.texts import text as conversations_text
from ecluse.recipes.texts import text_of

Connection = psycopg.Connection[Any]

_SCRIPTS = {"services": ("chance", "passwords", "users", "memory", "services")}


def load(conns: Mapping[str, Connection], generation: str, rows: int, seed: int) -> None:
    """Make the tables of the one database in schema public, in one transaction. `rows` counts the users."""
    [conn] = conns.values()
    slots = {"rows": str(rows), "seed": str(seed)}
    with conn.transaction():
        conn.execute("set local timezone = 'UTC'")
        conn.execute(conversations_text("sample/dice.sql", **slots).encode())
        scripts = _SCRIPTS[generation] + (("accounts",) if _knows_accounts(conn) else ())
        for name in scripts:
            conn.execute(text_of(__name__, f"{name}.sql", **slots).encode())
    conn.execute("analyze")


def _knows_accounts(conn: Connection) -> bool:
    return conn.execute("select to_regclass('auth.users') is not null").fetchone() == (True,)
