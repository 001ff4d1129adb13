"""merge_rows: rows that share a key become one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.model.catalog import Column, Constraint, Table
from ecluse.model.flow import Flow, Member, Side
from ecluse.model.names import Name, ident, literal, short
from ecluse.operations.base import Operation
from ecluse.operations.expressions import InvalidSql, check_aggregate, statement
from ecluse.operations.rules import cast, col
from ecluse.operations.work import Work, anonymous, row_key

_WORDS = frozenset({"first", "last", "max", "min", "sum", "bool_or", "bool_and"})
_CHUNK = 40  # a function takes at most 100 arguments


class MergeRows(Operation):
    """Make one row of all rows that share `by`; a row in which that is NULL stays alone.

    The merged rows are kept aside in full until finish. A rollback gives them back, with what the new application
    changed written into the first or last of them.
    """

    kind: Literal["merge_rows"]
    table: str = Field(description="The table, `schema.name`.")
    by: str = Field(description="The column whose equal values make rows one.")
    distinct_on: tuple[str, ...] = Field(
        default=(), description="Columns in which rows must agree too: rows of two people are never merged."
    )
    order_by: str = Field(description="What is first and last: created_at. Equal ones go by the key.")
    keep: dict[str, str] = Field(
        default={},
        description="Column and what is kept of it: first (default), last, max, min, sum, bool_or, bool_and, or an "
        "aggregate expression over the rows `m`.",
    )

    def describe(self) -> str:
        return f"merge rows of {self.table} by {self.by}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        for name in (self.by, *self.distinct_on):
            work.column(self, table, name, "by" if name == self.by else "distinct_on")
        key = self._check(work, table)
        with work.sql_of(self, "order_by"):
            statement(f"SELECT FROM x ORDER BY {self.order_by}", "it is not one ordering")
        base = table.name.name
        aliases = [work.alias(f"{base}_old"), work.alias(base), work.alias(f"{base}__merged")]
        work.changes.append(_Merge(self, table, key, *aliases).flow())

    def _check(self, work: Work, table: Table) -> tuple[str, ...]:
        key = row_key(table)
        if not key:
            work.hazard("no-primary-key", "refuse", table.name, f"table '{table.name}' has no primary key")
        others = [o for o in work.migration.operations if getattr(o, "table", "") and o is not self]
        if any(work.name(self, str(getattr(o, "table", ""))) == table.name for o in others):
            raise work.wrong(
                self,
                f"another operation changes '{table.name}' too; rows are merged by themselves",
                "table",
                hint="say both in one reshape_table, or make two migrations",
            )
        for other, constraint in work.catalog.referencing(table.name):
            work.hazard(
                "merged-is-referenced",
                "refuse",
                table.name,
                f"'{other}' refers to '{table.name}' by '{constraint.name}', and rows that are merged away would leave "
                "its rows behind",
                f"say in a reshape_table with '{other}' to which row they go",
            )
        for name, how in self.keep.items():
            work.column(self, table, name, "keep", name)
            if name in (*key, self.by, *self.distinct_on):
                raise work.wrong(self, f"of '{name}' nothing can be chosen", "keep", name)
            if how not in _WORDS:
                with work.sql_of(self, "keep", name):
                    check_aggregate(how)
        return key


class _Merge:
    """The SQL of one merge."""

    def __init__(self, spec: MergeRows, table: Table, key: tuple[str, ...], old: str, new: str, aside: str) -> None:
        self.spec, self.table, self.key = spec, table, key
        self.old, self.new, self.aside = old, new, aside
        self.names = table.written

    def flow(self) -> Flow:
        unit = self._unit()
        read = tuple(dict.fromkeys([*self.key, self.spec.by, *self.spec.distinct_on]))
        old = Member(self.old, self.table, self._inverse(), self.key, logged=read)
        new = Member(self.new, anonymous(self.table), self._ranked() + self._rows(), self.key, logged=read)
        join = " AND ".join(f"{col(name)} = {col(name, 'a')}" for name in self.key)
        kept_key = (*self.key, "ecluse_position")
        aside = Member(self.aside, self._aside_table(), self._kept(), kept_key, "aside", join, kept_key)
        return Flow(self.new, Side((old,), unit, several=True), Side((new, aside), unit))

    def _unit(self) -> str:
        # quote_nullable(text) is immutable, so that the engine can index the expression.
        alone = " || ',' || ".join(f"quote_nullable({col(name)}::text)" for name in self.key)
        shared = (self.spec.by, *self.spec.distinct_on)
        together = " || ',' || ".join(f"quote_nullable({col(name)}::text)" for name in shared)
        return f"CASE WHEN {col(self.spec.by)} IS NULL THEN '#' || {alone} ELSE '=' || {together} END"

    def _ranked(self) -> str:
        unit, keys = self._unit(), ", ".join(col(name) for name in self.key)
        return (
            f"WITH ranked AS (\n  SELECT m.*, {unit} AS ecluse_unit,"
            f"\n    count(*) OVER (PARTITION BY {unit}) AS ecluse_size,"
            f"\n    row_number() OVER (PARTITION BY {unit} ORDER BY {self.spec.order_by}, {keys}) AS ecluse_position"
            f"\n  FROM {{{{{self.old}}}}} m\n)\n"
        )

    def _rows(self, *more: str) -> str:
        """The merged rows."""
        hows = {name: self.spec.keep.get(name, "first") for name in self.names}
        sums = {name: how for name, how in hows.items() if how not in ("first", "last")}
        sources = {name: "f" if how == "first" else "l" if how == "last" else "g" for name, how in hows.items()}
        items = ", ".join([f"{col(name, sources[name])} AS {ident(name)}" for name in self.names] + list(more))
        sql = (
            f"SELECT {items}\nFROM ranked f\n"
            "JOIN ranked l ON l.ecluse_unit = f.ecluse_unit AND l.ecluse_position = l.ecluse_size\n"
        )
        if sums:
            computed = ", ".join(
                f"({f'{how}({col(name)})' if how in _WORDS else how})::{self._type(name)} AS {ident(name)}"
                for name, how in sums.items()
            )
            sql += f"JOIN (SELECT m.ecluse_unit, {computed} FROM ranked m GROUP BY m.ecluse_unit) g "
            sql += "ON g.ecluse_unit = f.ecluse_unit\n"
        return f"{sql}WHERE f.ecluse_position = 1"

    def _kept(self) -> str:
        """Every row that the merged row alone would not give back."""
        keys = ", ".join(f"n.{ident(name)} AS {ident(name)}" for name in self.key)
        mine, merged = (", ".join(col(name, alias) for name in self.names) for alias in ("o", "n"))
        return (
            f"{self._ranked()}SELECT {keys}, o.ecluse_position::integer AS ecluse_position, "
            f"o.ecluse_size::integer AS ecluse_size,\n  {self._object('o')} AS ecluse_old,\n"
            f"  {self._object('n')} AS ecluse_kept\nFROM ranked o\n"
            f"JOIN ({self._rows('f.ecluse_unit')}) n ON n.ecluse_unit = o.ecluse_unit\n"
            f"WHERE o.ecluse_size > 1 OR ROW({mine})::text IS DISTINCT FROM ROW({merged})::text"
        )

    def _object(self, alias: str) -> str:
        chunks = [self.names[start : start + _CHUNK] for start in range(0, len(self.names), _CHUNK)]
        pairs = [", ".join(f"{literal(name)}, {col(name, alias)}::text" for name in chunk) for chunk in chunks]
        return " || ".join(f"jsonb_build_object({text})" for text in pairs)

    def _aside_table(self) -> Table:
        name = Name(self.table.name.schema, short(f"{self.table.name.name}__merged"))
        keys = [Column(column, self._type(column), not_null=True) for column in self.key]
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
        old = cast(f"(k.ecluse_old->>{literal(name)})", self._type(name))
        if name in self.key:
            return f"CASE WHEN k.ecluse_old IS NULL THEN {col(name)} ELSE {old} END"
        edited = f"{col(name)}::text IS DISTINCT FROM k.ecluse_kept->>{literal(name)}"
        if name not in (self.spec.by, *self.spec.distinct_on):
            first = self.spec.keep.get(name, "first") == "first"
            edited += f" AND k.ecluse_position = {'1' if first else 'k.ecluse_size'}"
        return f"CASE WHEN k.ecluse_old IS NULL OR ({edited}) THEN {col(name)} ELSE {old} END"

    def _type(self, name: str) -> str:
        column = self.table.column(name)
        if column is None:
            raise InvalidSql(f"there is no column '{name}'")
        return column.type
