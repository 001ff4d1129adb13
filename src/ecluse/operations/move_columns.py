"""The columns of a table that moves to another database: what each new one is, and how each old one comes back."""

from __future__ import annotations

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecluse.model.catalog import Column, Table
from ecluse.model.names import ident, literal
from ecluse.operations.expressions import constant, plain_column
from ecluse.operations.rules import as_text, col
from ecluse.operations.work import Work

if TYPE_CHECKING:
    from ecluse.operations.move_table import MoveTable

_A_CALL = 40  # pairs in one jsonb_build_object, which takes at most 100 arguments


@dataclass(frozen=True, slots=True)
class Mapping:
    """Both directions, column by column, over the row `m` of the other side. `same`: old column -> new column."""

    new: ReadOnly[str, str]
    old: ReadOnly[str, str]
    same: ReadOnly[str, str]

    def forward(self, alias: str) -> str:
        """The new rows, from the old table of that alias."""
        return _select(self.new, alias)

    def inverse(self, alias: str) -> str:
        """The old rows, from the new table of that alias."""
        return _select(self.old, alias)


def _select(values: ReadOnly[str, str], alias: str) -> str:
    items = ", ".join(f"{text} AS {ident(name)}" for name, text in values.items())
    return f"SELECT {items}\nFROM {{{{{alias}}}}} m"


@dataclass
class Columns:
    """Finds the mapping of a `move_table`, or says which column has none."""

    operation: MoveTable
    work: Work
    old: Table
    new: Table

    def mapping(self) -> Mapping:
        """The mapping. Raises MigrationFileError and NotInDatabase with file and line."""
        self._known()
        same = self._same()
        resting = [
            c for c in self.old.columns if c.written and c.name not in same and c.name not in self.operation.back
        ]
        if resting and not self.operation.rest:
            names = ", ".join(f"'{column.name}'" for column in resting)
            raise self.work.wrong(
                self.operation,
                f"{names} of '{self.old.name}' would have no home here, and no way back",
                "columns",
                hint='name them in `values` or `back`, or let a jsonb column take them: rest = "metadata"',
            )
        new = {c.name: self._forward(c, same, resting) for c in self.new.columns if c.written}
        old = {c.name: self._back(c, same) for c in self.old.columns if c.written}
        return Mapping(new, old, same)

    def _known(self) -> None:
        op, work = self.operation, self.work
        for name in op.values:
            work.column(op, self.new, name, "values", name)
        for name in op.back:
            work.column(op, self.old, name, "back", name)
        taker = self.new.column(op.rest)
        if op.rest and (taker is None or taker.type != "jsonb"):
            why = "is not one of `columns`" if taker is None else "must be jsonb"
            hint = f"[operation.columns]\n{op.rest} = \"jsonb not null default '{{}}'\""
            raise work.wrong(op, f"'{op.rest}', which takes what has no home, {why}", "rest", hint=hint)
        if op.rest in op.values:
            raise work.wrong(op, f"'{op.rest}' takes what has no home, and has a value besides", "values", op.rest)

    def _same(self) -> dict[str, str]:
        """Old columns that are a new column as they are; of several, that of the same name."""
        found: dict[str, str] = {}
        written = [column.name for column in self.new.columns if column.written and column.name != self.operation.rest]
        for name in written:
            given = self.operation.values.get(name)
            source = plain_column(given) if given else name
            was = self.old.column(source) if source else None
            if was is not None and was.written and (source not in found or source == name):
                found[source] = name
        return found

    def _forward(self, column: Column, same: dict[str, str], resting: list[Column]) -> str:
        op = self.operation
        if column.name == op.rest:
            return _document(resting)
        if column.name in op.values:
            names = [each.name for each in self.old.columns]
            mapped = self.work.mapping(op, op.values[column.name], names, "values", column.name)
            source = self.old.column(plain_column(op.values[column.name]))
            return _as(mapped, source.type if source else "", column.type)
        was = self.old.column(column.name)
        if was is not None:
            return _as(col(was.name), was.type, column.type)
        if column.default is not None and constant(column.default):
            return _as(f"({column.default})", "", column.type)
        if column.not_null or column.default is not None or column.identity:
            raise self.work.wrong(
                op,
                f"'{column.name}' gets no value from '{self.old.name}', and its default would be another at each look",
                "columns",
                column.name,
                hint=f'values = {{ {column.name} = "…" }}, an expression over the old row',
            )
        return _as("NULL", "", column.type)

    def _back(self, column: Column, same: dict[str, str]) -> str:
        op = self.operation
        if column.name in op.back:
            names = [each.name for each in self.new.columns]
            mapped = self.work.mapping(op, op.back[column.name], names, "back", column.name)
            return _as(mapped, "", column.type)
        if column.name in same:
            now = self.new.column(same[column.name])
            return _as(col(same[column.name]), now.type if now else "", column.type)
        return _as(f"({col(op.rest)} ->> {literal(column.name)})", "text", column.type)


def _as(expression: str, type_: str, wanted: str) -> str:
    """The expression in the type that is wanted. A type of the other database is reached through its text."""
    if type_ == wanted:
        return expression
    return f"({expression})::{'text' if '.' in wanted else wanted}"


def _document(columns: list[Column]) -> str:
    """Old columns as one jsonb object, each as its text: exact for every type.

    NULL is a key that is not there, so that a new row, which has none of them, is not taken for a loss on its way home.
    """
    if not columns:
        return "'{}'::jsonb"
    pieces = [columns[i : i + _A_CALL] for i in range(0, len(columns), _A_CALL)]
    objects = (
        "jsonb_build_object(" + ", ".join(f"{literal(c.name)}, {as_text(col(c.name), c.type)}" for c in piece) + ")"
        for piece in pieces
    )
    return f"jsonb_strip_nulls({' || '.join(objects)})"
