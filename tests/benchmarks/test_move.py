"""The benchmark of a move runs from end to end on small tables: what arrives is looked at, its figures are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.ground import connect
from benchmarks.move import ours
from benchmarks.move.__main__ import main
from benchmarks.move.contest import CONTENDERS, Result, measure
from benchmarks.move.ground import Ends, TwoServers
from benchmarks.move.peers import PEERS, find_pgcopydb, floor
from benchmarks.move.report import as_markdown

ROWS = 2_000


def test_every_contender_makes_the_same_tables(open_folder: Path, tmp_path: Path) -> None:
    words = ["--rows", str(ROWS), "--rounds", "1", "--folder", str(open_folder / "move")]
    assert main([*words, "--out", str(tmp_path), "--name", "smoke"]) == 0
    results = json.loads((tmp_path / "smoke.json").read_text())["results"]
    cannot = {r["contender"]: r["cannot"] for r in results}
    if not ours.there():
        assert cannot.pop("ecluse") == ours.NOT_THERE
    if find_pgcopydb() is None:
        assert "pgcopydb is not here" in cannot.pop("pgcopydb")
    assert cannot == dict.fromkeys((name for name in CONTENDERS if name in cannot), "")
    assert all(r["seconds"] > 0 and r["wal"] > 0 and r["servers"] > 0 for r in results if r["contender"] in cannot)


@pytest.fixture(scope="module")
def ground(open_folder: Path) -> Iterator[TwoServers]:
    servers = TwoServers(open_folder / "faults")
    yield servers
    servers.close()


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("UPDATE events SET kind = kind + 1 WHERE id = 7", "rows of events"),
        ("INSERT INTO conversations SELECT gen_random_uuid(), 'a', 'b' LIMIT 1", "rows of conversations"),
        ("ALTER TABLE events ALTER kind DROP NOT NULL", "columns of events"),
        ("DROP INDEX conversations_user_idx", "indexes of conversations"),
        ("SELECT setval('events_id_seq', 1)", "sequences of events"),
        ("DELETE FROM pg_statistic WHERE starelid = 'events'::regclass", "statistics of events"),
        ("DROP TABLE events", "what arrived cannot be read"),
    ],
)
def test_a_contender_that_does_less_is_found_out(
    ground: TwoServers, monkeypatch: pytest.MonkeyPatch, fault: str, what: str
) -> None:
    def careless(ends: Ends) -> dict[str, float]:
        notes = floor(ends)
        with connect(ends.arrives) as conn:
            conn.execute(fault.encode())
        return notes

    template, wanted = ground.prepare(100)
    monkeypatch.setitem(PEERS, "floor", careless)
    assert what in measure(ground, template, "floor", 100, wanted).cannot


def test_a_program_that_fails_is_told_and_ends_nothing(ground: TwoServers, monkeypatch: pytest.MonkeyPatch) -> None:
    def clumsy(ends: Ends) -> dict[str, float]:
        with connect(ends.arrives) as conn:
            conn.execute("CREATE TABLE events ()")
        return floor(ends)

    template, wanted = ground.prepare(100)
    monkeypatch.setitem(PEERS, "floor", clumsy)
    assert 'relation "events" already exists' in measure(ground, template, "floor", 100, wanted).cannot


def test_the_proof_is_shown_apart_and_the_ratios_are_those_of_medians() -> None:
    results = [Result("floor", 10, seconds) for seconds in (4.0, 90.0, 2.0)]
    results += [Result("ecluse", 10, 8.0, memory=60_000_000, notes={"stage verify": 3.0, "stage copy": 2.0})]
    results += [Result("pgcopydb", 10, cannot="pgcopydb is not here")]
    lines = as_markdown(results, {"cores": "2"}).splitlines()
    assert next(line for line in lines if "floor:" in line).startswith(
        "| floor: two pipes of `psql`, then the indexes | 4.0 s (2.0–90.0) | 1.00 | 0.50 |"
    )
    assert any("without its stage `verify` | 5.0 s (5.0–5.0) | 1.25 | 0.62 |" in line for line in lines)
    assert any("proof included | 8.0 s (8.0–8.0) | 2.00 | 1.00 |" in line and "60 MB" in line for line in lines)
    assert any("cannot: pgcopydb is not here" in line for line in lines)
    assert any("stage verify 3.00, stage copy 2.00" in line for line in lines)
