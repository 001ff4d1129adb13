"""The SQL of the catalog reader, one statement a file."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_SINCE = re.compile(r"--\s*(?P<sign>>=|<)\s*(?P<major>\d+)\s*$")


@cache
def load(name: str, major: int) -> str:
    """The statement in `name.sql`, for servers of that major version."""
    return lines_for(files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8"), major)


def lines_for(text: str, major: int) -> str:
    """The text without the lines of other versions: one that ends in `-- >= 15` or `-- < 15` is for such servers."""
    return "\n".join(line for line in text.splitlines() if _fits(line, major))


def _fits(line: str, major: int) -> bool:
    found = _SINCE.search(line)
    if found is None:
        return True
    limit = int(found["major"])
    return major >= limit if found["sign"] == ">=" else major < limit
