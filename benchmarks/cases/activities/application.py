"""The application on activities: a person looks at his own, renames one, and a sync brings new ones."""

from __future__ import annotations

import random

import psycopg

from benchmarks.ground import Connection
from benchmarks.load import Application

_LATEST = "SELECT * FROM activities WHERE user_id = %s ORDER BY start_date DESC LIMIT 20"
_RENAME = """
UPDATE activities SET name = left(name || '.', 255), updated_at = now()
WHERE id = (SELECT id FROM activities WHERE user_id = %s ORDER BY id OFFSET %s LIMIT 1)
"""
_TYPED = """
INSERT INTO activities (user_id, name, activity_type, start_date, moving_time, is_manual)
VALUES (%s, 'By hand', 'run', now(), 1800, true)
"""
_SYNCED = """
INSERT INTO activities (user_id, strava_activity_id, name, activity_type, start_date, moving_time, distance)
VALUES (%s, %s, 'Synced', 'run', now(), 3600, 10000)
"""
_SYNCED_NEW = """
INSERT INTO activities (user_id, external_id, connection_id, name, activity_type, start_date, moving_time, distance)
VALUES (%s, %s, (SELECT id FROM provider_connections WHERE user_id = %s AND provider = 'strava'),
        'Synced', 'run', now(), 3600, 10000)
"""
_TOKENS = "UPDATE strava_connections SET access_token = %s, updated_at = now() WHERE user_id = %s"


def train(conn: Connection, chance: random.Random, people: list[int]) -> None:
    """One of five. Most name only what both shapes have; a sync knows either, as an application amid a deploy does."""
    one, dice = chance.choice(people), chance.random()
    if dice < 0.5:
        conn.execute(_LATEST, (one,)).fetchall()
    elif dice < 0.75:
        conn.execute(_RENAME, (one, chance.randrange(50)))
    elif dice < 0.8:
        conn.execute(_TYPED, (one,))
    elif dice < 0.95:
        _sync(conn, one, chance.getrandbits(59))
    else:
        conn.execute(_TOKENS, (str(chance.getrandbits(128)), one))


def _sync(conn: Connection, one: int, activity: int) -> None:
    try:
        conn.execute(_SYNCED, (one, activity))
    except psycopg.errors.UndefinedColumn:
        conn.execute(_SYNCED_NEW, (one, str(activity), one))


APPLICATION = Application("SELECT id FROM users", train, 300.0)
