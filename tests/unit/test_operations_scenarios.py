"""The mappings of every scenario folder, without the engine: forward gives `after.sql`, back gives `before.sql`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.operations.compile import compile_migration
from ecluse.operations.registry import OPERATIONS
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.project import read_migration
from tests.harness import load, load_wanted
from tests.unit.flow_bench import NEXT, FlowBench

FOLDER = Path(__file__).parent.parent / "operations"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/migration.toml"))


def test_every_operation_has_a_scenario() -> None:
    assert {case.parent.name for case in CASES} == set(OPERATIONS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_scenario(case: Path, database: Database, second_database: Database) -> None:
    load(database, case / "before.sql")
    load_wanted(second_database, case)
    with open_session(database) as session, open_session(second_database) as expected:
        found = compile_migration(read_migration(case / "migration.toml"), read_catalog(session))
        bench = FlowBench.of(session, found)
        bench.assert_exact()
        wanted = read_catalog(expected).tables
        for member in (member for flow in bench.flows for member in flow.new.members if member.role != "aside"):
            table = wanted[member.table.name]
            have = [(c.name, c.type, c.not_null, c.default) for c in member.table.columns]
            assert have == [(c.name, c.type, c.not_null, c.default) for c in table.columns]
            mine = f"SELECT t::text FROM {table.name.within(NEXT).sql} t ORDER BY 1"
            theirs = f"SELECT t::text FROM {table.name.sql} t ORDER BY 1"
            assert bench.run(mine) == expected.execute(theirs.encode()).fetchall()
