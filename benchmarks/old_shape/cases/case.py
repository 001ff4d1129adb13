"""A legacy database, its migration, and what the applications of both shapes say to it."""

from __future__ import annotations

from dataclasses import dataclass

READS, WRITES = 1.3, 2.5
"""What the old shape may take, times the original."""

POOL = 5000
"""So many parameters at most are drawn for a statement."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that an application does.

    `pool` is a query of the legacy database that gives parameters, in an order that chance would give: all contenders
    are given the same; a quarter of the rows is there to be deleted. `new` is how the new application says it, where
    that differs.
    """

    name: str
    old: str
    pool: str
    new: str = ""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.old.startswith("SELECT")

    @property
    def once(self) -> bool:
        """Whether the same parameters cannot be given again."""
        return self.old.startswith("DELETE") or (self.old.startswith("INSERT") and "(id" in self.old)

    @property
    def target(self) -> float:
        """What it may take on the old shape, times the original."""
        return READS if self.reads else WRITES


@dataclass(frozen=True, slots=True)
class Case:
    """`tables` and `one_table` are scripts; the latter is empty where `why_not` says so."""

    name: str
    title: str
    tables: str
    compared: tuple[str, ...]  # the tables that the old application sees
    migration: str
    statements: tuple[Statement, ...]
    one_table: str = ""
    why_not: str = ""
