"""The SQL of merge_rows: one row of all that share a key, and these again from it and what was kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ecluse.model.catalog import Column, Constraint, Table
from ecluse.model.flow import Flow, Member, Side
from ecluse.model.names import Name, ident, literal, short
from ecluse.operations.expressions import InvalidSql
from ecluse.operations.rules import cast, col
from ecluse.operations.work import anonymous

WORDS = frozenset({"first", "last", "max", "min", "sum", "bool_or", "bool_and"})
_CHUNK = 40  # a function takes at most 100 arguments


@dataclass(frozen=True)
class Merge:
    """What is merged, and under which aliases; where the remainder of the old rows goes is for the two kinds to say."""

    table: Table
    key: tuple[str, ...]
    by: str
    distinct_on: tuple[str, ...]
    order_by: str
    keep: Mapping[str, str]
    old: str
    new: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the old table."""
        return self.table.written

    def old_side(self, inverse: str) -> Side:
        """The old table."""
        member = Member(self.old, self.table, inverse, self.key, logged=self._logged)
        return Side((member,), self.unit, several=True)

    def new_member(self, table: Table, select: str) -> Member:
        """The new table."""
        return Member(self.new, table, select, self.key, logged=self._logged)

    @property
    def _logged(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.key, self.by, *self.distinct_on]))

    @property
    def unit(self) -> str:
        """The unit of a row of either side."""
        # quote_nullable(text) is immutable, so that the engine can index the expression.
        alone = " || ',' || ".join(f"quote_nullable({col(name)}::text)" for name in self.key)
        together = " || ',' || ".join(f"quote_nullable({col(name)}::text)" for name in (self.by, *self.distinct_on))
        return f"CASE WHEN {col(self.by)} IS NULL THEN '#' || {alone} ELSE '=' || {together} END"

    def ranked(self) -> str:
        """The old rows with their unit, its size, and their place in it."""
        unit, keys = self.unit, ", ".join(col(name) for name in self.key)
        return (
            f"ranked AS (\n  SELECT m.*, {unit} AS ecluse_unit,"
            f"\n    count(*) OVER (PARTITION BY {unit}) AS ecluse_size,"
            f"\n    row_number() OVER (PARTITION BY {unit} ORDER BY {self.order_by}, {keys}) AS ecluse_position"
            f"\n  FROM {{{{{self.old}}}}} m\n)"
        )

    def rows(self, *more: str) -> str:
        """The merged rows, from `ranked`."""
        hows = {name: self.keep.get(name, "first") for name in self.names}
        sums = {name: how for name, how in hows.items() if how not in ("first", "last")}
        sources = {name: "f" if how == "first" else "l" if how == "last" else "g" for name, how in hows.items()}
        items = ", ".join([f"{col(name, sources[name])} AS {ident(name)}" for name in self.names] + list(more))
        sql = (
            f"SELECT {items}\nFROM ranked f\n"
            "JOIN ranked l ON l.ecluse_unit = f.ecluse_unit AND l.ecluse_position = l.ecluse_size\n"
        )
        if sums:
            computed = ", ".join(
                f"({f'{how}({col(name)})' if how in WORDS else how})::{self.type_of(name)} AS {ident(name)}"
                for name, how in sums.items()
            )
            sql += f"JOIN (SELECT m.ecluse_unit, {computed} FROM ranked m GROUP BY m.ecluse_unit) g "
            sql += "ON g.ecluse_unit = f.ecluse_unit\n"
        return f"{sql}WHERE f.ecluse_position = 1"

    def lossy(self) -> str:
        """Whether the merged row `n` alone would not give back the old row `o`."""
        mine, merged = (", ".join(col(name, alias) for name in self.names) for alias in ("o", "n"))
        return f"o.ecluse_size > 1 OR ROW({mine})::text IS DISTINCT FROM ROW({merged})::text"

    def type_of(self, name: str) -> str:
        """The type of a column. Raises InvalidSql where there is none."""
        column = self.table.column(name)
        if column is None:
            raise InvalidSql(f"there is no column '{name}'")
        return column.type


@dataclass(frozen=True)
class MergeAside(Merge):
    """The old rows are kept whole in a table of the engine's own."""

    aside: str

    def flow(self) -> Flow:
        """The flow."""
        new = self.new_member(anonymous(self.table), f"WITH {self.ranked()}\n{self.rows()}")
        join = " AND ".join(f"{col(name)} = {col(name, 'a')}" for name in self.key)
        kept_key = (*self.key, "ecluse_position")
        aside = Member(self.aside, self._aside_table(), self._kept(), kept_key, "aside", join, kept_key)
        return Flow(self.new, self.old_side(self._inverse()), Side((new, aside), self.unit))

    def _kept(self) -> str:
        """Every row that the merged row alone would not give back."""
        keys = ", ".join(f"n.{ident(name)} AS {ident(name)}" for name in self.key)
        return (
            f"WITH {self.ranked()}\nSELECT {keys}, o.ecluse_position::integer AS ecluse_position, "
            f"o.ecluse_size::integer AS ecluse_size,\n  {self._object('o')} AS ecluse_old,\n"
            f"  {self._object('n')} AS ecluse_kept\nFROM ranked o\n"
            f"JOIN ({self.rows('f.ecluse_unit')}) n ON n.ecluse_unit = o.ecluse_unit\nWHERE {self.lossy()}"
        )

    def _object(self, alias: str) -> str:
        chunks = [self.names[start : start + _CHUNK] for start in range(0, len(self.names), _CHUNK)]
        pairs = [", ".join(f"{literal(name)}, {col(name, alias)}::text" for name in chunk) for chunk in chunks]
        return " || ".join(f"jsonb_build_object({text})" for text in pairs)

    def _aside_table(self) -> Table:
        name = Name(self.table.name.schema, short(f"{self.table.name.name}__merged"))
        keys = [Column(column, self.type_of(column), not_null=True) for column in self.key]
        numbers = [Column(column, "integer", not_null=True) for column in ("ecluse_position", "ecluse_size")]
        objects = [Column(column, "jsonb", not_null=True) for column in ("ecluse_old", "ecluse_kept")]
        columns = (*self.key, "ecluse_position")
        definition = f"PRIMARY KEY ({', '.join(ident(column) for column in columns)})"
        pkey = Constraint(short(f"{name.name}_pkey"), "p", definition, columns)
        return Table(name, (*keys, *numbers, *objects), constraints=(pkey,))

    def _inverse(self) -> str:
        on = " AND ".join(f"{col(name, 'k')} = {col(name)}" for name in self.key)
        items = ",\n  ".join(f"{self._back(name)} AS {ident(name)}" for name in self.names)
        return f"SELECT {items}\nFROM {{{{{self.new}}}}} m\nLEFT JOIN {{{{{self.aside}}}}} k ON {on}"

    def _back(self, name: str) -> str:
        """The old value: the kept one, unless the new application changed what was made of it."""
        old = cast(f"(k.ecluse_old->>{literal(name)})", self.type_of(name))
        if name in self.key:
            return f"CASE WHEN k.ecluse_old IS NULL THEN {col(name)} ELSE {old} END"
        edited = f"{col(name)}::text IS DISTINCT FROM k.ecluse_kept->>{literal(name)}"
        if name not in (self.by, *self.distinct_on):
            first = self.keep.get(name, "first") == "first"
            edited += f" AND k.ecluse_position = {'1' if first else 'k.ecluse_size'}"
        return f"CASE WHEN k.ecluse_old IS NULL OR ({edited}) THEN {col(name)} ELSE {old} END"


@dataclass(frozen=True)
class MergeInto(Merge):
    """What was different in the old rows is kept in a column of the new one: `{"merged": [{…}, …]}`, in their order.

    An entry has the columns in which its row differs from the merged one; so what the new application changes in the
    merged row goes back into the rows that had it from there.
    """

    metadata: str

    def flow(self) -> Flow:
        """The flow."""
        base = anonymous(self.table)
        table = replace(base, columns=(*base.columns, Column(self.metadata, "jsonb")))
        new = self.new_member(table, self._select())
        return Flow(self.new, self.old_side(self._inverse()), Side((new,), self.unit))

    def _select(self) -> str:
        items = ", ".join(f"{col(name, 'n')} AS {ident(name)}" for name in self.names)
        entry = " || ".join(self._pieces())
        entries = (
            f"SELECT o.ecluse_unit, jsonb_build_object('merged', jsonb_agg({entry} ORDER BY o.ecluse_position)) "
            "AS remainder\n  FROM ranked o JOIN merged n ON n.ecluse_unit = o.ecluse_unit\n"
            f"  WHERE {self.lossy()}\n  GROUP BY o.ecluse_unit"
        )
        return (
            f"WITH {self.ranked()}, merged AS (\n{self.rows('f.ecluse_unit')}\n)\n"
            f"SELECT {items}, k.remainder AS {ident(self.metadata)}\nFROM merged n\n"
            f"LEFT JOIN ({entries}) k ON k.ecluse_unit = n.ecluse_unit"
        )

    def _pieces(self) -> Iterator[str]:
        for name in self.names:
            mine = f"{col(name, 'o')}::text"
            differs = f"{mine} IS DISTINCT FROM {col(name, 'n')}::text"
            yield f"CASE WHEN {differs} THEN jsonb_build_object({literal(name)}, {mine}) ELSE '{{}}' END"

    def _inverse(self) -> str:
        merged = f"{col(self.metadata)} -> 'merged'"
        entries = f"jsonb_array_elements(CASE WHEN jsonb_typeof({merged}) = 'array' THEN {merged} END)"
        items = ",\n  ".join(f"{self._back(name)} AS {ident(name)}" for name in self.names)
        return f"SELECT {items}\nFROM {{{{{self.new}}}}} m\nLEFT JOIN LATERAL {entries} k(entry) ON true"

    def _back(self, name: str) -> str:
        old = cast(f"(k.entry ->> {literal(name)})", self.type_of(name))
        return f"CASE WHEN k.entry ? {literal(name)} THEN {old} ELSE {col(name)} END"
