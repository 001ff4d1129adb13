"""Estimates and the statements of a load, made of values alone."""

from __future__ import annotations

import pytest

from ecluse.engine.rehearsal.estimate import Scale, expected
from ecluse.engine.rehearsal.load_sql import writes
from ecluse.model.catalog import Column, Constraint, Table
from ecluse.model.names import Name
from ecluse.model.rehearsal import Figures

WHOLE = Scale(rows=1_000_000, real_rows=1_000_000, machine=1.0)
TENTH = Scale(rows=1_000_000, real_rows=10_000_000, machine=1.0)


def width(scale: Scale, step: str = "verify", seconds: float = 60.0) -> tuple[float, float]:
    found = expected(Figures(step, seconds), scale)
    assert found.low is not None and found.high is not None
    return found.low, found.high


def test_an_estimate_holds_the_measurement_and_is_wider_where_less_is_known() -> None:
    low, high = width(WHOLE)
    assert low < 60 < high < 2.5 * 60
    assert low == pytest.approx(60 / 1.5, rel=0.02)
    low, high = width(TENTH)
    assert low < 600 < high
    ratio = {name: b / a for name, (a, b) in {"whole": width(WHOLE), "tenth": width(TENTH)}.items()}
    few = width(Scale(rows=1000, real_rows=10_000, machine=1.0))
    unknown = width(Scale(rows=1_000_000, real_rows=1_000_000))
    assert ratio["whole"] < ratio["tenth"] < few[1] / few[0]
    assert unknown[1] / unknown[0] > ratio["whole"]


def test_a_slower_machine_moves_the_high_end_and_a_switch_does_not_grow() -> None:
    slower = width(Scale(rows=1_000_000, real_rows=1_000_000, machine=3.0))
    assert slower[0] == width(WHOLE)[0] and slower[1] == pytest.approx(3 * width(WHOLE)[1])
    assert width(TENTH, "switch", 1.0)[1] < 5
    stages = {"copy": 40.0, "index": 20.0}
    found = expected(Figures("apply", 60.0), TENTH, stages)
    assert found.high is not None and found.high > width(TENTH)[1], "indexes grow a little faster than rows"
    assert expected(Figures("writes of the new shape", 3.0), TENTH).high is None
    assert "3.0 times slower" in Scale(10, 10, 3.0).basis and "4.0 times faster" in Scale(10, 10, 0.25).basis


TABLE = Table(
    Name("public", "chats"),
    columns=(
        Column("id", "text", not_null=True),
        Column("number", "integer", not_null=True, identity="a"),
        Column("user_id", "text"),
        Column("room", "uuid", not_null=True),
        Column("kind", "text"),
        Column("title", "text"),
        Column("seen", "jsonb"),
        Column("extra", "jsonb", default="'{}'::jsonb"),
        Column("shown", "text", generated="s"),
    ),
    constraints=(
        Constraint("chats_pkey", "p", "PRIMARY KEY (id)", ("id",)),
        Constraint("one", "u", "UNIQUE (room, title)", ("room", "title")),
        Constraint("kinds", "c", "CHECK ((kind <> 'x'))", ("kind",)),
        Constraint("fk", "f", "FOREIGN KEY (room)", ("room",), Name("public", "rooms"), ("id",)),
    ),
)


def test_a_load_makes_rows_that_are_new_and_says_nothing_of_what_it_does_not_know() -> None:
    found = writes(TABLE, '"public"."chats"')
    assert found is not None and found.insertable and found.key == ("id",)
    assert found.fresh.keys() == {"id", "title", "seen"}, "one column of each key, and no document of another row"
    assert found.left_out == {"number", "shown", "extra"}
    assert found.changeable == (), "keys, references, documents and what a CHECK speaks of stay"
    statement = found.insert(("it's",), 7)
    assert "concat('w7', r.\"title\")" in statement and "= 'it''s'::text" in statement
    assert "regclass::oid = 0" in statement and "regclass::oid = 0" in found.delete(("a",))
    keyless = Table(Name("public", "log"), (Column("line", "text"),))
    assert writes(keyless, "log") is None
