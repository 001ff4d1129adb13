"""A table that moves from one database to another, through its whole life."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.harness import load
from tests.moving.places import AS_IT_WAS, OTHERWISE, Places, prepared, rows

OLD = 'SELECT i::text FROM public.invitations i ORDER BY i::text COLLATE "C"'
WRITE_OLD = """
INSERT INTO public.invitations (id, inviter_email, invited_email, token)
VALUES (gen_random_uuid(), 'late@example.org', 'X@example.org', 'late');
UPDATE public.invitations SET status = 'accepted', weight = 0.1 WHERE token IN ('t1', 't7');
DELETE FROM public.invitations WHERE token = 't9';
"""


@pytest.fixture(params=[AS_IT_WAS, OTHERWISE], ids=["as it was", "otherwise"])
def places(request: pytest.FixtureRequest, database: Database, second_database: Database, tmp_path: Path) -> Places:
    return prepared(second_database, database, tmp_path, request.param)


def test_a_table_moves_and_comes_back_and_moves_for_good(places: Places, tmp_path: Path) -> None:
    assert places.apply_as_foreseen() == "ready"
    load(places.origin, WRITE_OLD)
    before = rows(places.origin, OLD)
    places.switch()
    places.verify()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="closed for writing"):
        load(places.origin, "DELETE FROM public.invitations")
    places.rollback()
    assert rows(places.origin, OLD) == before
    load(places.origin, WRITE_OLD.replace("t1", "t2").replace("'late'", "'later'"))
    assert rows(
        places.database, "SELECT to_regclass('public.invitations') IS NULL AND to_regclass('public.invites') IS NULL"
    ) == [(True,)]
    assert places.apply() == "ready"
    places.switch()
    archive = places.finish(tmp_path / "archive")
    assert (archive / "from-origin" / "manifest.json").exists()
    assert rows(places.origin, "SELECT to_regclass('public.invitations') IS NULL") == [(True,)]
    assert rows(places.origin, "SELECT count(*) FROM pg_proc WHERE pronamespace = 'ecluse'::regnamespace") == [(0,)]


def test_a_serial_column_goes_on_by_its_own_steps(
    database: Database, second_database: Database, tmp_path: Path
) -> None:
    places = prepared(second_database, database, tmp_path, AS_IT_WAS.replace("invitations", "steps"))
    load(
        places.origin,
        "CREATE TABLE public.steps (id serial PRIMARY KEY, t text); ALTER SEQUENCE public.steps_id_seq INCREMENT BY 5;"
        "INSERT INTO public.steps (t) VALUES ('a'), ('b')",
    )
    places.apply()
    places.switch()
    load(places.database, "INSERT INTO public.steps (t) VALUES ('c')")
    assert rows(places.database, "SELECT id FROM public.steps ORDER BY 1") == [(1,), (6,), (11,)]
    places.rollback()
    load(places.origin, "INSERT INTO public.steps (t) VALUES ('d')")
    assert rows(places.origin, "SELECT id FROM public.steps ORDER BY 1") == [(1,), (6,), (11,), (16,)]
