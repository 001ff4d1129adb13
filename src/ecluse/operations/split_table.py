"""split_table: one row becomes several rows of new tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Column, Index, Table
from ecluse.model.migration import Settings
from ecluse.model.names import ident, short
from ecluse.model.uuid_sql import derived_uuid
from ecluse.operations.base import Operation
from ecluse.operations.draft import Derived, Draft, Part
from ecluse.operations.expressions import InvalidSql, constant, plain_column, rewrite
from ecluse.operations.reshape_members import TableSpec, new_table
from ecluse.operations.rules import col
from ecluse.operations.work import Work


class RowSpec(Settings):
    """A row that each old row makes, where `when` holds."""

    when: str = Field(
        default="", description="A condition over the old row; default: a column that leaves into this row is not NULL."
    )
    values: dict[str, str] = Field(min_length=1, description="Columns and expressions over the old row.")
    back: dict[str, str] = Field(
        default={}, description="Columns that leave and expressions over this row, where a plain column will not do."
    )


class IntoSpec(TableSpec):
    """A table that the rows are split into."""

    parent: tuple[str, ...] = Field(min_length=1, description="Its columns that hold the key of the row it came from.")
    rows: tuple[RowSpec, ...] = Field(min_length=1, description="The rows that each old row makes.")


class SplitTable(Operation):
    """Split each row of a table into a row and the rows of other tables that belong to it.

    A child row exists exactly where its condition holds, so NULL and the empty text stay two things. Ids of
    child rows are made of the old key, always the same.
    """

    kind: Literal["split_table"]
    table: str = Field(description="The table, `schema.name`.")
    into: tuple[IntoSpec, ...] = Field(min_length=1, description="The new tables.")
    drop_columns: tuple[str, ...] = Field(default=(), description="Columns that leave the table.")

    @model_validator(mode="after")
    def _told_apart(self) -> SplitTable:
        for into in self.into:
            for position, row in enumerate(into.rows):
                for other in into.rows[:position]:
                    mine, theirs = dict(_constants(row.values)), dict(_constants(other.values))
                    if all(mine[name].strip() == theirs[name].strip() for name in mine.keys() & theirs.keys()):
                        raise ValueError(
                            f"two rows of '{into.table}' cannot be told apart: give them a column with different "
                            "constants, such as role = \"'user'\""
                        )
        return self

    def describe(self) -> str:
        return f"split {self.table} into {', '.join(into.table for into in self.into)}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        draft = work.draft(table)
        draft.in_place = False
        for position, name in enumerate(self.drop_columns):
            work.column(self, table, name, "drop_columns", position)
            if name in draft.key:
                raise work.wrong(self, f"'{name}' identifies the rows, it cannot leave", "drop_columns", position)
            draft.leave(name)
        for position, into in enumerate(self.into):
            self._split(work, draft, into, position)
        for name in draft.kept:
            work.hazard(
                "column-dropped",
                "note",
                table.name,
                f"column '{name}' of '{table.name}' has no place in the new shape; its values are kept aside "
                "until finish",
            )

    def _split(self, work: Work, draft: Draft, into: IntoSpec, position: int) -> None:
        where = ("into", position)
        if work.name(self, into.table, *where, "table") in work.catalog.tables:
            raise work.wrong(self, f"there is a table '{into.table}' already", *where, "table")
        child = _with_index(new_table(work, self, into, draft.table, *where), into.parent)
        if len(into.parent) != len(draft.key):
            raise work.wrong(self, f"'parent' must hold the key ({', '.join(draft.key)})", *where, "parent")
        for name in into.parent:
            work.column(self, child, name, *where, "parent")
        if not child.primary_key:
            raise work.wrong(self, f"'{into.table}' needs a primary key among its 'constraints'", *where)
        alias = work.alias(child.name.name)
        names = [column.name for column in child.columns if column.written]
        selects = []
        for number, row in enumerate(into.rows):
            values = self._values(work, draft, child, into, position, number)
            when = self._when(work, draft, row, position, number)
            items = ", ".join(f"{values[name]} AS {ident(name)}" for name in names)
            selects.append(f"SELECT {items} WHERE {when}")
            self._back(work, draft, child, alias, into, position, number, values, when)
        items = ", ".join(f"v.{ident(name)}" for name in names)
        rows = "\n  UNION ALL\n  ".join(selects)
        select = f"SELECT {items}\nFROM {{source}}\nCROSS JOIN LATERAL (\n  {rows}\n) v"
        links = tuple(zip(into.parent, draft.key, strict=True))
        told_apart = set.intersection(*({name for name, _ in _constants(row.values)} for row in into.rows))
        counterpart = (*into.parent, *sorted(told_apart - set(into.parent)))
        draft.parts.append(Part(alias, child, select, child.primary_key, links, counterpart))

    def _values(
        self, work: Work, draft: Draft, child: Table, into: IntoSpec, position: int, number: int
    ) -> dict[str, str]:
        """What each column of a child row is, over the old row."""
        where = ("into", position, "rows", number)
        given = into.rows[number].values
        for name in given:
            work.column(self, child, name, *where, "values", name)
        links = dict(zip(into.parent, draft.key, strict=True))
        names = [column.name for column in draft.table.columns]
        found = {}
        for column in child.columns:
            if column.name in given:
                mapped = work.mapping(self, given[column.name], names, *where, "values", column.name)
                found[column.name] = f"({mapped})::{column.type}"
            elif column.name in links:
                found[column.name] = draft.targets[links[column.name]].forward
            elif column.written:
                found[column.name] = self._unsaid(work, draft, child, column, position, number)
        return found

    def _unsaid(self, work: Work, draft: Draft, child: Table, column: Column, position: int, number: int) -> str:
        where = ("into", position, "rows", number, "values")
        if child.primary_key == (column.name,) and column.type == "uuid":
            return derived_uuid(f"{child.name}:{number}", draft.old_unit())
        if column.default is not None and constant(column.default):
            return f"({column.default})::{column.type}"
        if column.not_null or column.name in child.primary_key:
            raise work.wrong(self, f"'{column.name}' of '{child.name}' is NOT NULL and gets no value", *where)
        return f"NULL::{column.type}"

    def _moved(self, row: RowSpec) -> dict[str, str]:
        """The columns that leave into a row, and the expressions that give them back."""
        plain = {plain_column(text): name for name, text in row.values.items()}
        found = {gone: ident(name) for gone, name in plain.items() if gone in self.drop_columns}
        return found | {gone: text for gone, text in row.back.items() if gone in self.drop_columns}

    def _when(self, work: Work, draft: Draft, row: RowSpec, position: int, number: int) -> str:
        where = ("into", position, "rows", number)
        if row.when:
            names = [column.name for column in draft.table.columns]
            return f"({work.mapping(self, row.when, names, *where, 'when')})"
        with work.sql_of(self, *where, "values"):
            moved = self._moved(row)
        return "(" + " OR ".join(f"{col(name)} IS NOT NULL" for name in moved) + ")" if moved else "true"

    def _back(
        self,
        work: Work,
        draft: Draft,
        child: Table,
        alias: str,
        into: IntoSpec,
        position: int,
        number: int,
        values: dict[str, str],
        when: str,
    ) -> None:
        """Say how the columns that leave into this row are told again."""
        row = into.rows[number]
        where = ("into", position, "rows", number)
        for gone in row.back:
            if gone not in self.drop_columns:
                raise work.wrong(self, f"'{gone}' is not among 'drop_columns'", *where, "back", gone)
        links, constants = list(zip(into.parent, draft.key, strict=True)), _constants(row.values)

        def matching(alias: str) -> str:
            pairs = [f"{col(ours, alias)} = {col(theirs)}" for ours, theirs in links]
            return " AND ".join(pairs + [f"{col(c, alias)} = ({text})::{_type(child, c)}" for c, text in constants])

        order = ", ".join(col(name, "s") for name in child.primary_key)
        named = {*into.parent, *(name for name, _ in constants)}
        single = any(set(columns) <= named for _, columns in child.unique_keys)
        for gone, text in self._moved(row).items():
            type_ = draft.old_column(gone).type
            work.mapping(self, text, values, *where, "back", gone)
            now = _over(text, "s")
            then = rewrite(text, lambda found: f"({values[found.column]})")
            source = f"{{{{{alias}}}}} s WHERE {matching('s')} ORDER BY {order} LIMIT 1"
            beside = f"s{position}_{number}"
            draft.derived[gone] = Derived(
                f"(SELECT ({now})::{type_} FROM {source})",
                f"CASE WHEN {when} THEN ({then})::{type_} END",
                join=f"LEFT JOIN {{{{{alias}}}}} {beside} ON {matching(beside)}" if single else "",
                value=f"({_over(text, beside)})::{type_}",
            )


def _over(text: str, row: str) -> str:
    return rewrite(text, lambda found: col(found.column, row))


def _constants(values: dict[str, str]) -> list[tuple[str, str]]:
    try:
        return [(name, text) for name, text in values.items() if constant(text) and text.strip().lower() != "null"]
    except InvalidSql:
        return []  # told with its line when the values are compiled


def _type(table: Table, name: str) -> str:
    column = table.column(name)
    return column.type if column else "text"


def _with_index(table: Table, parent: tuple[str, ...]) -> Table:
    """The table with an index by which the rows of a parent are found."""
    heads = [constraint.columns for constraint in table.constraints if constraint.kind in "pu"]
    heads += [index.columns for index in table.indexes]
    if any(columns[: len(parent)] == parent for columns in heads):
        return table
    name = short(f"{table.name.name}_{'_'.join(parent)}_idx")
    index = Index(name, False, f"USING btree ({', '.join(map(ident, parent))})", parent, parent)
    return replace(table, indexes=(*table.indexes, index))
