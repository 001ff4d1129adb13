"""What rows are linked to: rosters by the column that matches, and the account of who is linked. Pure.

A roster has a row for each value that the referred-to rows have: the one row that it stands for, and of how many. It is
read out of the old tables, so it is made again before rows are asked whether the old shape holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ecluse.model.catalog import Column, Table
from ecluse.model.names import Name, literal
from ecluse.operations.rules import col
from ecluse.operations.work import Findings, Referred, Work

_LINK = "ecluse_link"


@dataclass(frozen=True, slots=True)
class Links:
    """Rows of `table` refer to the row of the old table behind `references` that has the value of `ours` in `theirs`.

    `becomes` is the key there, before; `key` is its column in the new table. `when` is a condition over `m`, or empty.
    """

    table: Table
    ours: str
    theirs: Column
    becomes: Column
    references: Name
    key: str
    when: str
    accounts: tuple[str, ...]  # expressions over an old row `m`: rows in which they differ are not the same thing twice
    single: bool  # no value has several rows, so that nothing is ambiguous

    def select(self, source: str, only: str, held: str) -> str:
        """For each value: the key of the row that stays where all rows mean the same, and how many they mean.

        A row that stays behind counts: which of two accounts a row came from, nobody can say.
        """
        mine, key = col(self.theirs.name), col(self.becomes.name)
        stays = f"FILTER (WHERE NOT {held})" if held else ""
        # A row that lacks a part of its account is the same as no other.
        own = f"CASE WHEN {' OR '.join(f'({account}) IS NULL' for account in self.accounts)} THEN {key} END"
        found = f"count(DISTINCT ROW({', '.join(self.accounts)}, {own}))" if self.accounts else f"count(*) {stays}"
        return (
            f"SELECT {mine} AS key, CASE WHEN {found} = 1 THEN (array_agg({key}) {stays})[1] END AS becomes, "
            f"{found} AS found\nFROM {source} m WHERE {only} AND {mine} IS NOT NULL GROUP BY {mine}"
        )

    def found(self, roster: str, column: str) -> str:
        """What the roster says of a row."""
        return f"(SELECT i.{column} FROM {{{{{roster}}}}} i WHERE i.key = {col(self.ours)})"

    def join(self, roster: str) -> str:
        """Look the roster up once for all rows: a lookup for each row takes several times as long."""
        return f"LEFT JOIN {{{{{roster}}}}} {_LINK} ON {_LINK}.key = {col(self.ours)}"

    @property
    def forward(self) -> str:
        """What a row refers to, where it is joined to the roster."""
        return f"CASE WHEN {self.when} THEN {_LINK}.becomes END" if self.when else f"{_LINK}.becomes"

    def rejects(self, roster: str, missing: str, ambiguous: str) -> Iterator[tuple[str, tuple[str, str]]]:
        """The policy for each reason not to be linked, its condition and its words."""
        linked = f"({self.when or 'true'})"
        several = f"{self.found(roster, 'found')} > 1"
        none = f"{self.found(roster, 'becomes')} IS NULL"
        none += "" if self.single else f" AND ({several}) IS NOT TRUE"
        yield missing, (f"({linked} AND {none})", f"no row of {self.references} matches its {self.ours}")
        if not self.single:
            yield ambiguous, (f"({linked} AND {several})", f"several rows of {self.references} match its {self.ours}")

    def at_home(self, link: str, target: Referred) -> str:
        """Whether the old shape knows what a new row refers to, which may be a row of another kind."""
        same = f"{col(self.key, 'p')} = {link} AND {target.home('p')}"
        return f"({link} IS NULL OR EXISTS (SELECT FROM {{{{{target.new}}}}} p WHERE {same}))"


def add(work: Work, links: Links, target: Referred) -> str:
    """Add the roster of what can be referred to; gives its alias."""
    wish = f"{links.references.name}__by_{links.theirs.name}"
    columns = (("becomes", links.becomes.type), ("found", "bigint"))
    rule = partial(links.select, held=target.held)
    return work.roster(wish, target.old, links.theirs, columns, rule, kin=target.kin, live=True)


# --- who is linked ----------------------------------------------------------------------------------


def account(links: Links, target: Referred, missing: str, ambiguous: str) -> Findings:
    """How many rows are linked, and why the others are not."""
    linked = links.when or "true"
    reasons = (
        ("refer to what matches them", "note", f"({linked}) AND i.becomes IS NOT NULL"),
        ("are unlinked by rule", "note", f"({linked}) IS NOT TRUE"),
        (
            _said(missing, "match nothing"),
            _level(missing),
            f"({linked}) AND i.becomes IS NULL AND (i.found > 1) IS NOT TRUE",
        ),
        (_said(ambiguous, "match several"), _level(ambiguous), f"({linked}) AND i.found > 1"),
    )
    counts = ", ".join(f"count(*) FILTER (WHERE {condition}) AS n{n}" for n, (_, _, condition) in enumerate(reasons))
    rule = links.select(f"ONLY {target.table.name.sql}", "true", target.held_now)
    asked = f"SELECT {counts} FROM ONLY {links.table.name.sql} m LEFT JOIN ({rule}) i ON i.key = {col(links.ours)}"
    told = ", ".join(
        f"(c.n{n}, {literal(level)}, {literal(f' rows of {links.table.name} {said}')})"
        for n, (said, level, _) in enumerate(reasons)
    )
    return Findings(
        links.table.name,
        f"SELECT 'links', t.level, to_char(t.n, 'FM999,999,999,990') || t.said FROM ({asked}) c "
        f"CROSS JOIN LATERAL (VALUES {told}) t (n, level, said) WHERE t.n > 0",
    )


def _level(policy: str) -> str:
    return "refuse" if policy == "refuse" else "note"


def _said(policy: str, what: str) -> str:
    becomes = {"refuse": "are refused", "unlinked": "stay unlinked", "quarantine": "go to quarantine"}
    return f"{what} and {becomes[policy]}"


# --- unique among those that refer to one row -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Second:
    """Rows of one owner that have the same `values`, expressions over `m` that read one old column.

    The roster has a row for each that is not the first: its key, and the key of the first, to which other tables refer
    instead.
    """

    table: Table
    key: str
    column: str
    values: tuple[str, ...]
    links: Links
    first: str
    told_apart: bool  # two values of the column are never the same value here: it is taken as it is, or as its text

    @property
    def impossible(self) -> bool:
        """Whether the old table lets in only one such row as well, by its column or with the owner's."""
        mine = {self.column, self.links.ours}
        return self.told_apart and any(mine.issuperset(columns) for _, columns in self.table.unique_keys)

    def select(self, source: str, only: str) -> str:
        """The rows that are not the first, and which one is."""
        mine, owner, key = col(self.column), col(self.links.ours), col(self.key)
        order = ", ".join([*([self.first] if self.first else []), key])
        again = f"SELECT {mine} FROM {source} m WHERE {only} AND {mine} IS NOT NULL GROUP BY {mine} HAVING count(*) > 1"
        placed = (
            f"SELECT {key} AS key, row_number() OVER same AS place, first_value({key}) OVER same AS first "
            f"FROM {source} m\n  WHERE {only} AND {owner} IS NOT NULL AND ({self.links.when or 'true'}) "
            f"AND {mine} IN ({again}) WINDOW same AS (PARTITION BY {', '.join([owner, *self.values])} ORDER BY {order})"
        )
        return f"SELECT s.key, s.key AS second, s.first\nFROM ({placed}) s WHERE s.place > 1"

    def finding(self, *, refuse: bool) -> Findings:
        """How many rows are not the first."""
        level, verb = ("refuse", "are refused") if refuse else ("note", "go to quarantine; the first stays")
        same = f"have the same {self.column} as another of the same {self.links.ours}"
        what = f" rows of {self.table.name} {same}, and {verb}"
        return Findings(
            self.table.name,
            f"SELECT 'duplicates', {literal(level)}, to_char(count(*), 'FM999,999,990') || {literal(what)} "
            f"FROM ({self.select(f'ONLY {self.table.name.sql}', 'true')}) c HAVING count(*) > 0",
        )


def add_second(work: Work, second: Second, source: str) -> str:
    """Add the roster of rows that are not the first; gives its alias."""
    column = second.table.column(second.key)
    assert column is not None
    columns = (("second", column.type), ("first", column.type))
    kin = (col(second.column),)
    return work.roster(f"{second.table.name.name}__second", source, column, columns, second.select, kin=kin)
