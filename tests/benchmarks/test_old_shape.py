"""The benchmark of the old shape runs from end to end on few rows: answers are looked at, figures are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.ground import connect
from benchmarks.old_shape.__main__ import arguments, main
from benchmarks.old_shape.cases import CASES
from benchmarks.old_shape.cases.case import Case
from benchmarks.old_shape.contest import CONTENDERS, Result
from benchmarks.old_shape.ground import Shapes
from benchmarks.old_shape.report import as_markdown


def test_all_contenders_answer_alike(open_folder: Path, tmp_path: Path) -> None:
    words = ["--quick", "--only", "unusual", "--folder", str(open_folder / "old_shape")]
    assert main([*words, "--out", str(tmp_path), "--name", "smoke"]) == 0
    results = json.loads((tmp_path / "smoke.json").read_text())["results"]
    assert {(r["wrong"], r["cannot"]) for r in results} == {("", "")}
    asked = [(r["statement"], r["prepared"], r["contender"]) for r in results]
    assert asked == [
        (statement.name, prepared, contender)
        for statement in CASES["unusual"].statements
        for prepared in (False, True)
        for contender in CONTENDERS
    ]
    assert all(r["p95"] >= r["median"] > 0 for r in results)
    assert "All answers were those of the original" in (tmp_path / "smoke.md").read_text()


def test_a_contender_that_shows_something_else_is_found_out(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Shapes.prepare

    def careless(ground: Shapes, case: Case, rows: int) -> dict[str, tuple[str, str]]:
        places = prepare(ground, case, rows)
        with connect(places["old_shape"][1]) as conn:
            conn.execute("UPDATE public.talks SET created_at = created_at + interval '1 second'")
        return places

    monkeypatch.setattr(Shapes, "prepare", careless)
    words = ["--quick", "--only", "split", "--folder", str(open_folder / "old_shape")]
    assert main([*words, "--out", str(tmp_path), "--name", "smoke"]) == 0
    written = (tmp_path / "smoke.md").read_text()
    assert "- **Wrong**: read by key, **old shape**: " in written
    assert "- **Wrong** after all writes, **old shape**: talks\n" in written
    assert "All answers were those" not in written
    assert "pgroll has no operation" in written
    results = json.loads((tmp_path / "smoke.json").read_text())["results"]
    assert {r["contender"] for r in results if r["wrong"]} == {"old_shape"}


def test_the_ratio_is_that_of_medians_and_says_whether_it_is_within_the_target() -> None:
    read, write = "read by key", "UPDATE of one column by key"
    results = [Result("split", 10, read, False, "original", n, ms, 9.0) for n, ms in enumerate((1.0, 8.0, 2.0))]
    results += [Result("split", 10, read, False, "old_shape", 0, 2.6, 3.0)]
    results += [Result("split", 10, write, False, "original", 0, 1.0, 1.0)]
    results += [Result("split", 10, write, False, "old_shape", 0, 2.6, 4.0, scanned={"public.messages": 500.0})]
    lines = as_markdown(results, {"cores": "2"}, {"split 10": {}}).splitlines()
    assert "| read by key | 2.00 (9.00) | 2.60 (3.00) | 1.30 | 1.3: met |" in lines
    assert "| UPDATE of one column by key | 1.00 (1.00) | 2.60 (4.00) | 2.60 | 2.5: **missed** |" in lines
    assert any(line.startswith(f"- No index: {write}, rows of `public.messages` ") for line in lines)


def test_what_would_be_deleted_has_to_be_there() -> None:
    assert arguments(["--quick"]).rows == "2000"
    with pytest.raises(SystemExit, match="2"):
        arguments(["--rows", "2000"])
