"""The migration file as a value: what the user wrote, and where each word of it stands.

`tomllib` gives no lines, so `Source` keeps the text and finds the line of a key again when there is something
to say about it. The operations themselves live in `operations/`; here is only what they share.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import BaseModel, ConfigDict, PrivateAttr

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_FENCE = re.compile(r'"""|\'\'\'')

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """The text of a migration file and its name, as messages give it."""

    file: str
    text: str

    def line(self, path: Path) -> int:
        """The line of the key at `path`, or of the nearest thing around it that has a line of its own."""
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self._lines), ())
        start = self._lines.get(known, 1)
        rest = [part for part in path[len(known) :] if isinstance(part, str)]
        return self._within(start, rest[-1]) if rest else start

    def _within(self, start: int, word: str) -> int:
        # A key of an inline table: it stands somewhere in the value that begins at `start`.
        end = min((line for line in self._lines.values() if line > start), default=len(self.text.splitlines()) + 1)
        pattern = re.compile(rf"(?<![\w-])[\"']?{re.escape(word)}[\"']?\s*=")
        lines = self.text.splitlines()[start - 1 : end - 1]
        return next((start + n for n, line in enumerate(lines) if pattern.search(line)), start)

    @cached_property
    def _lines(self) -> dict[Path, int]:
        found: dict[Path, int] = {}
        counts: dict[Path, int] = {}
        table: Path = ()
        fence = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            if fence:
                fence = "" if fence in line else fence
                continue
            if header := _HEADER.match(line):
                table = _resolve(_parts(header[2]), counts, several=header[1] == "[[")
                found.setdefault(table, number)
            elif key := _KEY.match(line):
                found.setdefault(table + _parts(key[1]), number)
            opened = _FENCE.search(line)
            if opened and line.count(opened[0]) % 2:
                fence = opened[0]
        return found


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


def _resolve(parts: tuple[str, ...], counts: dict[Path, int], *, several: bool) -> Path:
    """The path of a table header: each array of tables on the way stands for its last element."""
    path: Path = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if several and position == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


class Settings(BaseModel):
    """A table of a migration file. Words that it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class OperationSettings(Settings):
    """What all operations share: the kind, and their place in the file."""

    kind: str
    _index: int = PrivateAttr(default=0)

    @property
    def index(self) -> int:
        """Which `[[operation]]` of the file this is, from 0."""
        return self._index

    def place(self, index: int) -> None:
        """Say which `[[operation]]` of the file this is; only the reader of the file does."""
        self._index = index


@dataclass(frozen=True)
class Migration:
    """One migration: its name, the database it concerns, and its operations in order.

    `files` holds the texts of the data files that operations name (id maps), by the path written in the file.
    """

    name: str
    database: str
    operations: tuple[OperationSettings, ...]
    description: str = ""
    drop: tuple[str, ...] = ()
    old_shape_for: tuple[str, ...] = ()
    source: Source = field(default_factory=lambda: Source("", ""))
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Twelve hex digits over all that it says, the files that it names included."""
        said = [
            self.source.text,
            [operation.model_dump(mode="json", exclude_unset=True) for operation in self.operations],
            dict(self.files),
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
