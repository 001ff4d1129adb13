"""The SQL of the catalog reader, one statement a file."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_SINCE = re.compile(r"--\s*(?P<sign>>=|<)\s*(?P<major>\d+)\s*$")


@cache
def load(name: str, major: int) -> str:
    """The statement in `name.sql`; a line that ends in `-- >= 15` or `-- < 15` is kept only for such servers."""
    text = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if _fits(line, major))


def _fits(line: str, major: int) -> bool:
    found = _SINCE.search(line)
    if found is None:
        return True
    limit = int(found["major"])
    return major >= limit if found["sign"] == ">=" else major < limit
