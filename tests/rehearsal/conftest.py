"""A place for copies that several tests share, as a server of its own takes seconds to make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.postgres.binaries import bin_dir
from ecluse.postgres.copies.place import Place, own_place

FAST = {"fsync": "off", "synchronous_commit": "off", "shared_buffers": "64MB"}


@pytest.fixture(scope="package")
def place(open_folder: Path) -> Iterator[Place]:
    """A throw-away server of the newest version."""
    with own_place(open_folder / "rehearsals", bin_dir(18), FAST) as found:
        yield found
