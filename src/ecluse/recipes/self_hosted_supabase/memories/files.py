"""The folder of memories: which files are there, their bytes, and where they go when they are done."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MEMORY = re.compile(r"memory_(?P<digits>[0-9a-f]{12})\.json\Z")
_DONE = re.compile(r"memory_.*(\.json\.migrated(\.\d+)?|\.rejected(\.\d+)?\.json)\Z", re.S)
_LARGEST = 256 << 20  # parsed it takes several times as much memory


class CannotRead(ValueError):
    """A file that is not read. Its text is the reason."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies in a folder. `strays` are called like memories and have no digits; `done` were imported earlier."""

    memories: tuple[Path, ...]
    strays: tuple[Path, ...]
    done: int
    others: int


def look(folder: Path) -> Folder:
    """List a folder, without its subfolders."""
    memories, strays, done, others = [], [], 0, 0
    for path in sorted(folder.iterdir()):
        if _MEMORY.match(path.name):
            memories.append(path)
        elif _DONE.match(path.name):
            done += 1
        elif path.name.startswith("memory_") and path.name.endswith(".json"):
            strays.append(path)
        else:
            others += 1
    return Folder(tuple(memories), tuple(strays), done, others)


def digits(path: Path) -> str:
    """What the name says of the person: the first 12 hex digits of the md5 of an id."""
    found = _MEMORY.match(path.name)
    assert found is not None
    return found["digits"]


def read(path: Path) -> bytes:
    """The bytes of a regular file. A link is not followed: it is the file that is to be renamed. Raises CannotRead."""
    try:
        # Without waiting, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CannotRead("it is a symbolic link") from None
        raise CannotRead(f"it cannot be read: {error.strerror}") from None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise CannotRead("it is not a regular file")
        if about.st_size > _LARGEST:
            raise CannotRead(f"it is larger than {_LARGEST >> 20} MB: split its conversations into several files")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise CannotRead(f"it cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def sha256(content: bytes) -> str:
    """What a file is recognised by."""
    return hashlib.sha256(content).hexdigest()


# --- what is written -------------------------------------------------------------------------------


def put_away(path: Path, digest: str) -> str:
    """Rename a file that was imported, and return its new name; no file is overwritten.

    Raises CannotRead where it is not the one that was read any more, OSError where it cannot be renamed.
    """
    if sha256(read(path)) != digest:
        raise CannotRead("it was written to meanwhile, and stays: import it again")
    for name in _names(f"{path.name}.migrated", ""):
        new = path.with_name(name)
        with contextlib.suppress(FileExistsError):
            _move(path, new)
            return name
    raise AssertionError("names do not end")


def _move(path: Path, new: Path) -> None:
    """Rename, but never onto a file: a link fails where its name is taken, a rename would replace it."""
    try:
        os.link(path, new, follow_symlinks=False)
    except FileExistsError:
        # An earlier process died between the two steps.
        if not os.path.samestat(path.lstat(), new.lstat()):
            raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES):
            raise
        if os.path.lexists(new):  # a file system without links
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
        path.rename(new)
        return
    path.unlink()


def set_aside(path: Path, content: bytes) -> str:
    """Write the rows that are left into a new file beside this one, onto the disk, and return its name.

    Where one with the same content is there, it is that one: a process may have died after it had been written.
    """
    for name in _names(f"{path.stem}.rejected", ".json"):
        new = path.with_name(name)
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if new.is_file() and not new.is_symlink() and new.read_bytes() == content:
                return name
            continue
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
        except OSError:
            new.unlink()
            raise
        return name
    raise AssertionError("names do not end")


def _names(stem: str, suffix: str) -> Iterator[str]:
    """The name, and further ones where it is taken."""
    return itertools.chain([stem + suffix], (f"{stem}.{number}{suffix}" for number in itertools.count(2)))
