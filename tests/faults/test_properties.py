"""Random tables under random writers: nothing that was committed is lost, in either direction."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ecluse.engine import copy
from ecluse.model.names import literal
from ecluse.postgres.connect import Database
from tests import harness
from tests.faults.application import KINDS, Application, Row, Shape
from tests.harness import OLD_APPLICATION, OPTIONS, Stage

EXAMPLES = 25 if harness.FULL else 3

shapes = st.builds(
    Shape,
    key=st.sampled_from(["text", "both", "int"]),
    columns=st.lists(st.sampled_from(sorted(KINDS)), max_size=4).map(tuple),
    child=st.booleans(),
    view=st.booleans(),
    index=st.booleans(),
    trigger=st.booleans(),
    rows=st.sampled_from([0, 1, 60, 250]),
)


def as_rows(database: Database, shape: Shape, expected: list[Row], *, converted: bool) -> tuple[list[str], list[str]]:
    """The rows of both tables as text, as the model says they must be."""
    form = (lambda text: str(uuid.UUID(text))) if converted else str
    things, parts = [], []
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        for row in expected:
            values = "".join(f", {value}" for value in shape.values(str(row.seed)))
            typed = f"{literal(form(row.u))}::text, {row.k}{values}"
            answer = conn.execute(f"SELECT ROW({typed})::text".encode()).fetchone()
            things.append(answer[0] if answer else "")
            key = [form(row.u) if c == "u" else str(row.k) for c in shape.key_columns]
            parts += [str((part, *key)) for part in row.parts]
    return sorted(things), sorted(parts)


def found_rows(database: Database, shape: Shape) -> tuple[list[str], list[str]]:
    """The rows of both tables as they are, in the same words."""
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        columns = "".join(f", c{n}" for n in range(len(shape.columns)))
        things = conn.execute(f"SELECT ROW(u::text, k{columns})::text FROM things".encode()).fetchall()
        parts: list[tuple[object, ...]] = []
        if shape.child:
            keys = ", ".join(f"{c}::text" for c in shape.key_columns)
            parts = conn.execute(f"SELECT id, {keys} FROM parts".encode()).fetchall()
    return sorted(row[0] for row in things), sorted(str(row) for row in parts)


random_runs = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a run is a race, and no smaller example is the same one
    report_multiple_bugs=False,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@example(shape=Shape("int", ("text",), child=True, view=False, index=False, trigger=False, rows=60), seed=1)
@given(shape=shapes, seed=st.integers(0, 1000))
@random_runs
def test_nothing_committed_is_lost(
    fresh_database: Callable[[], Database],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    shape: Shape,
    seed: int,
) -> None:
    monkeypatch.setattr(copy, "_FIRST_PAGES", 1)
    database = fresh_database()
    file = tmp_path_factory.mktemp("p") / "m.toml"
    file.write_text('name = "m"\n[[operation]]\nkind = "convert_column"\ntable = "public.things"\ncolumn = "u"\n')
    application = Application(database, shape, seed)
    stage = Stage(database, file)
    structure = harness.snapshot(database).catalog
    with application.writing():
        assert stage.apply() == "ready"
        stage.switch()
    assert application.lost == []
    assert application.committed > 10
    assert found_rows(database, shape) == as_rows(database, shape, application.expected(), converted=True)
    with application.writing():
        stage.verify()
        stage.rollback()
    assert application.lost == []
    assert found_rows(database, shape) == as_rows(database, shape, application.expected(), converted=False)
    harness.same_structure(harness.snapshot(database).catalog, structure)


@example(shape=Shape("text", ("jsonb", "text"), child=True, view=True, index=True, trigger=True, rows=60), seed=2)
@given(shape=shapes, seed=st.integers(0, 1000))
@random_runs
def test_old_and_new_writers(
    fresh_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory, shape: Shape, seed: int
) -> None:
    """One thread goes on with the old shape, the other with the new one: both see all that both have committed."""
    database = fresh_database()
    old = harness.old_application(database)
    file = tmp_path_factory.mktemp("p") / "m.toml"
    file.write_text('name = "m"\n[[operation]]\nkind = "convert_column"\ntable = "public.things"\ncolumn = "u"\n')
    application = Application(database, shape, seed, old=old)
    stage = Stage(database, file, replace(OPTIONS, old_shape_for=(OLD_APPLICATION,), recycle_clients=True))
    structure = harness.snapshot(database).catalog
    with application.writing():
        assert stage.apply() == "ready"
        stage.switch()
    for _ in range(2):
        assert application.lost == []
        assert application.retried <= 2  # each thread once
        expected = application.expected()
        assert found_rows(database, shape) == as_rows(database, shape, expected, converted=True)
        assert found_rows(old, shape) == as_rows(database, shape, expected, converted=False)
        with application.writing():
            stage.verify()
    with application.writing():
        stage.rollback()
    assert application.lost == []
    assert found_rows(database, shape) == as_rows(database, shape, application.expected(), converted=False)
    harness.same_structure(harness.snapshot(database).catalog, structure)
