"""Rows of which a unique constraint of the new shape lets in one only: who stays, a roster decides. Pure.

A row stays where it is the first in every group that it belongs to. So its fate depends on the rows that it shares a
group with, and on no others: they are its kin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.model.catalog import Table
from ecluse.model.flow import Reject
from ecluse.model.names import literal
from ecluse.operations.rules import col
from ecluse.operations.work import Findings, Work


@dataclass(frozen=True, slots=True)
class Group:
    """Rows with the same values of these expressions over the old row `m` cannot all be in the new table.

    `name` is the constraint's, `said` what a person reads. Rows in which one of them is NULL are in no group.
    """

    name: str
    values: tuple[str, ...]
    said: str

    @property
    def whole(self) -> str:
        """Whether a row belongs to a group."""
        return " AND ".join(f"({value}) IS NOT NULL" for value in self.values)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The rule for a table with a key of one column. `first` is an expression over `m`, empty for the key alone."""

    table: Table
    key: str
    groups: tuple[Group, ...]
    first: str
    refuse: bool

    @property
    def kin(self) -> tuple[str, ...]:
        """What rows of one group have in common, or more; each is one expression, so that it can be indexed."""
        return tuple(dict.fromkeys(group.values[0] for group in self.groups))

    def select(self, source: str, only: str) -> str:
        """Key, the key again where the row stays, and the group for which it does not; over `source`."""
        order = ", ".join([*([self.first] if self.first else []), col(self.key)])
        places = "".join(
            f", CASE WHEN {group.whole} THEN row_number() OVER "
            f"(PARTITION BY {', '.join(group.values)} ORDER BY {order}) ELSE 1 END AS place{number}"
            for number, group in enumerate(self.groups)
        )
        cases = " ".join(f"WHEN s.place{n} > 1 THEN {literal(group.name)}" for n, group in enumerate(self.groups))
        return (
            f"SELECT s.key, CASE WHEN s.because IS NULL THEN s.key END AS stays, s.because\n"
            f"FROM (SELECT s.*, CASE {cases} END AS because FROM (SELECT {col(self.key)} AS key{places}\n"
            f"  FROM {source} m WHERE {only}) s) s"
        )

    def rejects(self, roster: str) -> Iterator[Reject]:
        """Why a row stays behind, group by group."""
        for group in self.groups:
            held = f"SELECT FROM {{{{{roster}}}}} i WHERE i.key = {col(self.key)} AND i.because = {literal(group.name)}"
            yield Reject(f"EXISTS ({held})", f"another row has the same {group.said}", group.said, self.refuse)
        # Written since the roster was filled: the drain will ask again.
        yield Reject(self.held(roster), "its place among equal rows is not known yet", self.key, self.refuse)

    @property
    def held_now(self) -> str:
        """The same before there is a roster, for the plan's counts."""
        rule = self.select(self.table.name.sql, "true")
        return f"({col(self.key)} IN (SELECT d.key FROM ({rule}) d WHERE d.stays IS NULL))"

    def held_back(self, roster: str) -> str:
        """Whether it is known of a row that it stays behind; the new application's rows are in no roster."""
        return f"((SELECT i.because FROM {{{{{roster}}}}} i WHERE i.key = {col(self.key)}) IS NOT NULL)"

    def held(self, roster: str) -> str:
        """Whether a row stays behind for any of them, or is not known yet."""
        return f"((SELECT i.stays FROM {{{{{roster}}}}} i WHERE i.key = {col(self.key)}) IS NULL)"


def add(work: Work, rule: Duplicates, source: str) -> str:
    """Add the roster, and what the plan says of those who would stay behind; gives its alias.

    `source` is the alias of the old table.
    """
    column = rule.table.column(rule.key)
    assert column is not None
    columns = (("stays", column.type), ("because", "text"))
    alias = work.roster(f"{rule.table.name.name}__first", source, column, columns, rule.select, kin=rule.kin)
    work.findings.append(_finding(rule))
    return alias


def _finding(rule: Duplicates) -> Findings:
    level, verb = ("refuse", "are refused") if rule.refuse else ("note", "go to quarantine; the first stays")
    names = " ".join(f"WHEN {literal(group.name)} THEN {literal(group.said)}" for group in rule.groups)
    told = (
        f"to_char(count(*), 'FM999,999,990') || {literal(f' rows of {rule.table.name} have the same ')} || "
        f"(CASE s.because {names} END) || {literal(f' as another row, and {verb}')}"
    )
    rows = f"({rule.select(f'ONLY {rule.table.name.sql}', 'true')}) s WHERE s.because IS NOT NULL GROUP BY s.because"
    return Findings(rule.table.name, f"SELECT 'duplicates', {literal(level)}, {told} FROM {rows}")


def single(table: Table) -> tuple[str, ...]:
    """The columns of which no two rows of a table have the same value."""
    return tuple(columns[0] for _, columns in table.unique_keys if len(columns) == 1)
