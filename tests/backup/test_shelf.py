"""Which backups go, and which never do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecluse.backup.files import unfinished_folder, write_manifest
from ecluse.backup.shelf import doomed, find, look
from ecluse.errors import UnknownBackup
from ecluse.model.backup import Check, LargeObjects, Locale, Manifest, Versions, read, written

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DAY = 86400.0


def _manifest(database: str, day: int, verified: bool) -> Manifest:
    at = f"2026-11-{day:02}T00:00:00Z"
    checked = Check(at, "throw-away PostgreSQL 18", 180004, verified, 1.5) if verified or day % 2 else None
    locale, versions = Locale("UTF8", "C", "C"), Versions(180004, 18, "0.1.0")
    none = LargeObjects(0, "0-0")
    return Manifest(database, "app", at, 1.0, versions, locale, 1, (), (), none, (), {}, (), (), (), checked)


def _shelf(above: Path) -> None:
    days = [("app", 1, False), ("app", 5, True), ("app", 10, False), ("app", 28, False), ("other", 2, True)]
    for database, day, verified in days:
        folder = above / database / f"202611{day:02}T000000Z"
        folder.mkdir(parents=True)
        write_manifest(folder, _manifest(database, day, verified))


def test_the_last_one_that_is_known_to_restore_stays(tmp_path: Path) -> None:
    _shelf(tmp_path)
    (tmp_path / "app" / "20261101T000001Z").mkdir()  # its manifest is gone
    (tmp_path / "app" / ".unfinished-20261101T000002Z-1").mkdir()
    shelf = look(tmp_path)
    assert [each.folder.name[6:8] for each in shelf.kept] == ["28", "10", "05", "02", "01", "01"]
    assert shelf.kept[-1].manifest is None and "missing" in shelf.kept[-1].problem
    assert [left.name for left in shelf.left] == [".unfinished-20261101T000002Z-1"]

    def going(keep: int | None, older: float | None) -> list[str]:
        return sorted(each.folder.name[6:8] for each in doomed(shelf.kept, keep, older, NOW))

    assert going(0, None) == ["01", "10", "28"]
    assert going(2, None) == ["01"]
    assert going(None, 15 * DAY) == ["10", "01"][::-1]
    assert going(0, 25 * DAY) == ["01"]
    assert going(4, 1 * DAY) == []


def test_a_backup_is_found_by_name(tmp_path: Path) -> None:
    _shelf(tmp_path)
    assert find(tmp_path, "latest", "app").name == "20261128T000000Z"
    assert find(tmp_path, "other/20261102T000000Z") == find(tmp_path, "20261102T000000Z")
    assert find(tmp_path / "nothing", str(tmp_path / "app" / "20261101T000000Z")).name == "20261101T000000Z"
    for unknown in ("latest", "20200101T000000Z"):
        with pytest.raises(UnknownBackup):
            find(tmp_path, unknown)


def test_a_manifest_is_read_as_it_was_written_and_no_other_way() -> None:
    manifest = _manifest("app", 5, True)
    text = written(manifest)
    assert read(text) == manifest
    assert read(written(replace(manifest, database="ünïcode"))).database == "ünïcode"
    for bad in (text[:-9], "[]", text.replace('"format": 1', '"format": 2'), text.replace("18", "17", 1)):
        with pytest.raises(ValueError, match=r"it is|its content"):
            read(bad)


def test_two_of_one_second_are_two(tmp_path: Path) -> None:
    """Both began before either had its name."""
    name = tmp_path / "20260101T000000Z"
    with unfinished_folder(name) as mine:
        (mine.folder / "a").write_text("mine")
        name.mkdir()
        (name / "a").write_text("another's")
    assert mine.kept == tmp_path / "20260101T000000Z-2"
    assert [(each / "a").read_text() for each in (name, mine.kept)] == ["another's", "mine"]
    assert not list(tmp_path.glob(".*"))
