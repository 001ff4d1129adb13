"""What is kept of a rehearsal, in a file that goes with the migration: which plan it was of, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figures:
    """One step of a rehearsal. Times in seconds; None is what was not measured, or does not apply.

    `longest_lock` is how long a lock of ours was held that stops writers or readers; `worst_stall` is the longest that
    a statement of the load took. `low` and `high` are the seconds that are expected of the real database.
    """

    step: str
    seconds: float
    rows: int | None = None
    wal_bytes: int | None = None
    disk_bytes: int | None = None
    longest_lock: float | None = None
    worst_stall: float | None = None
    low: float | None = None
    high: float | None = None
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One rehearsal of a plan. It holds no row and no value.

    `fingerprint` is that of the plan of the real database, as it stood at the snapshot that was copied.
    """

    migration: str
    fingerprint: str
    source: str  # the digest of the migration
    passed: bool
    at: str  # ISO 8601, UTC
    database: str  # the name in ecluse.toml
    server_version: int
    sample: float = 100.0  # percent of the rows
    load: int = 0  # writers
    rows: int = 0  # copied
    steps: tuple[Figures, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
