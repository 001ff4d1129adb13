"""The backups that there are: listed, found by name, and pruned."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ecluse.backup.files import UNFINISHED, abandoned, read_manifest
from ecluse.errors import BackupDamaged, UnknownBackup
from ecluse.model.backup import MANIFEST, Manifest

_MOMENT = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder on the shelf. Without a manifest it is damaged, or not a backup; `problem` says what is wrong."""

    folder: Path
    manifest: Manifest | None
    problem: str = ""

    @property
    def octets(self) -> int:
        """Of its files, as they were written."""
        return sum(file.octets for file in self.manifest.files) if self.manifest else 0

    @property
    def sound(self) -> bool:
        """Whether it was restored and compared once, and nothing is known against it since."""
        return self.manifest is not None and self.manifest.verified and not self.problem


@dataclass(frozen=True, slots=True)
class Shelf:
    """The backups of one place, the newest first, and what killed processes left there."""

    kept: tuple[Kept, ...]
    left: tuple[Path, ...]


def look(above: Path) -> Shelf:
    """What is in a folder, and in the folders of databases in it. Files are looked at by name and size only."""
    places = [above, *sorted(each for each in _folders(above) if not _is_backup(each))]
    kept = [_kept(folder) for place in places for folder in _folders(place) if _is_backup(folder)]
    kept.sort(key=lambda each: (each.manifest.at if each.manifest else "", each.folder.name), reverse=True)
    return Shelf(tuple(kept), tuple(left for place in places for left in abandoned(place)))


def _folders(above: Path) -> list[Path]:
    if not above.is_dir():
        return []
    return [each for each in above.iterdir() if each.is_dir() and not each.name.startswith(UNFINISHED)]


def _is_backup(folder: Path) -> bool:
    """Where the manifest is gone, the name still says that it was one."""
    return (folder / MANIFEST).exists() or bool(_MOMENT.fullmatch(folder.name))


def _kept(folder: Path) -> Kept:
    try:
        manifest = read_manifest(folder)
    except BackupDamaged as error:
        return Kept(folder, None, error.details.splitlines()[-1])
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.octets:
            return Kept(folder, manifest, f"{file.path}: {'cut off or changed' if path.is_file() else 'it is missing'}")
    return Kept(folder, manifest)


def find(above: Path, wanted: str, database: str | None = None) -> Path:
    """The folder of a backup: a path, its name on the shelf, `DATABASE/NAME`, or `latest`. Raises UnknownBackup."""
    path = Path(wanted)
    if (path / MANIFEST).is_file() or (path.is_dir() and ("/" in wanted or path.is_absolute())):
        return path.resolve()
    kept = [k for k in look(above).kept if database is None or (k.manifest and k.manifest.database == database)]
    databases = {each.manifest.database for each in kept if each.manifest}
    if wanted == "latest" and len(databases) == 1:
        return next(each.folder for each in kept if each.manifest)
    found = [k.folder for k in kept if wanted in (k.folder.name, f"{k.folder.parent.name}/{k.folder.name}")]
    if len(found) == 1:
        return found[0]
    why = f"the shelf has backups of {', '.join(sorted(databases))}" if wanted == "latest" and databases else ""
    raise UnknownBackup(
        f"there is no backup '{wanted}'" if len(found) < 2 else f"there are {len(found)} backups '{wanted}'",
        details=why or "\n".join(f"{each.folder.parent.name}/{each.folder.name}" for each in kept[:20]),
        hint="ecluse backups" if not why else "say which: --database NAME",
        state="nothing was changed",
    )


def doomed(kept: Sequence[Kept], keep: int | None, older_than: float | None, now: datetime) -> list[Kept]:
    """What pruning removes: neither among the `keep` newest of its database nor younger than that many seconds.

    The newest backup of each database that is known to restore is never among them, and no damaged one: whoever looks
    into that shall find it.
    """
    found: list[Kept] = []
    for mine in _by_database(kept):
        last_sound = next((each for each in mine if each.sound), None)
        for number, each in enumerate(mine):
            assert each.manifest is not None
            age = now - datetime.strptime(each.manifest.at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            young = older_than is not None and age < timedelta(seconds=older_than)
            if each is not last_sound and not young and (keep is None or number >= keep):
                found.append(each)
    return found


def _by_database(kept: Sequence[Kept]) -> Iterator[list[Kept]]:
    whole = [each for each in kept if each.manifest and not each.problem]
    for database in dict.fromkeys(each.manifest.database for each in whole if each.manifest):
        yield [each for each in whole if each.manifest and each.manifest.database == database]


def remove(folders: Sequence[Path]) -> None:
    """Remove backups, or what is left of some. One that is half removed is never taken for a backup."""
    for folder in folders:
        gone = folder
        if not folder.name.startswith(UNFINISHED):
            gone = folder.with_name(f"{UNFINISHED}{folder.name}")
            folder.rename(gone)
        shutil.rmtree(gone)
