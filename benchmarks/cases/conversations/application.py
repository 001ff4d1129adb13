"""The application on conversations: it reads and writes by key."""

from __future__ import annotations

import random
import uuid

from benchmarks.ground import Connection
from benchmarks.load import Application

_IDS = "SELECT id FROM conversations TABLESAMPLE BERNOULLI (20) LIMIT 20000"


def converse(conn: Connection, chance: random.Random, ids: list[str]) -> None:
    """One of four: read, change, add, tag. Ids go over as text of no type, so both shapes take them."""
    one, dice = chance.choice(ids), chance.random()
    if dice < 0.5:
        conn.execute("SELECT * FROM conversations WHERE id = %s", (one,)).fetchall()
    elif dice < 0.8:
        conn.execute("UPDATE conversations SET response = response || '.' WHERE id = %s", (one,))
    elif dice < 0.95:
        new = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        conn.execute(
            "INSERT INTO conversations (id, session_id, user_id, question) VALUES (%s, 'web', 'user-1', 'how?')", (new,)
        )
        ids[chance.randrange(len(ids))] = new
    else:
        conn.execute("INSERT INTO tags (conversation_id, tag) VALUES (%s, 'later')", (one,))


APPLICATION = Application(_IDS, converse, 300.0)
