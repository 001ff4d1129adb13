"""The benchmark of users runs from end to end on few of them: what arrives is looked at, its figures are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.ground import connect
from benchmarks.users.__main__ import main
from benchmarks.users.contest import CONTENDERS, Result, measure
from benchmarks.users.floor import floor
from benchmarks.users.ground import People
from benchmarks.users.peers import PEERS
from benchmarks.users.report import as_markdown

ROWS = 400


def test_every_contender_makes_the_same_accounts(open_folder: Path, tmp_path: Path) -> None:
    words = ["--rows", str(ROWS), "--rounds", "1", "--settle", "0.3", "--folder", str(open_folder / "users")]
    assert main([*words, "--out", str(tmp_path), "--name", "smoke"]) == 0
    results = json.loads((tmp_path / "smoke.json").read_text())["results"]
    assert [(r["contender"], r["loaded"], r["cannot"]) for r in results] == [
        *((name, False, "") for name in CONTENDERS),
        ("ecluse", True, ""),
    ]
    assert all(r["seconds"] > 0 and r["wal"] > 0 for r in results)
    assert results[-1]["felt"]["errors"] == {}
    assert results[-1]["notes"]["rollback"] > 0


@pytest.fixture(scope="module")
def ground(open_folder: Path) -> Iterator[People]:
    server = People(open_folder / "faults")
    yield server
    server.close()


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE auth.users SET encrypted_password = '' WHERE encrypted_password IS NULL",
        "UPDATE auth.identities SET provider_id = 'x' WHERE user_id = (SELECT id FROM public.profiles LIMIT 1)",
        "DELETE FROM public.profiles WHERE full_name IS NULL",
        "UPDATE public.user_id_mapping SET matched = false WHERE matched",
    ],
)
def test_a_contender_that_does_less_is_found_out(ground: People, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    def careless(conninfo: str, few: int) -> dict[str, float]:
        notes = floor(conninfo)
        with connect(conninfo) as conn:
            conn.execute(fault.encode())
        return notes

    template, wanted = ground.prepare(ROWS)
    monkeypatch.setitem(PEERS, "floor", (careless, None))
    assert "what arrived differs" in measure(ground, template, "floor", ROWS, wanted).cannot


def test_the_ratios_are_those_of_rates_and_the_loop_is_reckoned_for_all() -> None:
    notes = {"stage verify": 2.0, "under lock": 0.01, "rollback": 3.0, "rollback under lock": 0.02}
    results = [Result("floor", 1000, 1000, seconds=2.0), Result("loop", 1000, 100, seconds=10.0)]
    results += [Result("ecluse", 1000, 1000, seconds=5.0, memory=60_000_000, notes=notes)]
    lines = as_markdown(results, {"cores": "2"}).splitlines()
    assert any("loop, one user" in line and "| ≈ 100.0 s (100.0–100.0) | 10 | 1.0 | 50.00 |" in line for line in lines)
    assert any("**Écluse**" in line and "| 5.0 s (5.0–5.0) | 200 | 20.0 | 2.50 |" in line for line in lines)
    assert any("without its stage `verify` | 3.0 s (3.0–3.0) | 333 | 33.3 | 1.50 |" in line for line in lines)
    assert any(line.startswith("| idle | 5.0 s | 10 ms |") for line in lines)
