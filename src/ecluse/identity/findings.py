"""What an audit says: sources, columns, and what is wrong with them. Values that are no plain ids are masked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from ecluse.model.identity import Holder
from ecluse.model.uuid_sql import parse_uuid


class Fault(StrEnum):
    """The kinds of faults, by the words of the report."""

    WRONG_IDENTITY = "wrong identity"
    ORPHAN = "orphan"
    DELETED = "deleted person"
    AMBIGUOUS = "ambiguous"
    TWO_PEOPLE = "one id, two people"
    ID_TWICE = "id twice"
    EMAIL_CASE = "e-mails differ by case"
    EMAIL_TWICE = "e-mail twice"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Examined:
    """A column to look at. Found by its values alone it is shown, but not judged: it may hold other ids as well."""

    holder: Holder
    type: str
    known_by: Literal["declaration", "foreign key", "name", "values"]

    @property
    def judged(self) -> bool:
        """Whether what does not resolve is a fault."""
        return self.known_by != "values"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, where, how often, with a few examples, and why it may be so."""

    fault: Fault
    where: str
    message: str
    values: int = 0
    rows: int | None = None
    samples: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceState:
    """A source, and whether it answered."""

    source: str
    ids: dict[str, str]
    people: int | None  # rows; None where it did not answer


@dataclass(frozen=True)
class ColumnState:
    """A column: how many of its distinct values resolve, by which id, and how many do not.

    A value counts for each id by which it is found, so the numbers of `resolved` may overlap.
    """

    column: str
    known_by: str
    holds: str  # the id that it should hold: declared, or that of most values; empty where nothing resolves
    judged: bool
    values: int
    rows: int
    resolved: dict[str, int]
    deleted: int
    ambiguous: int
    absent: int
    unreachable: int


@dataclass(frozen=True)
class Audit:
    """All that an audit found."""

    sources: tuple[SourceState, ...] = ()
    columns: tuple[ColumnState, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong. A source that was not asked is not a clean one."""
        return not self.findings


def mask(text: str) -> str:
    """A value for people who may not see rows: plain ids stay, of an e-mail the domain, of the rest two letters."""
    if parse_uuid(text) or re.fullmatch(r"-?[0-9]{1,9}", text):
        return text
    head, at, domain = text.rpartition("@")
    return f"{head[:1]}***@{domain}" if at else f"{text[:2]}***"
