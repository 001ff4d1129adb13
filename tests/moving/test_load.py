"""A move while applications write: what was acknowledged, on whichever side, is there in the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from tests.harness import load
from tests.moving.places import AS_IT_WAS, Places, prepared, rows

_INSERT = (
    "INSERT INTO public.invitations (id, inviter_email, invited_email, token) "
    "VALUES (gen_random_uuid(), 'w@example.org', 'w@example.org', %s) RETURNING number"
)


@dataclass
class Application:
    """Writes to whichever database takes it: where one refuses, it goes to the other, as after a new configuration."""

    databases: list[Database]
    name: str
    acknowledged: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    numbers: list[int] = field(default_factory=list)
    moved: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            try:
                with psycopg.connect(self.databases[0].conninfo, autocommit=True) as conn:
                    while not self.stop.is_set():
                        number += 1
                        self._write(conn, number)
            except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.UndefinedTable):
                self.databases.reverse()
                self.moved += 1

    def _write(self, conn: psycopg.Connection[tuple[object, ...]], number: int) -> None:
        token = f"{self.name}-{number}-{self.moved}"
        row = conn.execute(_INSERT, (token,)).fetchone()
        self.numbers.append(int(str(row[0])) if row else 0)
        self.acknowledged.add(token)
        conn.execute("UPDATE public.invitations SET weight = 1, status = 'accepted' WHERE token = %s", (token,))
        if number % 3 == 0:
            conn.execute("DELETE FROM public.invitations WHERE token = %s", (token,))
            self.acknowledged.discard(token)
            self.gone.add(token)


@contextmanager
def _writing(places: Places, number: int = 2) -> Iterator[list[Application]]:
    applications = [Application([places.origin, places.database], f"w{n}") for n in range(number)]
    threads = [threading.Thread(target=each.run) for each in applications]
    for thread in threads:
        thread.start()
    try:
        yield applications
    finally:
        for each in applications:
            each.stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def places(database: Database, second_database: Database, tmp_path: Path) -> Places:
    return prepared(second_database, database, tmp_path, AS_IT_WAS)


def test_nothing_acknowledged_is_lost_whichever_way_the_table_goes(places: Places, tmp_path: Path) -> None:
    with _writing(places) as applications:
        for _ in range(2):
            places.apply()
            places.switch()
            places.verify()
            _wait_for_writes(applications)
            places.rollback()
            _wait_for_writes(applications)
        places.apply()
        places.switch()
        _wait_for_writes(applications)
    places.verify()
    there = {str(row[0]) for row in rows(places.database, "SELECT token FROM public.invitations WHERE token ~ '^w'")}
    for each in applications:
        assert each.moved >= 5, "it never wrote on the other side"
        assert each.acknowledged <= there, sorted(each.acknowledged - there)[:5]
        assert not each.gone & there
    numbers = [number for each in applications for number in each.numbers]
    assert len(numbers) == len(set(numbers)), "the sequence gave a number twice"
    assert rows(places.database, "SELECT count(*) FROM ecluse.parked") == [(0,)]
    places.finish(tmp_path / "archive")


def _wait_for_writes(applications: list[Application]) -> None:
    before = [len(each.numbers) for each in applications]
    for _ in range(600):
        if all(len(each.numbers) > count + 20 for each, count in zip(applications, before, strict=True)):
            return
        threading.Event().wait(0.05)
    raise AssertionError("nobody writes")


def test_a_truncate_while_it_is_copied_starts_the_copy_again(places: Places) -> None:
    plan = places.plan()
    done = []

    def once(event: object) -> None:
        if getattr(event, "step", "") == "copied" and not done:
            done.append(event)
            load(
                places.origin,
                "TRUNCATE public.invitations; INSERT INTO public.invitations (id, inviter_email, "
                "invited_email) VALUES (gen_random_uuid(), 'a', 'b')",
            )

    assert places.engine(once).apply(plan).status == "ready"
    assert done
    places.switch()
    places.verify()
    assert rows(places.database, "SELECT count(*) FROM public.invitations") == [(1,)]
    load(
        places.database,
        "TRUNCATE public.invitations; INSERT INTO public.invitations (id, inviter_email, "
        "invited_email) VALUES (gen_random_uuid(), 'c', 'd')",
    )
    places.rollback()
    assert rows(places.origin, "SELECT inviter_email FROM public.invitations") == [("c",)]


def test_values_that_change_places_come_home(places: Places) -> None:
    """Each of two batches alone would trip over the unique token."""
    places = replace(places, options=replace(places.options, unit_batch=1))
    places.apply()
    places.switch()
    load(
        places.database,
        """BEGIN; UPDATE public.invitations SET token = 'x' WHERE token = 't1';
        UPDATE public.invitations SET token = 't1' WHERE token = 't2';
        UPDATE public.invitations SET token = 't2' WHERE token = 'x'; COMMIT""",
    )
    new = rows(places.database, "SELECT i::text FROM public.invitations i ORDER BY id")
    places.rollback()
    assert rows(places.origin, "SELECT i::text FROM public.invitations i ORDER BY id") == new
    assert rows(places.database, "SELECT count(*) FROM ecluse.parked") == [(0,)]
