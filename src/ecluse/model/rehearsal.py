"""What is kept of a rehearsal, in a file that goes with the migration: which plan it was of, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figures:
    """One step of a rehearsal. Times in seconds; None is what was not measured, or does not apply.

    `longest_lock` is how long a lock of ours was held that stops writers or readers; `worst_stall` is the longest that
    a statement of the load took, `median` what one took usually. `low` and `high` are the seconds that are expected of
    the real database, `basis` how that grows. `disk_bytes` is the most that database and log took in the step.
    """

    step: str
    seconds: float
    rows: int | None = None
    wal_bytes: int | None = None
    disk_bytes: int | None = None
    longest_lock: float | None = None
    worst_stall: float | None = None
    median: float | None = None
    low: float | None = None
    high: float | None = None
    basis: str = ""
    failed: str = ""

    @property
    def rows_per_second(self) -> float | None:
        """How fast the rows went."""
        return self.rows / self.seconds if self.rows and self.seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Written:
    """What one side of the load did: statements that were committed, that constraints refused, and that failed."""

    shape: str  # old | new | old shape kept
    committed: int
    refused: int = 0
    failed: int = 0


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
    real_rows: int = 0  # about how many the real tables have
    on: str = ""  # the database beside which the copies were made; else a server of their own
    rehearsed_version: int = 0  # of the server that it ran on
    written: tuple[Written, ...] = ()
    basis: str = ""  # what the estimates of the steps rest on
