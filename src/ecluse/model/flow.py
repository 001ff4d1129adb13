"""Flows: what operations compile to. A flow maps the rows of old tables onto the rows of new ones, and back.

**Sides and members.** A flow has an old side and a new side. The first member of a side is its *anchor*; the
others (satellites) hang on the anchor through `join`. A unit is a set of rows of both sides that map onto each other.

**Templates.** SQL in a flow names tables as `{{alias}}`, one alias for each member. The engine puts in a
table, a ctid range, or the rows of some units, so the same text serves copy, drain, proof and rollback. In a
member's `select`, the other side's anchor is replaced by the rows asked for; its satellites by whole tables.

**Aliases are unique in the whole plan.** A `select` or `unit` of one flow may name an aside table of another one
(where the old text of a referenced key is kept), or an input table; these are always whole tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def fill(template: str, place: Callable[[str], str]) -> str:
    """Replace each `{{alias}}` by `place(alias)`; `place` raises KeyError for an alias it does not know."""
    return _PLACE.sub(lambda found: place(found.group(1)), template)


def places(template: str) -> tuple[str, ...]:
    """The aliases that a template names, each once, in order."""
    return tuple(dict.fromkeys(_PLACE.findall(template)))


@dataclass(frozen=True, slots=True)
class Reject:
    """A condition over `m` (a row of an old member) under which the row cannot be carried: it goes to quarantine.

    It is asked of rows that the old application wrote. After the switch nobody writes them any more, so only rows that
    are in quarantine count as rejected: what the new application wrote may well look like one of them.
    `refuse`: nobody agreed to leave such rows behind, so that the run is not switched while there are any.
    """

    condition: str
    reason: str
    column: str = ""
    refuse: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows of an old member in a form through which a filter reaches an index: for views of the old shape.

    `selects` together (UNION ALL) give what `select` of the member gives, and so does `plain` alone as long as no aside
    table has one of `odd`: its alias, its document, a key in it. `rare` says of each of `selects` for which groups of
    `odd` it is: where none of a group is there, it has no rows. `sought` are the indexes that this wants: the alias of
    a new table, or of an aside one, and expressions over its row `m`.
    """

    selects: tuple[str, ...]
    plain: str
    odd: tuple[tuple[str, str, str], ...]
    rare: tuple[tuple[tuple[tuple[str, str, str], ...], ...], ...]
    sought: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One table on one side of a flow.

    `table` is the definition under its final name; on the new side it is built in the next schema first.
    `select` gives this member's rows (the columns of `table.written`, by name) from the other side.
    `role`: "replaces" or "new" (the application sees it), "aside" (the engine's own: id map, residue), "joins": its
    rows join those of a table that is there already, and stays. They are built beside like all others, and are brought
    there by the switch. Of such a table `table` has only the columns that the flow says something of; `fixed` are
    further ones, with the SQL of what they get when a row joins, and which nobody compares.
    """

    alias: str
    table: Table
    select: str
    key: tuple[str, ...]  # columns that identify a row, for quarantine, parking and reports
    role: str = "replaces"
    join: str = ""  # satellites: condition between `m` (this member) and `a` (its side's anchor)
    logged: tuple[str, ...] = ()  # columns that capture logs: all that `unit` or `join` read, and the key
    rejects: tuple[Reject, ...] = ()  # old side only
    held: str = ""  # a condition over `m` that is true where that of any of them is, where there is a shorter one
    fixed: tuple[tuple[str, str], ...] = ()  # of a member that joins
    silent: bool = False  # of a member that joins: triggers of that table do not fire for rows that join
    # Columns, and the expressions over `m` by which they are compared when it is asked whether a new row is held by
    # the old shape, where two writings mean the same.
    alike: tuple[tuple[str, str], ...] = ()
    # Of a new member: columns that its rows have in common with what the old shape takes them for. Where the key does
    # not say it (the new application makes its own), the first such row by key is meant.
    counterpart: tuple[str, ...] = ()
    shown: Shown | None = None  # of an old member, where `select` hides its keys from the planner

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are written and compared."""
        return self.table.written

    @property
    def placed(self) -> bool:
        """Whether the switch puts this table into its place: the others stay beside until finish."""
        return self.role not in ("aside", "joins")


@dataclass(frozen=True, slots=True)
class Side:
    """The tables on one side of a flow, the anchor first.

    `unit` is a text expression over `m`, a row of the anchor (or of its capture log), and must be NOT NULL. `find` is
    a condition between `m` and `u.unit` that is true exactly for the rows of that unit and can use an index; where
    it is empty, `unit = u.unit` is used and the engine makes an index on the expression. With `recheck` it may be
    true for rows of other units too (two texts of one UUID), and the unit is compared as well.
    `several`: a unit may hold more than one row of the anchor, so that no ctid range may cut one.
    """

    members: tuple[Member, ...]
    unit: str
    find: str = ""
    several: bool = False
    recheck: bool = False

    @property
    def anchor(self) -> Member:
        """The member whose rows define the units."""
        return self.members[0]

    @property
    def satellites(self) -> tuple[Member, ...]:
        """The members that hang on the anchor."""
        return self.members[1:]


@dataclass(frozen=True, slots=True)
class Follow:
    """What becomes of the rows of an old member depends on a roster, by the key in `column`."""

    roster: str  # its alias
    member: str  # an alias of the old side
    column: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A mapping between old and new tables, in both directions.

    `same`: where the new anchor takes the place of the old one under another name, the pairs of columns, old and new,
    of which one is the other. Sequences go along, and so do foreign keys of other tables.
    """

    name: str
    old: Side
    new: Side
    notes: tuple[str, ...] = ()  # what a reader of the plan should know
    follows: tuple[Follow, ...] = ()
    same: tuple[tuple[str, str], ...] = ()

    @property
    def joining(self) -> tuple[Member, ...]:
        """The members whose rows join tables that stay."""
        return tuple(member for member in self.new.members if member.role == "joins")

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, old side first."""
        return self.old.members + self.new.members

    def member(self, alias: str) -> Member:
        """The member of that alias. Raises KeyError."""
        for member in self.members:
            if member.alias == alias:
                return member
        raise KeyError(alias)


@dataclass(frozen=True, slots=True)
class InputTable:
    """A table that the engine loads before the copy and flows may read: an id map from a CSV file.

    It has a column `ecluse_added` besides: true in rows that came later, for a retry. With a `query` it holds what the
    database said when the run began, so that the mapping stays the same while others go on writing there.
    """

    alias: str
    name: Name
    columns: tuple[tuple[str, str], ...]  # name, type
    key: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    unique: tuple[str, ...] = ()  # columns each of which identifies a row too
    query: str = ""  # gives the rows where no file does; asked once, before the copy
    indexed: tuple[str, ...] = ()  # further columns by which rows are looked up

    @property
    def definition(self) -> str:
        """What follows `CREATE TABLE name`."""
        columns = ", ".join(f"{ident(name)} {type_}" for name, type_ in self.columns)
        keys = f"PRIMARY KEY ({', '.join(ident(name) for name in self.key)})"
        unique = "".join(f", UNIQUE ({ident(name)})" for name in self.unique)
        return f"({columns}, ecluse_added boolean NOT NULL DEFAULT false, {keys}{unique})"


ONLY = "ecluse_only"  # the placeholder of a roster's select for the rows that are asked for


@dataclass(frozen=True, slots=True)
class Roster:
    """What becomes of each row of a table, decided once and looked up by all flows that refer to such rows.

    It is filled when the capture has begun and before the copy, and kept in step by the drain, before anything else: a
    row that is captured is judged again, and so are those that have the value of one of `kin` in common with it. What
    was judged otherwise than before takes the rows that follow it with it.

    `select` gives `key` and `columns` for the rows `m` of the old member `source` for which `{{ecluse_only}}` holds.
    The table has a column `was` besides: the values of the first column that a key had before.
    """

    alias: str
    name: Name
    source: str  # the alias of an old anchor
    column: str  # its key column there
    key: tuple[str, str]  # name, type
    columns: tuple[tuple[str, str], ...]  # the first is what a key becomes, NULL where it is not carried
    select: str
    kin: tuple[str, ...] = ()  # expressions over `m`
    given: str = ""  # the alias of an input table by which it judges as well, and which may change before the switch
    still: str = ""  # a condition over a row `r` of it, asked under the locks of the switch: what was given still holds
    live: bool = False  # it says what the old tables are, and not what was decided once: after the switch too

    @property
    def definition(self) -> str:
        """What follows `CREATE TABLE name`; its keys come when it has been filled."""
        (key, type_), kind = self.key, self.columns[0][1]
        rest = "".join(f", {ident(name)} {type_}" for name, type_ in self.columns)
        return f"({ident(key)} {type_} NOT NULL{rest}, was {kind}[] NOT NULL DEFAULT '{{}}')"
