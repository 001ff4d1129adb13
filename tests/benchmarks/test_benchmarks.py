"""The benchmark runs from end to end on a small table; its figures are not looked at."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.__main__ import main
from benchmarks.cases.conversations import CONVERSATIONS


def test_every_contender_does_the_job(open_folder: Path, tmp_path: Path) -> None:
    assert main(["--quick", "--folder", str(open_folder / "bench"), "--out", str(tmp_path), "--name", "smoke"]) == 0
    results = json.loads((tmp_path / "smoke.json").read_text())["results"]
    assert {r["contender"]: r["cannot"] for r in results} == dict.fromkeys((*CONVERSATIONS.contenders, "nothing"), "")
    assert all(r["seconds"] > 0 and r["wal"] > 0 for r in results if r["contender"] != "nothing")
    # A peer may fail statements of the application (a batched UPDATE can deadlock with it); Écluse may not.
    felt = {r["contender"]: r["felt"]["errors"] for r in results if r["felt"]}
    assert set(felt) == {"nothing", "ecluse", "blocking", "batched", "touched"}
    assert (felt["nothing"], felt["ecluse"]) == ({}, {})
    assert "Écluse" in (tmp_path / "smoke.md").read_text()
