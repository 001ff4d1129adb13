"""The benchmark runs from end to end on small tables; its figures are not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.__main__ import arguments, main
from benchmarks.cases import CASES


@pytest.mark.parametrize("name", CASES)
def test_every_contender_does_the_job(name: str, open_folder: Path, tmp_path: Path) -> None:
    case = CASES[name]
    words = ["--case", name, "--quick", "--folder", str(open_folder / "bench")]
    assert main([*words, "--out", str(tmp_path), "--name", "smoke"]) == 0
    results = json.loads((tmp_path / "smoke.json").read_text())["results"]
    assert {r["contender"]: r["cannot"] for r in results} == dict.fromkeys((*case.contenders, "nothing"), "")
    assert all(r["seconds"] > 0 and r["wal"] > 0 for r in results if r["contender"] != "nothing")
    # A peer may fail statements of the application (a batched UPDATE can deadlock with it); Écluse may not.
    felt = {r["contender"]: r["felt"]["errors"] for r in results if r["felt"]}
    assert set(felt) == {"nothing", *case.contenders} - {"floor"}
    assert (felt["nothing"], felt["ecluse"]) == ({}, {})
    written = (tmp_path / "smoke.md").read_text()
    assert "Écluse" in written
    assert f"5,000 {name}" in written


def test_the_case_says_who_contends_and_names_the_results() -> None:
    assert arguments([]).case == "conversations"
    assert "touched" in arguments([]).only
    given = arguments(["--case", "activities", "--only", "blocking,floor"])
    assert given.only == ["floor", "blocking"]
    assert given.name.endswith("-activities")


@pytest.mark.parametrize("words", [["--case", "users"], ["--case", "activities", "--only", "touched"]])
def test_what_is_not_there_is_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(words)
