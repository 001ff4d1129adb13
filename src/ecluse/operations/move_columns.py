"""A table that becomes another, column by column: what each new one is, and how each old one comes back."""

from __future__ import annotations

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field

from ecluse.model.catalog import Column, Table
from ecluse.model.names import ident, literal
from ecluse.operations.base import Operation
from ecluse.operations.expressions import constant, plain_column
from ecluse.operations.rules import as_text, col
from ecluse.operations.work import Work

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

    def inverse(self, alias: str, where: str = "") -> str:
        """The old rows, from those of the new table of that alias for which `where` holds."""
        return _select(self.old, alias, where)


def _select(values: ReadOnly[str, str], alias: str, where: str = "") -> str:
    items = ", ".join(f"{text} AS {ident(name)}" for name, text in values.items())
    return f"SELECT {items}\nFROM {{{{{alias}}}}} m" + (f"\nWHERE {where}" if where else "")


@dataclass(frozen=True, slots=True)
class Words:
    """What a migration says of the columns. `rest` is the jsonb column that takes what has no other home."""

    values: ReadOnly[str, str]  # new column -> expression over the old row
    back: ReadOnly[str, str]  # old column -> expression over the new row
    rest: str
    rest_word: str = "rest"  # what the file calls it
    keys: ReadOnly[str, str] = field(default_factory=dict)  # old column -> key in `rest`, where it is not its name
    nulls: bool = False  # NULL is a null there, and not a key that is missing
    same_database: bool = False  # both tables stand in one database, so that types of one are known to the other


@dataclass
class Columns:
    """Finds the mapping, or says which column has none."""

    operation: Operation
    work: Work
    old: Table
    new: Table
    words: Words

    def mapping(self) -> Mapping:
        """The mapping. Raises MigrationFileError and NotInDatabase with file and line."""
        self._known()
        same = self._same()
        resting = [c for c in self.old.columns if c.written and c.name not in same and c.name not in self.words.back]
        if resting and not self.words.rest:
            names = ", ".join(f"'{column.name}'" for column in resting)
            raise self.work.wrong(
                self.operation,
                f"{names} of '{self.old.name}' would have no home here, and no way back",
                "columns",
                hint="name them in `values` or `back`, or let a jsonb column take them: "
                f'{self.words.rest_word} = "metadata"',
            )
        new = {c.name: self._forward(c, same, resting) for c in self.new.columns if c.written}
        old = {c.name: self._back(c, same) for c in self.old.columns if c.written}
        return Mapping(new, old, same)

    def _known(self) -> None:
        op, work, words = self.operation, self.work, self.words
        for name in words.values:
            work.column(op, self.new, name, "values", name)
        for word, names in (("back", words.back), ("keys", words.keys)):
            for name in names:
                work.column(op, self.old, name, word, name)
        taker = self.new.column(words.rest)
        if words.rest and (taker is None or taker.type != "jsonb"):
            why = "is not one of `columns`" if taker is None else "must be jsonb"
            hint = f"[operation.columns]\n{words.rest} = \"jsonb not null default '{{}}'\""
            raise work.wrong(op, f"'{words.rest}', which takes what has no home, {why}", words.rest_word, hint=hint)
        if words.rest in words.values:
            text = f"'{words.rest}' takes what has no home, and has a value besides"
            raise work.wrong(op, text, "values", words.rest)

    def _same(self) -> dict[str, str]:
        """Old columns that are a new column as they are; of several, that of the same name."""
        found: dict[str, str] = {}
        written = [column.name for column in self.new.columns if column.written and column.name != self.words.rest]
        for name in written:
            given = self.words.values.get(name)
            source = plain_column(given) if given else name
            was = self.old.column(source) if source else None
            if was is not None and was.written and (source not in found or source == name):
                found[source] = name
        return found

    def _forward(self, column: Column, same: dict[str, str], resting: list[Column]) -> str:
        op, words = self.operation, self.words
        if column.name == words.rest:
            return self._document(resting)
        if column.name in words.values:
            names = [each.name for each in self.old.columns]
            mapped = self.work.mapping(op, words.values[column.name], names, "values", column.name)
            source = self.old.column(plain_column(words.values[column.name]))
            return self._as(mapped, source.type if source else "", column.type)
        was = self.old.column(column.name)
        if was is not None:
            return self._as(col(was.name), was.type, column.type)
        if column.default is not None and constant(column.default):
            return self._as(f"({column.default})", "", column.type)
        if column.not_null or column.default is not None or column.identity:
            raise self.work.wrong(
                op,
                f"'{column.name}' gets no value from '{self.old.name}', and its default would be another at each look",
                "columns",
                column.name,
                hint=f'values = {{ {column.name} = "…" }}, an expression over the old row',
            )
        return self._as("NULL", "", column.type)

    def _back(self, column: Column, same: dict[str, str]) -> str:
        op, words = self.operation, self.words
        if column.name in words.back:
            names = [each.name for each in self.new.columns]
            mapped = self.work.mapping(op, words.back[column.name], names, "back", column.name)
            return self._as(mapped, "", column.type)
        if column.name in same:
            now = self.new.column(same[column.name])
            return self._as(col(same[column.name]), now.type if now else "", column.type)
        return self._as(f"({col(words.rest)} ->> {literal(self._key(column))})", "text", column.type)

    def _as(self, expression: str, type_: str, wanted: str) -> str:
        """The expression in the type that is wanted. A type of another database is reached through its text."""
        if type_ == wanted:
            return expression
        return f"({expression})::{'text' if '.' in wanted and not self.words.same_database else wanted}"

    def _key(self, column: Column) -> str:
        return self.words.keys.get(column.name, column.name)

    def _document(self, columns: list[Column]) -> str:
        """Old columns as one jsonb object, each as its text: exact for every type."""
        if not columns:
            return "'{}'::jsonb"
        pieces = [columns[i : i + _A_CALL] for i in range(0, len(columns), _A_CALL)]
        objects = " || ".join(
            "jsonb_build_object("
            + ", ".join(f"{literal(self._key(c))}, {as_text(col(c.name), c.type)}" for c in piece)
            + ")"
            for piece in pieces
        )
        # A key that is not there: so a new row, which has none of them, is not taken for a loss on its way home.
        return f"({objects})" if self.words.nulls else f"jsonb_strip_nulls({objects})"
