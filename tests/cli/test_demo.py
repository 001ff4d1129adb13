"""The demonstration itself, on a few rows: every claim holds, and nothing is left running."""

from __future__ import annotations

import re
from pathlib import Path

from ecluse.postgres.connect import Database
from ecluse.postgres.embedded import server_for
from tests.cli.conftest import Project


def test_the_demo_holds_and_leaves_nothing_running(open_folder: Path) -> None:
    place = open_folder / "demo"
    place.mkdir()
    empty = Project(place, Database("app", ""))
    result = empty.run("demo", "--rows", "300")
    assert result.status == 0, result.err
    for command in ("init", "plan", "apply", "switch", "rollback", "retire", "finish"):
        assert f"$ ecluse {command} conversations_to_messages" in result.out
    assert "All 11 claims hold" in result.out
    assert "NO  " not in result.out
    went_on = re.findall(
        r"of ([\d,]+) statements of the old application around ([\w ]+) (\d+) were refused", result.out
    )
    assert [(when, refused) for _, when, refused in went_on] == [
        ("switch", "0"),
        ("rollback", "0"),
        ("the second switch", "0"),
    ]
    assert all(int(statements.replace(",", "")) > 0 for statements, *_ in went_on)
    for reader, kind in (("old", "new"), ("new", "old")):
        (read,) = re.findall(rf"the {reader} application reads ([\d,]+) questions of the {kind} one", result.out)
        assert int(read.replace(",", "")) > 0
    (statements,) = re.findall(r"      demo_old +([\d,]+) +\d+  20", result.out)
    assert int(statements.replace(",", "")) > 0, "status counts"
    folder = empty.folder / ".ecluse" / "demo"
    assert list(folder.glob(".ecluse/archive/*/manifest.json"))
    assert not server_for(Path(folder), 18).is_running()
    shown = Project(folder, empty.database).run("status", "--all", "--json").value["runs"]
    assert [run["status"] for run in shown] == ["finished", "rolled_back"]
