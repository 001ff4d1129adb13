"""Reads a migration file and the files it names from disk. (I/O is for this room, whatever its kind.)"""

from __future__ import annotations

from pathlib import Path

from ecluse.errors import MigrationFileError
from ecluse.model.migration import Migration
from ecluse.operations.file import parse_migration


def read_migration(path: Path) -> Migration:
    """Read a migration file; names of files in it are relative to its folder."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise MigrationFileError(f"cannot read {path}: {reason}") from error

    def read(name: str) -> str:
        return (path.parent / name).read_text(encoding="utf-8")

    return parse_migration(text, str(path), read)
