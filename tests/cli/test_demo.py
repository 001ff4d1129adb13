"""The demonstration itself, on a few rows: every claim holds, and nothing is left running."""

from __future__ import annotations

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
    for command in ("init", "plan", "apply", "switch", "rollback", "finish"):
        assert f"$ ecluse {command} conversations_to_messages" in result.out
    assert "claims hold" in result.out
    assert "NO  " not in result.out
    folder = empty.folder / ".ecluse" / "demo"
    assert list(folder.glob(".ecluse/archive/*/manifest.json"))
    assert not server_for(Path(folder), 18).is_running()
    shown = Project(folder, empty.database).run("status", "--all", "--json").value["runs"]
    assert [run["status"] for run in shown] == ["finished", "rolled_back"]
