"""What becomes of users, whichever way they are imported: a line for each in a file, and a summary.

Never a hash. E-mails are masked where they were not asked for.
"""

from __future__ import annotations

import csv
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from ecluse.errors import WrongUsage
from ecluse.identity.findings import mask
from ecluse.operations.inputs import EVIDENCE, MAP_COLUMNS
from ecluse.operations.password_sql import CARRIED
from ecluse.operations.people_sql import CREATED, HELD, MATCHED
from ecluse.postgres.connect import Session

FAILED = "failed"
"""The service refused to make the account; the reason is what it said."""

RESET = "the password cannot be carried, and is to be reset"
_EVIDENCE = {CREATED: "import_users: a new account", MATCHED: "import_users: e-mail"}


@dataclass(frozen=True, slots=True)
class UserOutcome:
    """What becomes of a user. `password` is the format of a new account's, `reason` why it is not as it was."""

    old_user_id: str
    email: str
    outcome: str
    supabase_user_id: str
    password: str
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """How many users have the same outcome, format of password and reason; `there`: as before this run."""

    outcome: str
    password: str
    reason: str
    users: int
    there: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """All rows of the legacy table, by what becomes of them."""

    rows: int
    groups: tuple[Group, ...]

    def of(self, outcome: str) -> int:
        """How many users have this outcome."""
        return sum(group.users for group in self.groups if group.outcome == outcome)

    @property
    def to_create(self) -> int:
        """How many accounts are to be made."""
        return sum(group.users - group.there for group in self.groups if group.outcome == CREATED)

    @property
    def adds_up(self) -> bool:
        """Whether each row has one outcome, and none of them is a failure."""
        return self.rows == self.of(CREATED) + self.of(MATCHED) + self.of(HELD)


def told(outcome: str, password: str, reason: str | None) -> tuple[str, str]:
    """Password and reason as they are told, of those in a roster: the format matters for new accounts only."""
    if outcome != CREATED:
        return "", reason or ""
    return password, "" if password in CARRIED else RESET


def summary(rows: int, counted: Iterable[tuple[str, str, str | None, int, int]]) -> Summary:
    """The summary of counts of a roster: outcome, password, reason, users, and how many of them are there already."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for outcome, password, reason, users, there in counted:
        numbers = sums.setdefault((outcome, *told(outcome, password, reason)), [0, 0])
        numbers[0] += users
        numbers[1] += there
    order = (CREATED, MATCHED, HELD, FAILED)
    groups = [Group(*key, *numbers) for key, numbers in sums.items()]
    # What is carried whole comes first, and then what the most users share.
    groups.sort(key=lambda g: (order.index(g.outcome), g.reason != "", -g.users, g.password, g.reason))
    return Summary(rows, tuple(groups))


def read_outcomes(session: Session, rows: str) -> Iterator[UserOutcome]:
    """The users of a roster, a few thousand at a time; `rows` is what follows FROM."""
    sql = f"SELECT old_user_id::text, email, outcome, uid::text, password, reason FROM {rows}"
    with session.transaction(), session.cursor(name="ecluse_outcomes") as cursor:
        cursor.itersize = 2000
        for old, email, outcome, uid, password, reason in cursor.execute(sql.encode()):
            yield UserOutcome(old, email or "", outcome, uid or "", *told(outcome, password, reason))


def counts(found: Summary) -> dict[str, Any]:
    """A summary as it is told: the rows, a number for each outcome, and the groups."""
    numbers = {outcome: found.of(outcome) for outcome in (CREATED, MATCHED, HELD, FAILED)}
    to_reset = sum(group.users for group in found.groups if group.reason == RESET)
    return {
        "rows": found.rows,
        **numbers,
        "to_create": found.to_create,
        "to_reset": to_reset,
        "groups": [asdict(group) for group in found.groups],
    }


def write_outcomes(file: Path, users: Iterable[UserOutcome], *, show_values: bool) -> None:
    """Write a line for each user to a file of its owner; one that is there is replaced."""
    show = str if show_values else mask_email
    with _private(file) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(field.name for field in fields(UserOutcome))
        for user in users:
            # An id may be an address as well.
            old = show(user.old_user_id) if "@" in user.old_user_id else user.old_user_id
            writer.writerow((old, show(user.email), user.outcome, user.supabase_user_id, user.password, user.reason))


def write_user_map(file: Path, users: Iterable[UserOutcome]) -> int:
    """Write the map that `remap_ids` takes, and give the number of its lines."""
    lines = 0
    with _private(file) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow((*MAP_COLUMNS, EVIDENCE))
        for user in users:
            if user.outcome in _EVIDENCE:
                writer.writerow((user.old_user_id, user.supabase_user_id, _EVIDENCE[user.outcome]))
                lines += 1
    return lines


def mask_email(text: str) -> str:
    """`a***@e***.com`; of what is no address, a letter or two."""
    head, at, domain = text.rpartition("@")
    if not at:
        return mask(text) if text else ""
    _, dot, last = domain.rpartition(".")
    return f"{head[:1]}***@{domain[:1]}***{dot}{last if dot else ''}"


@contextmanager
def _private(file: Path) -> Iterator[TextIO]:
    """A new content for a file, of mode 0600 from its first byte; the old one stays where it is not finished."""
    beside = file.with_name(f".{file.name.lstrip('.')}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise WrongUsage(f"'{file}' cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
