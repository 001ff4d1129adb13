"""Drafts: what the operations on one table add up to, before a flow is made of it.

**Residue.** A conversion may lose how a value was written (`{ABC…}` and `abc…` are one UUID). So that the way back
is exact, the old text of just those values is kept in an aside table, `<table>__residue`: the key of the new
row, and `old`, a jsonb object of column to old text. The way back takes a text from there as long as it still
converts to the value that the row has now; else the text that the referenced row had, so that references keep
pointing; else the plain text of the value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ecluse.model.catalog import Column, Constraint, Index, Policy, Table
from ecluse.model.flow import Follow, Reject
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.uuid_sql import valid_uuid
from ecluse.operations.expressions import constant
from ecluse.operations.keyed import Keyed
from ecluse.operations.labels import Labels
from ecluse.operations.rules import Lookup, Mapping, Rule, as_text, cast, col


@dataclass
class Conversion:
    """One converted column of a draft."""

    column: Column
    rule: Mapping
    lookups: list[Lookup] = field(default_factory=list)

    def forward(self, alias: str = "m") -> str:
        """The new value, from the old row."""
        return self.rule.forward(col(self.column.name, alias), self.column.type)


@dataclass
class Target:
    """A column of the new table, and its value from the old row `m`."""

    column: Column
    forward: str


def in_type(column: Column, type_: str, default: str | None) -> Column:
    """The column in another type, without what it had as one of the old type."""
    return replace(
        column,
        type=type_,
        default=default,
        identity="",
        identity_options="",
        collation=None,
        deterministic=True,
        sequence=None,
        storage="",
        compression="",
    )


@dataclass(frozen=True, slots=True)
class Parent:
    """A draft's place below another: its rows belong to the units of the table that `key` references."""

    table: Name
    key: Constraint
    old: str  # the aliases of its members
    new: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A column that left, told again from what it went into: `now` from the new row, `then` from the old one.

    `join` brings the one row that tells it beside the new row `m`, where there is never more than one, and `value` is
    what that row says.
    """

    now: str
    then: str
    join: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A new table into which rows of the draft's table are split."""

    alias: str
    table: Table
    select: str  # without its FROM clause, which `{source}` stands for
    key: tuple[str, ...]
    links: tuple[tuple[str, str], ...]  # its columns, and those of the draft's key
    counterpart: tuple[str, ...] = ()  # its columns by which a row is found again whose key is another


@dataclass
class Draft:
    """All that the operations on one table add up to."""

    table: Table
    key: tuple[str, ...]
    old: str
    new: str
    aside: str
    targets: dict[str, Target]
    conversions: dict[str, Conversion] = field(default_factory=dict)
    leaving: list[str] = field(default_factory=list)  # old columns that the new table does not have
    backs: dict[str, str] = field(default_factory=dict)  # old column -> expression over the new row
    derived: dict[str, Derived] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    at_home: list[str] = field(default_factory=list)  # conditions over a new row `m` without which it has no old one
    keys: list[Constraint] = field(default_factory=list)  # constraints that the new table has besides
    indexes: list[Index] = field(default_factory=list)  # and indexes
    joins: list[str] = field(default_factory=list)  # what the new rows look up by a join: LEFT JOIN … ON …
    alike: dict[str, str] = field(default_factory=dict)  # new columns, and what they are compared as on the way home
    follows: list[Follow] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)  # old columns beyond the key that capture logs
    twice: list[Reject] = field(
        default_factory=list
    )  # of rows for which the first stands in where others refer to them
    linked: list[str] = field(default_factory=list)  # columns beyond the key by which residue is looked up
    parent: Parent | None = None
    added: list[Column] = field(default_factory=list)
    # What the migration says of policies, constraints and indexes: (word, name) -> the new one, None to leave it out.
    redeclared: dict[tuple[str, str], Policy | Constraint | Index | None] = field(default_factory=dict)
    in_place: bool = True  # so far only columns are added: no flow is needed

    @classmethod
    def of(cls, table: Table, key: tuple[str, ...], old: str, new: str, aside: str) -> Draft:
        """A draft that changes nothing yet."""
        targets = {column.name: Target(column, col(column.name)) for column in table.columns}
        return cls(table, key, old, new, aside, targets)

    @property
    def has_residue(self) -> bool:
        """Whether the way back may need old texts."""
        told = (c.rule.unusual(col(n), c.column.type) == "false" for n, c in self.conversions.items())
        keyed = any(isinstance(conversion.rule, Keyed) for conversion in self.conversions.values())
        return bool(keyed or not all(told) or self.kept or self.derived)

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns that leave and have no expression back: their values stay in the residue."""
        return tuple(name for name in self.leaving if name not in self.backs and name not in self.derived)

    def leave(self, name: str, *, replaced: bool = False) -> None:
        """Take an old column out of the new table; `replaced`: another of the same name takes its place."""
        if not replaced:
            self.targets.pop(name, None)
        if name not in self.leaving:
            self.leaving.append(name)

    def link(self, columns: tuple[str, ...]) -> None:
        """Make the residue reachable by these columns of the new table."""
        if columns != self.key:
            self.linked += [name for name in columns if name not in self.linked and name not in self.key]

    # --- forward ---------------------------------------------------------------------------------

    def select(self, source: str) -> str:
        """The rows of the new table; `source` is the FROM clause in which the old row is `m`."""
        written = [target for target in self.targets.values() if target.column.written]
        items = ",\n  ".join(f"{target.forward} AS {ident(target.column.name)}" for target in written)
        return "\n".join([f"SELECT {items}", f"FROM {source}", *self.joins])

    def residue_columns(self) -> tuple[str, ...]:
        """The columns of the aside table, without `old`."""
        return (*self.key, *self.linked)

    def residue_select(self, source: str) -> str:
        """The rows of the aside table."""
        keys = [f"{self.targets[name].forward} AS {ident(name)}" for name in self.residue_columns()]
        pieces, needed = [], []
        for name, conversion in self.conversions.items():
            unusual = conversion.rule.unusual(col(name), conversion.column.type)
            entry = f"jsonb_build_object({literal(name)}, {col(name)}::text)"
            pieces.append(f"CASE WHEN {unusual} THEN {entry} ELSE '{{}}' END")
            needed.append(f"({unusual})")
        for name in self.kept:
            pieces.append(f"jsonb_build_object({literal(name)}, {col(name)}::text)")
            needed.append("true" if self.fallback(name) else f"{col(name)} IS NOT NULL")
        for name, derived in self.derived.items():
            lost = f"({derived.then})::text IS DISTINCT FROM {col(name)}::text"
            both = f"{literal(name)}, {col(name)}::text, {literal(_seen(name))}, ({derived.then})::text"
            pieces.append(f"CASE WHEN {lost} THEN jsonb_build_object({both}) ELSE '{{}}' END")
            needed.append(f"({lost})")
        items = ",\n  ".join([*keys, f"({' || '.join(pieces)}) AS {self.residue_name}"])
        return f"SELECT {items}\nFROM {source}\nWHERE {' OR '.join(needed)}"

    @property
    def residue_name(self) -> str:
        """The quoted name of the jsonb column of the aside table."""
        return ident("old" if "old" not in self.residue_columns() else "old_texts")

    def residue_table(self) -> Table:
        """The aside table's definition."""
        name = Name(self.table.name.schema, short(f"{self.table.name.name}__residue"))
        columns = [self.targets[column].column for column in self.residue_columns()]
        plain = [Column(column.name, column.type, not_null=column.name in self.key) for column in columns]
        keys = ", ".join(ident(column) for column in self.key)
        indexes = [
            Index(short(f"{name.name}_{column}_idx"), False, f"USING btree ({ident(column)})", (column,), (column,))
            for column in self.linked
        ]
        pkey = Constraint(short(f"{name.name}_pkey"), "p", f"PRIMARY KEY ({keys})", self.key)
        old = Column(self.residue_name.strip('"'), "jsonb", not_null=True)
        return Table(name, (*plain, old), constraints=(pkey,), indexes=tuple(indexes))

    # --- back ------------------------------------------------------------------------------------

    def inverse(self, name: str, drafts: dict[Name, Draft]) -> str:
        """The old value of a column, where `m` is the new row and `r` its residue (or a row of NULLs)."""
        if name in self.backs:
            return self.backs[name]
        type_ = self.old_column(name).type
        if name in self.conversions:
            conversion = self.conversions[name]
            if not self.has_residue:
                return self.usual(conversion, drafts)
            text = cast(f"(r.{self.residue_name}->>{literal(name)})", type_)
            still = f"r.{self.residue_name} ? {literal(name)}"
            if name not in self.key:
                still += f" AND {conversion.rule.forward(text, type_)} IS NOT DISTINCT FROM {col(name)}"
            return f"CASE WHEN {still} THEN {text} ELSE {self.usual(conversion, drafts)} END"
        if name in self.derived:
            return self.told_again(name, self.derived[name].now)
        if name in self.leaving:
            text = cast(f"(r.{self.residue_name}->>{literal(name)})", type_)
            default = self.fallback(name)
            if not default:
                return text
            return f"CASE WHEN r.{self.residue_name} ? {literal(name)} THEN {text} ELSE {default} END"
        return col(name)

    def told_again(self, name: str, now: str) -> str:
        """A column that left into others: its old text where it is still told as it was, else what is told now."""
        old = f"r.{self.residue_name}"
        same = f"({now})::text IS NOT DISTINCT FROM {old}->>{literal(_seen(name))}"
        text = cast(f"({old}->>{literal(name)})", self.old_column(name).type)
        # Two cases, for an AND is worked out to its end where nothing stands aside.
        return f"CASE WHEN {old} ? {literal(name)} THEN CASE WHEN {same} THEN {text} ELSE {now} END ELSE {now} END"

    def old_column(self, name: str) -> Column:
        """The column as the old table has it. Raises KeyError."""
        column = self.table.column(name)
        if column is None:
            raise KeyError(name)
        return column

    def usual(self, conversion: Conversion, drafts: dict[Name, Draft]) -> str:
        """The old value of a converted column where nothing of the row itself stands aside."""
        column = conversion.column

        def find(lookup: Lookup, value: str) -> str:
            return _lookup(lookup, value, drafts)

        return conversion.rule.usual(col(column.name), column.type, conversion.lookups, find)

    def fallback(self, name: str) -> str:
        """What a column that left gets in rows the new application made: its default, where that is a constant."""
        default = self.old_column(name).default
        return default if default is not None and constant(default) else ""

    # --- units -----------------------------------------------------------------------------------

    def old_unit(self) -> str:
        """The unit of an old row: the text of its key."""
        return key_text([as_text(col(name), self.old_column(name).type) for name in self.key])

    def new_unit(self, drafts: dict[Name, Draft]) -> str:
        """The unit of a new row: the text of the key that its old row has."""
        texts = []
        for name in self.key:
            type_ = self.old_column(name).type
            if name not in self.conversions:
                texts.append(as_text(col(name), type_))
                continue
            if isinstance(rule := self.conversions[name].rule, Keyed):
                texts.append(rule.unit(col(name)))
                continue
            where = " AND ".join(f"{col(key, 'r')} = {col(key)}" for key in self.key)
            own = f"(SELECT r.{self.residue_name}->>{literal(name)} FROM {{{{{self.aside}}}}} r WHERE {where})"
            usual = as_text(self.usual(self.conversions[name], drafts), type_)
            texts.append(f"coalesce({own}, {usual})")
        return key_text(texts)

    def find(self, *, new: bool) -> str:
        """The condition between a row `m` of one side and a unit, which the key's index can answer."""
        conditions = []
        for position, name in enumerate(self.key):
            part = "u.unit" if len(self.key) == 1 else f"(u.unit::jsonb->>{position})"
            old = self.old_column(name)
            value = cast(part, old.type)
            rule = self.conversions[name].rule if name in self.conversions else None
            if isinstance(rule, Keyed):
                conditions.append((rule.is_unit if new else rule.was_unit)(col(name), part, old.type))
                continue
            if new and name in self.conversions:
                # A unit may be a value that does not fit, and that is gone again: it has no new row.
                rule = self.conversions[name].rule
                if isinstance(rule, Rule | Labels) and rule.invalid == "refuse":
                    rule = replace(rule, invalid="quarantine")
                value = rule.forward(value, old.type)
            conditions.append(f"{col(name)} = {value}")
        return " AND ".join(conditions)


def _seen(name: str) -> str:
    """Under which key the residue notes what a column that left was derived as, to tell later edits from it."""
    return f"{name} as derived"


def _lookup(lookup: Lookup, value: str, drafts: dict[Name, Draft]) -> str:
    """The old text of `value`, a new one, in the residue that the lookup names."""
    parent = drafts[lookup.table]
    text = f"p.{parent.residue_name}->>{literal(lookup.column)}"
    if lookup.soft:
        ((theirs, _),) = lookup.pairs
        where = f"{col(theirs, 'p')} = {value} AND NOT {valid_uuid(text)}"
        return f"(SELECT {text} FROM {{{{{parent.aside}}}}} p WHERE {where} ORDER BY 1 LIMIT 1)"
    where = " AND ".join(f"{col(theirs, 'p')} = {col(ours)}" for theirs, ours in lookup.pairs)
    return f"(SELECT {text} FROM {{{{{parent.aside}}}}} p WHERE {where})"


def key_text(texts: list[str]) -> str:
    """One text for the texts of a key's columns: the text itself where there is one column."""
    return texts[0] if len(texts) == 1 else f"jsonb_build_array({', '.join(texts)})::text"
