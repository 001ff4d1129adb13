"""Rows on the way home that the old table takes only in company, or not at all; and keys that are equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.postgres.connect import Database
from tests.harness import load
from tests.moving.places import AS_IT_WAS, Places, rows

ALL = 'SELECT t::text FROM public.t ORDER BY t::text COLLATE "C"'
TREE = "CREATE TABLE public.t (id int PRIMARY KEY, p int REFERENCES public.t {rule}, v text);"
FAMILY = "INSERT INTO public.t VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, NULL, 'd')"


@pytest.fixture
def places(database: Database, second_database: Database, tmp_path: Path) -> Places:
    file = tmp_path / "bring.toml"
    file.write_text(AS_IT_WAS.replace("public.invitations", "public.t"))
    return Places(database, file, origin=second_database)


def _there_and_back(places: Places, before: str, write: str) -> tuple[list[str], set[str]]:
    """What stands in the origin after a rollback, and the keys that were parked."""
    load(places.origin, before)
    places.apply()
    places.switch()
    load(places.database, write)
    places.rollback()
    parked = {str(row[0]) for row in rows(places.database, "SELECT key FROM ecluse.parked")}
    return [str(row[0]) for row in rows(places.origin, ALL)], parked


@pytest.mark.parametrize("rule", ["", "ON DELETE RESTRICT", "ON DELETE CASCADE", "ON DELETE SET NULL"])
def test_rows_that_refer_to_one_that_was_changed_stay(places: Places, rule: str) -> None:
    found = _there_and_back(places, TREE.format(rule=rule) + FAMILY, "UPDATE public.t SET v = 'x' WHERE id = 1")
    assert found == (["(1,,x)", "(2,1,b)", "(3,2,c)", "(4,,d)"], set())


def test_rows_that_refer_to_one_that_is_gone_are_parked(places: Places) -> None:
    rule = "ON DELETE CASCADE"  # the new table has no such key, so nothing went with it there
    found = _there_and_back(places, TREE.format(rule=rule) + FAMILY, "DELETE FROM public.t WHERE id = 1")
    assert found == (["(4,,d)"], {"(2)", "(3)"})


def test_rows_that_refer_to_one_that_does_not_come_home_are_parked(places: Places) -> None:
    before = TREE.format(rule="") + FAMILY + "; ALTER TABLE public.t ADD CONSTRAINT whole CHECK (v <> '')"
    write = "ALTER TABLE public.t DROP CONSTRAINT whole; "
    write += "INSERT INTO public.t VALUES (7, 6, 'y'), (6, 5, 'x'), (5, 1, ''), (8, 1, 'z')"
    found, parked = _there_and_back(places, before, write)
    assert found == ["(1,,a)", "(2,1,b)", "(3,2,c)", "(4,,d)", "(8,1,z)"]
    assert parked == {"(5)", "(6)", "(7)"}


@pytest.mark.parametrize(
    ("before", "write"),
    [
        pytest.param(
            "CREATE TABLE public.t (id int PRIMARY KEY, r int4range, kind text, "
            "CONSTRAINT apart EXCLUDE USING gist (r WITH &&) WHERE (kind = 'room'));"
            "INSERT INTO public.t VALUES (1, '[1,5)', 'room')",
            "ALTER TABLE public.t DROP CONSTRAINT apart; "
            "INSERT INTO public.t VALUES (2, '[3,4)', 'room'), (3, '[3,4)', 'desk')",
            id="excluded",
        ),
        pytest.param(
            "CREATE TABLE public.parent (a int, b int, PRIMARY KEY (a, b)); INSERT INTO public.parent VALUES (1, 1);"
            "CREATE TABLE public.t (id int PRIMARY KEY, a int, b int, "
            "FOREIGN KEY (a, b) REFERENCES public.parent MATCH FULL); INSERT INTO public.t VALUES (1, 1, 1)",
            "INSERT INTO public.t VALUES (2, 1, NULL), (3, NULL, NULL)",
            id="half a reference",
        ),
        pytest.param(
            "CREATE TABLE public.t (id int PRIMARY KEY, v text, low text GENERATED ALWAYS AS (lower(v)) STORED "
            "CONSTRAINT once UNIQUE); INSERT INTO public.t VALUES (1, 'a')",
            "ALTER TABLE public.t DROP CONSTRAINT once; INSERT INTO public.t VALUES (2, 'A'), (3, 'B')",
            id="a generated column twice",
        ),
        pytest.param(
            "CREATE TABLE public.parent (a int PRIMARY KEY); INSERT INTO public.parent VALUES (1);"
            "CREATE TABLE public.t (id int PRIMARY KEY, a int REFERENCES public.parent DEFERRABLE INITIALLY DEFERRED);"
            "INSERT INTO public.t VALUES (1, 1)",
            "INSERT INTO public.t VALUES (2, 7), (3, 1)",
            id="a reference that is asked late",
        ),
    ],
)
def test_one_row_that_the_old_table_refuses_does_not_keep_the_others(places: Places, before: str, write: str) -> None:
    found, parked = _there_and_back(places, before, write)
    assert [row[1] for row in found] == ["1", "3"]
    assert parked == {"(2)"}


@pytest.mark.parametrize(
    ("type_", "old", "new"), [("numeric", "1.0", "1.00"), ("double precision", "-0", "0"), ("interval", "1 d", "24:00")]
)
def test_a_key_that_is_written_otherwise_is_the_same_row(places: Places, type_: str, old: str, new: str) -> None:
    load(
        places.origin,
        f"CREATE TABLE public.t (id {type_} PRIMARY KEY, v text); INSERT INTO public.t VALUES ('{old}', '')",
    )
    plan = places.plan()

    def change(event: object) -> None:
        if getattr(event, "step", "") == "copied":
            load(places.origin, f"UPDATE public.t SET id = '{new}'")

    assert places.engine(change).apply(plan).status == "ready"
    places.switch()
    places.verify()
    there = rows(places.origin, ALL)
    assert rows(places.database, ALL) == there
    load(places.database, f"UPDATE public.t SET id = '{old}', v = 'x'")
    changed = rows(places.database, ALL)
    places.rollback()
    assert rows(places.origin, ALL) == changed
