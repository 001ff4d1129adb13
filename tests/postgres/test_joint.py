"""The proof of both directions in one scan of each side: what it says is what the proof of each direction says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ecluse.engine.context import Options
from ecluse.engine.planner import make_plan
from ecluse.engine.runner import Engine
from ecluse.model.flow import Flow, Member, Side
from ecluse.operations.file import parse_migration
from ecluse.planning.carried import carried, keeps_rows, reads_once
from ecluse.planning.flow_sql import places
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.proof.compare import compare_all
from ecluse.proof.joint import joint, prove
from ecluse.proof.pairs import Scope, pairs
from ecluse.proof.readers import readers

NEXT = "ecluse_next_ids"
MIGRATION = """
name = "ids"
database = "app"
[[operation]]
kind = "convert_column"
table = "public.parent"
column = "id"
"""
TABLES = """
CREATE TABLE public.parent (id text PRIMARY KEY, a text, n numeric, made timestamptz);
CREATE TABLE public.child (id int PRIMARY KEY, parent_id text REFERENCES public.parent, note text);
INSERT INTO public.parent SELECT CASE WHEN i % 5 = 0 THEN upper(u) ELSE u END, nullif('a' || i, 'a7'), i, 'epoch'
    FROM (SELECT i, md5(i::text)::uuid::text u FROM generate_series(1, 50) i) s;
INSERT INTO public.child SELECT i, (SELECT id FROM public.parent WHERE n = i), 'x' FROM generate_series(1, 20) i;
"""
FAULTS = {
    "a value": f"UPDATE {NEXT}.parent SET a = 'other' WHERE n = 3",
    "null to empty": f"UPDATE {NEXT}.parent SET a = '' WHERE n = 7",
    "the scale of a number": f"UPDATE {NEXT}.parent SET n = 3.0 WHERE n = 3",
    "a microsecond": f"UPDATE {NEXT}.parent SET made = made + interval '1 microsecond' WHERE n = 3",
    "another key": f"UPDATE {NEXT}.parent SET id = gen_random_uuid() WHERE n = 3",
    "swapped values": f"UPDATE {NEXT}.parent SET a = 'a' || (7 - n)::int WHERE n IN (3, 4)",
    "swapped keys": f"UPDATE {NEXT}.parent SET n = 7 - n WHERE n IN (3, 4)",
    "missing": f"DELETE FROM {NEXT}.parent WHERE n = 3",
    "missing, with its old text": f"DELETE FROM {NEXT}.parent WHERE n = 5",
    "extra": f"INSERT INTO {NEXT}.parent VALUES (gen_random_uuid(), 'a', 51, 'epoch')",
    "old text lost": f"DELETE FROM {NEXT}.parent__residue",
    "old text changed": f"UPDATE {NEXT}.parent__residue SET old = jsonb_build_object('id', id::text)",
    "old text too many": f"INSERT INTO {NEXT}.parent__residue VALUES (gen_random_uuid(), '{{}}')",
    "child": f"UPDATE {NEXT}.child SET parent_id = NULL WHERE id = 4",
}


@dataclass(frozen=True)
class Built:
    """A database at the gate."""

    database: Database
    session: Session
    flows: tuple[Flow, ...]
    scope: Scope

    def proofs(self) -> tuple[bool, bool]:
        """Whether it holds: proved jointly, and direction by direction."""
        return self.hold(self.flows)

    def hold(self, flows: tuple[Flow, ...]) -> tuple[bool, bool]:
        scopes = {flow.name: self.scope for flow in flows}
        with readers(lambda: open_session(self.database)) as both:
            fast = prove(flows, scopes, both)
            slow = compare_all([p for flow in flows for p in pairs(flow, self.scope)], both)
        assert {(c.table, c.direction) for c in fast} == {(c.table, c.direction) for c in slow}
        if not all(c.equal for c in slow):
            assert [c.differences for c in fast] == [c.differences for c in slow]
        return all(c.equal for c in fast), all(c.equal for c in slow)


@pytest.fixture
def built(any_server_database: Database) -> Iterator[Built]:
    with open_session(any_server_database) as session:
        session.execute(TABLES)
        plan = make_plan(any_server_database, parse_migration(MIGRATION, "ids.toml", lambda name: Path(name).name))
        Engine(any_server_database, Options()).apply(plan)
        at = places(plan, switched=False)
        yield Built(any_server_database, session, plan.flows, Scope(at, (), {}, 2))


def test_what_holds_is_proved_with_the_counts_of_each_direction(built: Built) -> None:
    assert all(joint(flow, built.scope) for flow in built.flows)
    assert built.proofs() == (True, True)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_either_way(built: Built, fault: str) -> None:
    built.session.execute(FAULTS[fault].encode())
    assert built.proofs() == (False, False)


def test_pending_units_are_left_out(built: Built) -> None:
    built.session.execute(FAULTS["a value"].encode())
    row = built.session.execute("SELECT id FROM public.parent WHERE n = 3").fetchone()
    assert row
    scope = replace(built.scope, pending=(row[0],))
    assert replace(built, flows=built.flows[:1], scope=scope).proofs() == (True, True)


def changed(flow: Flow, new: str, old: str) -> Flow:
    """The flow with something more at the end of the mappings of its two anchors."""

    def longer(side: Side, text: str) -> Side:
        anchor: Member = replace(side.anchor, select=f"{side.anchor.select} {text}")
        return replace(side, members=(anchor, *side.satellites))

    return replace(flow, new=longer(flow.new, new), old=longer(flow.old, old))


def test_a_mapping_that_doubles_on_both_sides_is_not_proved(built: Built) -> None:
    twice = "CROSS JOIN (VALUES (1), (2)) twice(x)"
    assert built.hold((changed(built.flows[0], twice, twice),)) == (False, False)
    assert built.hold((changed(built.flows[0], "", twice),)) == (False, False)


def test_a_row_that_maps_to_nothing_is_found(built: Built) -> None:
    assert built.hold((changed(built.flows[0], "WHERE m.n <> 3", ""),)) == (False, False)
    assert built.hold((changed(built.flows[0], "", "WHERE m.n <> 3"),)) == (False, False)
    built.session.execute(FAULTS["missing"].encode())
    assert built.hold((changed(built.flows[0], "WHERE m.n <> 3", "WHERE m.n <> 3"),)) == (False, False)


def test_columns_that_are_handed_on() -> None:
    select = 'SELECT m."a" AS "a", m."b" AS "c", (m."d") AS "d", m."e"::text AS "e", r."f" AS "f" FROM {{t}} m'
    assert carried(select) == {"a", "d"}
    assert carried('SELECT m."a" AS "a" FROM {{t}} m UNION SELECT m."a" AS "a" FROM {{t}} m') == frozenset()
    assert carried("SELECT FROM FROM") == frozenset()
    assert reads_once(select, "t") and not reads_once(select + ", {{ t }} n", "t") and not reads_once(select, "u")


@pytest.mark.parametrize(
    ("select", "keeps"),
    [
        ("SELECT m.a FROM {{t}} m", True),
        ("SELECT m.a, i.b FROM {{t}} m\nLEFT JOIN {{r}} i ON i.k = m.a", True),
        ("SELECT m.a FROM {{t}} m JOIN {{r}} i ON i.k = m.a", False),
        ("SELECT m.a FROM {{r}} i LEFT JOIN {{t}} m ON i.k = m.a", False),
        ("SELECT m.a FROM {{t}} m WHERE m.a > 0", False),
        ("SELECT DISTINCT m.a FROM {{t}} m", False),
        ("SELECT m.a FROM {{t}} m UNION ALL SELECT m.a FROM {{t}} m", False),
        ("SELECT m.a FROM {{t}} m LIMIT 1", False),
        ("SELECT m.a FROM {{t}} m, {{r}} i", False),
        ("SELECT", False),
        ("no SQL", False),
    ],
)
def test_mappings_that_keep_every_row(select: str, *, keeps: bool) -> None:
    assert keeps_rows(select) is keeps
