"""The resolver against a plain model of it: random people in random tables, some of which do not answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.identity.outcomes import (
    Absent,
    Ambiguous,
    Deleted,
    Found,
    Hit,
    Outcome,
    Record,
    Unreachable,
    could_be,
    same_form,
    settle,
)
from ecluse.identity.resolve import BATCH, Lookup, Resolver, Silent
from ecluse.model.identity import Kind, Source

UUIDS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(4)]
EMAILS = ["ann@example.org", "Ann@Example.org", "bob@example.org"]
ACCOUNTS = Source(database="supabase", table="auth.users", auth="id", email="email", deleted="deleted_at")
PROFILES = Source(database="supabase", table="users", profile="id", auth="auth_user_id", email="email")
LEGACY = Source(database="app", table="users", legacy="id", email="email")
OTHERS = Source(database="app", table="athletes", legacy="id", profile="uuid")
SOURCES = [ACCOUNTS, PROFILES, LEGACY, OTHERS]


def record(source: Source, deleted: bool = False, **ids: str) -> Record:
    return Record(source, tuple((Kind(kind), text) for kind, text in ids.items()), deleted)


def in_memory(records: Sequence[Record], counted: list[int] | None = None) -> Lookup:
    def look(values: Sequence[str], kinds: frozenset[Kind]) -> Mapping[str, Sequence[Hit]]:
        if counted is not None:
            counted.append(len(values))
        found: defaultdict[str, list[Hit]] = defaultdict(list)
        for value in values:
            for one in records:
                found[value] += [
                    Hit(kind, one)
                    for kind, _ in one.ids
                    if kind in kinds and could_be(kind, value) and one.key(kind) == same_form(kind, value)
                ]
        return found

    return look


def silent(values: Sequence[str], kinds: frozenset[Kind]) -> Mapping[str, Sequence[Hit]]:
    raise Silent


def one(source: Source) -> st.SearchStrategy[Record]:
    pools = {Kind.LEGACY: ["1", "2"], Kind.PROFILE: UUIDS, Kind.AUTH: UUIDS, Kind.EMAIL: EMAILS}
    ids = {kind.value: st.sampled_from(pools[kind]) for kind in source.ids}
    return st.builds(
        lambda given, deleted: record(source, deleted and source.deleted is not None, **given),
        st.fixed_dictionaries({}, optional=ids),
        st.booleans(),
    )


WORLD = st.fixed_dictionaries({source: st.lists(one(source), max_size=4) for source in SOURCES})
VALUES = st.lists(st.sampled_from([*UUIDS, UUIDS[1].upper(), *EMAILS, "1", "2", "x", "nobody@example.org"]))


@given(WORLD, st.sets(st.sampled_from(SOURCES)), VALUES)
def test_no_outcome_says_more_than_is_known(
    world: dict[Source, list[Record]], down: set[Source], values: list[str]
) -> None:
    lookups = {source: silent if source in down else in_memory(world[source]) for source in SOURCES}
    outcomes = dict(Resolver(lookups).resolve(values))
    assert list(outcomes) == list(dict.fromkeys(values))
    for value, outcome in outcomes.items():
        able = {s for s in SOURCES if any(could_be(kind, value) for kind in s.ids)}
        rows = {
            r
            for s in able
            for r in world[s]
            for kind, _ in r.ids
            if could_be(kind, value) and r.key(kind) == same_form(kind, value)
        }
        if able & down:
            assert isinstance(outcome, Unreachable) and set(outcome.sources) == able & down
        elif not rows:
            assert isinstance(outcome, Absent)
        else:
            assert isinstance(outcome, Found) and set(outcome.records) == rows
            _holds(outcome, rows)


def _holds(outcome: Found, rows: set[Record]) -> None:
    """One person means: no two rows differ in e-mail or auth id, and an id of one kind links them all."""
    differ = any(
        len({r.key(kind) for r in pair} - {None}) > 1
        for pair in combinations(rows, 2)
        for kind in Kind
        if kind in (Kind.EMAIL, Kind.AUTH) or pair[0].source == pair[1].source
    )
    groups = [{r} for r in rows]
    for a, b in combinations(rows, 2):
        shared = [k for k in Kind if a.key(k) is not None and a.key(k) == b.key(k)]
        if any(k is not Kind.LEGACY or a.source.database == b.source.database for k in shared):
            left, right = (next(g for g in groups if r in g) for r in (a, b))
            if left is not right:
                groups.remove(right)
                left |= right
    assert isinstance(outcome, Ambiguous) is (differ or len(groups) > 1)
    if not isinstance(outcome, Ambiguous):
        assert isinstance(outcome, Deleted) is any(r.deleted for r in rows)
    else:
        assert (outcome.conflict is not None) is differ


@given(WORLD, VALUES, st.randoms())
def test_neither_the_order_nor_the_company_of_a_value_changes_its_outcome(
    world: dict[Source, list[Record]], values: list[str], random: object
) -> None:
    resolver = Resolver({source: in_memory(world[source]) for source in SOURCES})
    together = dict(resolver.resolve(values))
    shuffled = sorted(values, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert dict(resolver.resolve(shuffled)) == together
    assert {value: dict(resolver.resolve([value]))[value] for value in values} == together


def test_a_source_is_asked_once_for_a_thousand_values() -> None:
    counted: list[int] = []
    values = [str(n) for n in range(2 * BATCH + 1)]
    outcomes = dict(Resolver({LEGACY: in_memory([record(LEGACY, legacy="7")], counted)}).resolve(values))
    assert counted == [BATCH, BATCH, 1]
    assert [v for v, o in outcomes.items() if not isinstance(o, Absent)] == ["7"]


def test_a_source_is_not_asked_for_what_it_cannot_know() -> None:
    """So that its being away does not matter for that."""
    found = dict(Resolver({LEGACY: in_memory([]), ACCOUNTS: silent}).resolve(["5", "a@b.c"], kinds=frozenset(Kind)))
    assert found == {"5": Absent(), "a@b.c": Unreachable((ACCOUNTS,))}


PERSON = record(ACCOUNTS, auth=UUIDS[0], email="ann@example.org")


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([Hit(Kind.AUTH, PERSON), Hit(Kind.AUTH, record(PROFILES, auth=UUIDS[0], email="ANN@example.org"))], Found),
        ([Hit(Kind.AUTH, PERSON), Hit(Kind.PROFILE, record(PROFILES, profile=UUIDS[0]))], Ambiguous),
        ([Hit(Kind.AUTH, PERSON), Hit(Kind.AUTH, record(PROFILES, auth=UUIDS[0], email="b@example.org"))], Ambiguous),
        ([Hit(Kind.EMAIL, PERSON), Hit(Kind.EMAIL, record(LEGACY, legacy="1", email="Ann@example.org"))], Found),
        ([Hit(Kind.AUTH, record(ACCOUNTS, True, auth=UUIDS[0]))], Deleted),
    ],
)
def test_whether_rows_are_one_person(hits: list[Hit], expected: type[Outcome]) -> None:
    assert type(settle(hits)) is expected


def test_what_a_value_is_declared_to_be_comes_first() -> None:
    hits = [Hit(Kind.AUTH, PERSON), Hit(Kind.PROFILE, record(PROFILES, profile=UUIDS[0], email="b@example.org"))]
    assert isinstance(settle(hits), Ambiguous)
    assert settle(hits, prefer=Kind.AUTH) == Found((PERSON,), frozenset({(ACCOUNTS, Kind.AUTH)}))
