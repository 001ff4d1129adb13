"""Who may do what with a new table, as a migration says it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ecluse.model.catalog import Grant
from ecluse.operations.expressions import InvalidSql

_PRIVILEGES = frozenset({"select", "insert", "update", "delete", "references", "trigger", "truncate", "all"})
_WRITTEN = re.compile(r"(?P<privilege>[a-z]+)(\s*\((?P<columns>[^()]+)\))?\Z", re.IGNORECASE)


def grants(owner: str, said: Mapping[str, tuple[str, ...]]) -> Iterator[Grant]:
    """All grants of a table that `owner` has; a privilege may name columns: `select (id, provider)`.

    Raises InvalidSql. Rights are listed whole: where there are any, those of the owner are among them.
    """
    yield Grant(owner, "ALL")
    for role, privileges in said.items():
        for text in privileges:
            found = _WRITTEN.match(text.strip())
            if found is None or found["privilege"].lower() not in _PRIVILEGES:
                raise InvalidSql(
                    f'\'{text}\' is no privilege: write one as in GRANT, as "select" or "select (id, name)"'
                )
            columns = [name.strip().strip('"') for name in (found["columns"] or "").split(",")]
            for column in columns:
                yield Grant("" if role.lower() == "public" else role, found["privilege"].upper(), column)
