"""The folder of a backup: its files with their hashes, written beside and moved into place whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecluse.errors import BackupDamaged, NoRoom
from ecluse.model.backup import MANIFEST, FileThen, Manifest, read, written
from ecluse.postgres.files import is_locked, sha256_of, write_whole

UNFINISHED = ".unfinished-"


@dataclass(slots=True)
class Unfinished:
    """A folder to work in; `kept` is where it is once the work is done."""

    folder: Path
    kept: Path


@contextlib.contextmanager
def unfinished_folder(target: Path) -> Iterator[Unfinished]:
    """A new folder beside `target`, which it becomes at the end; it is removed where the work fails.

    Where `target` is there by then, of another process that began in the same second, it gets a name with a number.

    It is locked while this process works on it, so that another one can tell it from what a killed process left.
    """
    beside = target.parent / f"{UNFINISHED}{target.name}-{os.getpid()}"
    with no_room(target):
        make_private(target.parent)
        beside.mkdir(mode=0o700)
    descriptor = os.open(beside, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        work = Unfinished(beside, target)
        yield work
        with no_room(target):
            _sync(beside)
            work.kept = _moved(beside, target)
            _sync(target.parent)
    finally:
        os.close(descriptor)
        shutil.rmtree(beside, ignore_errors=True)


def _moved(beside: Path, target: Path) -> Path:
    for number in itertools.count(1):
        place = target if number == 1 else target.with_name(f"{target.name}-{number}")
        try:
            beside.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            continue
        return place
    raise AssertionError


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for its owner only; keep `.ecluse` out of version control."""
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            # Servers of ours, which run as another user where we are root, have their folders in .ecluse too.
            each.mkdir(mode=0o755 if each.name == ".ecluse" else 0o700, exist_ok=True)
        if each.name == ".ecluse" and not (each / ".gitignore").exists():
            (each / ".gitignore").write_text("*\n", encoding="utf-8")


def abandoned(above: Path) -> list[Path]:
    """The unfinished folders that no process works on."""
    return [folder for folder in sorted(above.glob(f"{UNFINISHED}*")) if not is_locked(folder)]


def _sync(folder: Path) -> None:
    """A name is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def no_room(place: Path) -> Iterator[None]:
    """Say what a full disk, or a folder that cannot be written to, means here."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise
        raise NoRoom(
            f"'{place}' cannot be written",
            details=error.strerror or "",
            hint="make room, or choose another place: --to FOLDER",
            state="no backup was kept; the database was only read",
        ) from None


def write_private(file: Path, text: str) -> None:
    """Write a file for its owner only, whole or not at all, and see it to the disk."""
    with no_room(file):
        write_whole(file, text, 0o600)


def described(folder: Path) -> tuple[FileThen, ...]:
    """Every file but the manifest, with size and hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return tuple(FileThen(str(f.relative_to(folder)), f.stat().st_size, sha256_of(f)) for f in files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it in the place of the one before."""
    write_private(folder / MANIFEST, written(manifest))


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone; the other files are not looked at. Raises BackupDamaged."""
    file = folder / MANIFEST
    try:
        return read(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise damaged(folder, f"{MANIFEST}: it is missing") from None
    except UnicodeDecodeError:
        raise damaged(folder, f"{MANIFEST}: it is not whole") from None
    except OSError as error:
        raise damaged(folder, f"{MANIFEST}: {error.strerror}") from None
    except ValueError as error:
        raise damaged(folder, f"{MANIFEST}: {error}") from None


def intact(folder: Path) -> Manifest:
    """The manifest of a backup whose every file is what it says. Raises BackupDamaged, which names each that is not."""
    manifest = read_manifest(folder)
    known = {file.path for file in manifest.files} | {MANIFEST}
    wrong = [f"{file.path}: {why}" for file in manifest.files if (why := _wrong(folder / file.path, file))]
    there = (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if not path.is_dir())
    wrong += [f"{path}: it is not of this backup" for path in there if path not in known]
    if wrong:
        raise damaged(folder, *wrong)
    return manifest


def _wrong(path: Path, file: FileThen) -> str:
    try:
        size = path.stat().st_size
        if size < file.octets:
            return f"it is cut off: {size:,} of {file.octets:,} bytes"
        return "its content was changed" if size > file.octets or sha256_of(path) != file.sha256 else ""
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def damaged(folder: Path, *what: str) -> BackupDamaged:
    """The error that names each file."""
    return BackupDamaged(
        f"the backup '{folder.name}' is damaged or incomplete",
        details="\n".join([f"in {folder}", *what]),
        hint="ecluse backups",
        state="nothing was changed",
    )
