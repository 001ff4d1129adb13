"""Random rows of random types: equal rows are never called different, one mutation is always found."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecluse.model.names import literal
from ecluse.postgres.connect import Database, open_session
from ecluse.proof.compare import Pair, Relation, compare_here, quick_equal

_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
_tricky = st.text(alphabet="'\"\\,(){}| \tNULa", max_size=5)

# Two values of a strategy that are written differently are different values of the type.
WRITTEN: dict[str, st.SearchStrategy[str]] = {
    "text": _text | _tricky,
    "varchar": _tricky,
    "bpchar": _tricky,
    "int8": st.integers(-(2**63), 2**63 - 1).map(str),
    "int4": st.integers(-3, 3).map(str),
    "float8": st.floats().map(repr),
    "float4": st.floats(width=32).map(repr),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=5).map("{:f}".format)
    | st.sampled_from(["0", "0.0", "1.1", "1.10", "NaN", "Infinity"]),
    "bool": st.sampled_from(["true", "false"]),
    "bytea": st.binary(max_size=5).map(lambda raw: "\\x" + raw.hex()),
    "timestamptz": st.datetimes().map(lambda at: at.isoformat() + "Z"),
    "interval": st.sampled_from(["1 day", "24 hours", "-1 day", "1 month", "30 days", "0"]),
    "uuid": st.uuids().map(str),
    "jsonb": st.sampled_from(["{}", "[]", "null", '""', "1", "1.0", '"1"', '{"a": null}', '{"a": {}}']),
    "text[]": st.sampled_from(["{}", "{NULL}", '{"NULL"}', '{""}', "{a,b}", '{"a,b"}', "{{a,b}}", "[0:0]={a}", "{a}"]),
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], list[list[str | None]]]:
    types = draw(st.lists(st.sampled_from(sorted(WRITTEN)), min_size=1, max_size=5))
    row = st.tuples(*(st.none() | WRITTEN[kind] for kind in types)).map(list)
    return types, draw(st.lists(row, min_size=2, max_size=6))


def query(types: list[str], rows: list[tuple[str, list[str | None]]]) -> str:
    lines = ", ".join(
        f"({key}, "
        + ", ".join(f"{'NULL' if v is None else literal(v)}::{kind}" for v, kind in zip(values, types, strict=True))
        + ")"
        for key, values in rows
    )
    return f"SELECT * FROM (VALUES {lines}) AS v(id, {', '.join(f'c{n}' for n in range(len(types)))})"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), data=st.data())
def test_one_mutation_is_found_and_none_invented(database: Database, case: Any, data: st.DataObject) -> None:
    types, values = case
    left = [(str(n), row) for n, row in enumerate(values)]
    right = data.draw(st.permutations(left))
    mutation = data.draw(st.sampled_from(["none", "value", "missing", "duplicate", "swap"]))
    expected: list[tuple[str, str]] = []
    key, row = right[0]
    column = data.draw(st.integers(0, len(types) - 1))
    if mutation == "value":
        other = data.draw((st.none() | WRITTEN[types[column]]).filter(lambda value: value != row[column]))
        right = [(key, [*row[:column], other, *row[column + 1 :]]), *right[1:]]
        expected = [(key, "different")]
    elif mutation == "missing":
        right = right[1:]
        expected = [(key, "missing")]
    elif mutation == "duplicate":
        right = [*right, right[0]]
        expected = [(key, "duplicate")]
    elif mutation == "swap" and row != right[1][1]:
        right = [(key, right[1][1]), (right[1][0], row), *right[2:]]
        expected = sorted([(key, "different"), (right[1][0], "different")])
    check(database, types, left, right, expected)


def check(database: Database, types: list[str], left: Any, right: Any, expected: list[tuple[str, str]]) -> None:
    columns = ("id", *(f"c{n}" for n in range(len(types))))
    whole, parts = query(types, left), (query(types, right[:1]), query(types, right[1:]))
    parts = parts if len(right) > 1 else parts[:1]
    with open_session(database) as session:
        found = compare_here(
            session, Pair("t", "forward", Relation((whole,), columns, ("id",)), Relation(parts, columns, ("id",)))
        )
        assert [(d.key, d.kind) for d in found.differences] == expected
        assert found.equal is (not expected)
        assert quick_equal(session, whole, query(types, right), columns) is (not expected)
