"""Who contends for the activities does the whole job: the same rows, columns, indexes and constraints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.cases.activities import ACTIVITIES
from benchmarks.ground import connect
from benchmarks.templates import Templates

from benchmarks import ours

ROWS = 2_000
_TABLES = ("activities", "provider_connections")
_CONTENT = "SELECT count(*), sum(hashtextextended(to_jsonb(t)::text, 0)::numeric) FROM {} t"
_SHAPE = """
SELECT 'column', attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index', substring(pg_get_indexdef(indexrelid) FROM 'USING .*'), indisunique::text
FROM pg_index WHERE indrelid = %(table)s::regclass
UNION ALL SELECT 'constraint', pg_get_constraintdef(oid), convalidated::text
FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype IN ('p', 'u', 'f')
"""
_STRICT = """
SELECT attname, attnotnull FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
"""

Arrived = dict[str, tuple[Any, ...]]


@pytest.fixture(scope="module")
def ground(open_folder: Path) -> Iterator[Templates]:
    server = Templates(open_folder / "activities", ACTIVITIES)
    yield server
    server.close()


@pytest.fixture(scope="module")
def floor(ground: Templates) -> Arrived:
    """What is there after the floor, in its schema."""
    conninfo = ground.fresh(ground.prepare(ROWS))
    ACTIVITIES.peers["floor"].work(conninfo)
    return _arrived(conninfo, "next")


@pytest.mark.parametrize("contender", ACTIVITIES.contenders[1:])
def test_the_new_shape_is_that_of_the_floor(ground: Templates, floor: Arrived, contender: str) -> None:
    conninfo = ground.fresh(ground.prepare(ROWS))
    if contender == "ecluse":
        ours.ecluse(ACTIVITIES, conninfo, {})
    else:
        ACTIVITIES.peers[contender].work(conninfo)
    assert _arrived(conninfo, "public") == floor
    with connect(conninfo) as conn:
        strict = {name for name, strict in conn.execute(_STRICT, {"table": "public.activities"}) if strict}
        assert strict == {"id", "user_id", "name", "activity_type", "start_date", "created_at", "updated_at"}
        conn.execute(
            "INSERT INTO provider_connections (user_id, provider, provider_user_id, access_token, "
            "refresh_token, token_expires_at) VALUES (10, 'garmin', 'x', 'a', 'r', now())"
        )


def test_the_sample_has_what_a_migration_trips_over(ground: Templates, floor: Arrived) -> None:
    conninfo = ground.fresh(ground.prepare(ROWS))
    asked = {
        "typed by hand": "strava_activity_id IS NULL",
        "of a person who is not connected": "user_id NOT IN (SELECT user_id FROM strava_connections)",
        "with and without upload": "strava_activity_id IS NOT NULL AND strava_upload_id IS NULL",
        "other words": "activity_type IN ('TrailRun', 'cycling', 'AlpineSki')",
        "wide": "length(map_polyline) > 280",
    }
    with connect(conninfo) as conn:
        for what, condition in asked.items():
            row = conn.execute(f"SELECT count(*) FROM activities WHERE {condition}".encode()).fetchone()
            assert row and 0 < row[0] < ROWS, what


def _arrived(conninfo: str, schema: str) -> Arrived:
    found: Arrived = {}
    with connect(conninfo) as conn:
        conn.execute(f"SET search_path = {schema}, public".encode())
        for table in _TABLES:
            shape = sorted(conn.execute(_SHAPE, {"table": f"{schema}.{table}"}).fetchall())
            content = conn.execute(_CONTENT.format(table).encode()).fetchone()
            found[table] = (content, *shape)
    return found
