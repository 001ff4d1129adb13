"""The benchmark of verifiers runs from end to end on few rows; who finds less than there is to find is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.verify import peers
from benchmarks.verify.__main__ import main
from benchmarks.verify.contest import Result
from benchmarks.verify.report import as_markdown
from benchmarks.verify.tables import DUPLICATE


def test_what_each_finds_is_counted(open_folder: Path, tmp_path: Path) -> None:
    words = ["--rows", "600", "--columns", "30", "--rounds", "1", "--only", "ecluse,except"]
    assert main([*words, "--folder", str(open_folder / "verify"), "--out", str(tmp_path), "--name", "smoke"]) == 0
    ours, sql = json.loads((tmp_path / "smoke.json").read_text())["results"]
    assert (ours["cannot"], ours["faults"], ours["missed"], ours["alarms"]) == ("", 12, [], [])
    # To EXCEPT, 1.1 is 1.10, and rows are a set.
    assert (sql["cannot"], sql["missed"], sql["alarms"]) == ("", ["numeric scale", DUPLICATE], [])
    assert all(r["seconds"] > 0 and r["memory"] > 1e6 and r["passed"] > 500 for r in (ours, sql))
    # The tables are equal again, and what was measured before is kept.
    again = [*words[:-1], "except", "--equal-only", "--add"]
    assert main([*again, "--folder", str(open_folder / "verify"), "--out", str(tmp_path), "--name", "smoke"]) == 0
    *_, last = results = json.loads((tmp_path / "smoke.json").read_text())["results"]
    assert len(results) == 3 and (last["alarms"], last["faults"], last["cannot"]) == ([], 0, "")


def test_a_peer_that_is_not_there_or_said_an_error_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "SERVERS", tmp_path)
    (tmp_path / "verify-dvt.log").write_text("Collecting x\nERROR: No matching distribution\n")
    assert peers.failure("validator") == "not installed: ERROR: No matching distribution"
    results = [
        Result("ecluse", 100, 6, seconds=2.0, clients=1.0, servers=1.0, faults=10),
        Result("reladiff", 100, 6, seconds=6.0, clients=1.0, servers=4.0, faults=10, missed=["case"], said="ERROR x"),
        Result("validator", 100, 6, cannot=peers.failure("validator")),
    ]
    text = as_markdown(results, {"cores": "2"})
    assert "| 9 of 10 | 0 | 6.0 s | 17 | 3.0 | 5.0 s | 2.5 |" in text
    assert "missed case; it said `ERROR x`, and ended with status 0" in text
    assert "cannot: not installed: ERROR: No matching distribution" in text
