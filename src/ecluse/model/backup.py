"""What a backup says of itself: the manifest, with the hash of its own content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ecluse.model.names import Name

FORMAT = 1
MANIFEST = "manifest.json"
CATALOGUE = "catalogue.json"
SETTINGS = "settings.json"
DUMP = "dump"


@dataclass(frozen=True, slots=True)
class TableThen:
    """One table at the snapshot. `checksum` is of every column of every row, `octets` the size with its TOAST."""

    table: Name
    rows: int
    checksum: str
    octets: int


@dataclass(frozen=True, slots=True)
class SequenceThen:
    """A sequence, before `pg_dump` ran and after: sequences know no snapshot, so the dump holds one between the two."""

    sequence: Name
    value: int
    called: bool
    later: int
    later_called: bool

    def holds(self, value: int, called: bool) -> bool:
        """Whether the dump may hold this."""
        if (self.value, self.called) == (self.later, self.later_called):
            return (value, called) == (self.value, self.called)
        return min(self.value, self.later) <= value <= max(self.value, self.later)


@dataclass(frozen=True, slots=True)
class RoleThen:
    """A role that the dump names. `owns` and `in_policies`: what cannot be made where the role is missing."""

    role: str
    owns: bool
    in_policies: bool


@dataclass(frozen=True, slots=True)
class LargeObjects:
    """How many large objects there are, and the checksum of their content."""

    number: int
    checksum: str


@dataclass(frozen=True, slots=True)
class MigrationThen:
    """A run of the journal, as it stood at the snapshot."""

    run: int
    migration: str
    status: str
    stage: str


@dataclass(frozen=True, slots=True)
class FileThen:
    """One file of the backup, by its path within the folder."""

    path: str
    octets: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Check:
    """The last time that the backup was restored and compared; `on` is the server, for people. Times are UTC."""

    at: str
    on: str
    server_version: int
    passed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Versions:
    """`server` is server_version_num; `pg_dump` is the major version of the program that wrote the dump."""

    server: int
    pg_dump: int
    ecluse: str


@dataclass(frozen=True, slots=True)
class Locale:
    """How the database keeps text. `provider` is that of pg_database: c, i, b."""

    encoding: str
    collate: str
    ctype: str
    provider: str = "c"
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup. It holds no value of any row, and no setting of the database: those are in files beside it.

    `database` is the name in ecluse.toml, `called` that on the server, which `server` identifies: "" where the role may
    not ask. `octets` is the size of the whole database.
    """

    database: str
    called: str
    at: str  # of the snapshot: ISO 8601, UTC
    seconds: float
    versions: Versions
    locale: Locale
    octets: int
    tables: tuple[TableThen, ...]
    sequences: tuple[SequenceThen, ...]
    large_objects: LargeObjects
    roles: tuple[RoleThen, ...]
    extensions: dict[str, str]
    foreign_tables: tuple[Name, ...]  # their rows are elsewhere
    migrations: tuple[MigrationThen, ...]
    files: tuple[FileThen, ...] = ()
    checked: Check | None = None
    server: str = ""

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def verified(self) -> bool:
        """Whether it was restored, and was what it says that it is."""
        return self.checked is not None and self.checked.passed

    def with_check(self, check: Check) -> Manifest:
        """The same, with the last check."""
        return replace(self, checked=check)


_manifests: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def written(manifest: Manifest) -> str:
    """The text of the file."""
    content: dict[str, Any] = json.loads(_manifests.dump_json(manifest))
    return json.dumps({"format": FORMAT, "sha256": _digest(content), **content}, indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> Manifest:
    """The manifest of a file. Raises ValueError, which says in words what is wrong with it."""
    try:
        content = json.loads(text)
    except ValueError:
        raise ValueError("it is not whole") from None
    if not isinstance(content, dict):
        raise ValueError("it is not a manifest")
    if content.pop("format", None) != FORMAT:
        raise ValueError(f"it is of another format than {FORMAT}, which this version reads")
    if content.pop("sha256", None) != _digest(content):
        raise ValueError("its content is not what its sha256 is of: it was changed")
    try:
        return _manifests.validate_python(content)
    except ValidationError as error:
        raise ValueError(f"it is not what `ecluse backup` writes: {error.errors()[0]['msg']}") from None


def _digest(content: dict[str, Any]) -> str:
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()
