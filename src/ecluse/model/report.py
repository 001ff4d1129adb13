"""What a run tells: events while it goes on, accounts and proofs when it is done."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """One thing worth telling. `kind`: step (begins), progress, done (a step), note, warn.

    `total_is`: exact | estimate. `seconds` is set on done; `rate` is rows a second, on progress.
    """

    kind: str
    step: str
    message: str = ""
    done: int | None = None
    total: int | None = None
    total_is: str = "exact"
    rate: float | None = None
    seconds: float | None = None
    position: tuple[int, int] | None = None  # 2 of 9


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that differs. `left` and `right` are column -> text, and empty unless values were asked for."""

    key: str
    kind: str  # missing (only on the left) | extra (only on the right) | different | duplicate
    columns: tuple[str, ...] = ()
    left: dict[str, str | None] = field(default_factory=dict)
    right: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The proof of one table in one direction."""

    table: str
    direction: str  # forward: target equals mapping(source); inverse: source equals inverse(target)
    left_rows: int
    right_rows: int
    left_sum: str  # hex of both sums
    right_sum: str
    pending: int = 0  # units left out because they wait in the capture log
    differences: tuple[Difference, ...] = ()
    more: int = 0  # differing rows beyond those listed
    seconds: float = 0.0

    @property
    def equal(self) -> bool:
        """Whether the proof holds."""
        return self.left_rows == self.right_rows and self.left_sum == self.right_sum and not self.differences


@dataclass(frozen=True, slots=True)
class Account:
    """The law of accounts for one old table: rows_in = carried + merged + quarantined."""

    table: str
    rows_in: int
    carried: int
    merged: int
    quarantined: int
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether every row is accounted for."""
        return self.rows_in == self.carried + self.merged + self.quarantined


@dataclass(frozen=True, slots=True)
class Probe:
    """A check of structure or behaviour. `ran` is False where it could not run; that is not a pass."""

    title: str
    passed: bool
    ran: bool = True
    details: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """All that `verify` found."""

    comparisons: tuple[Comparison, ...] = ()
    accounts: tuple[Account, ...] = ()
    probes: tuple[Probe, ...] = ()
    snapshot: str = ""  # of the comparisons, as pg_current_snapshot() prints it: transactions that were seen
    seen_at: str = ""  # when that snapshot was taken

    @property
    def passed(self) -> bool:
        """Whether everything holds."""
        return (
            all(c.equal for c in self.comparisons)
            and all(a.balanced for a in self.accounts)
            and all(p.ran and p.passed for p in self.probes)
        )


@dataclass(frozen=True, slots=True)
class Disposition:
    """What would become of the rows of one old table: rows_in = carried + merged + quarantined + refused.

    `refused` are rows that nobody agreed to leave behind: with one of them a run stops before its gate. `origin` is the
    database that the table leaves, of a move.
    """

    table: str
    rows_in: int
    carried: int
    merged: int
    quarantined: int
    refused: int
    reasons: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The rows that a new table would get from the old ones; `nulls` by column that may have none."""

    table: str
    rows: int
    joins: bool = False  # they would join those that are there
    nulls: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Uncounted:
    """An old table of which a dry run cannot say what its rows would become, and why."""

    table: str
    rows_in: int
    why: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do with the rows, counted by the mapping's own SQL at one snapshot; nothing is changed."""

    dispositions: tuple[Disposition, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()
    archived: dict[str, int] = field(default_factory=dict)  # tables that leave, and their rows

    @property
    def refused(self) -> bool:
        """Whether a run would stop because of rows."""
        return any(d.refused for d in self.dispositions) or any(a.nulls for a in self.arrivals)


# --- a report of it, held against the database later -------------------------------------------------

YES, NO, CHANGED, UNKNOWN = "yes", "no", "changed", "cannot be told"


@dataclass(frozen=True, slots=True)
class Check:
    """One question about a report. `answer`: YES, NO, CHANGED (since, by whoever writes there), UNKNOWN."""

    title: str
    answer: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """All questions about a report, and the status of its run now."""

    status: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the report."""
        return all(check.answer != NO for check in self.checks)
