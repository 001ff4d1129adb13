"""Files are written whole or not at all, hashed, and known to be at work on."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from ecluse.postgres.files import is_locked, sha256_of, write_whole


def test_a_file_is_there_whole_with_its_rights_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "report"
    write_whole(file, "first é", 0o600)
    assert (file.read_text("utf-8"), stat.S_IMODE(file.stat().st_mode)) == ("first é", 0o600)
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "half a character: \ud800")
    assert file.read_text("utf-8") == "first é"
    write_whole(file, "second")
    assert (file.read_text("utf-8"), list(tmp_path.iterdir())) == ("second", [file])
    # As `printf second | sha256sum` has it.
    assert sha256_of(file) == "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4"


def test_who_holds_a_lock_is_seen(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "nothing")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert not is_locked(tmp_path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    assert is_locked(tmp_path)
    os.close(descriptor)
    assert not is_locked(tmp_path)
