"""reshape_table: the general operation, in explicit SQL, or column by column."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Table
from ecluse.model.flow import Flow, InputTable, Member, Reject, Side
from ecluse.model.migration import Settings
from ecluse.model.names import Name
from ecluse.operations import reshape_columns
from ecluse.operations.base import Operation
from ecluse.operations.beside import BesideSpec, beside_draft
from ecluse.operations.definitions import type_name
from ecluse.operations.draft import key_text
from ecluse.operations.expressions import check_template, one_expression, qualified
from ecluse.operations.inputs import input_name, read_rows
from ecluse.operations.reshape_members import MemberSpec, NewSpec, OldSpec, new_table
from ecluse.operations.rules import as_text, cast, col
from ecluse.operations.work import Work, row_key


class InputSpec(Settings):
    """A CSV file that is loaded before the copy, for selects to read: an id map."""

    alias: str = Field(description="Its placeholder.")
    file: str = Field(description="The CSV file, with a header line, relative to the migration file.")
    columns: dict[str, str] = Field(min_length=1, description="Name and type; the file has these columns.")
    key: tuple[str, ...] = Field(min_length=1, description="What identifies a row.")


class ReshapeTable(Operation):
    """Make new tables from old ones, and the old ones from the new ones, by SQL of your own.

    Long form: the tables of the old and of the new shape, each with a SELECT that makes its rows from the other
    side. Short form: `table` with `columns` that come from expressions, and `drop_columns`; the rest stays.
    """

    kind: Literal["reshape_table"]
    name: str = Field(default="", description="Long form: a name for the flow; default is the first new table.")
    old: tuple[OldSpec, ...] = Field(default=(), description="Tables of the old shape, the anchor first.")
    new: tuple[NewSpec, ...] = Field(default=(), description="Tables of the new shape, the anchor first.")
    input: tuple[InputSpec, ...] = Field(default=(), description="CSV files to load.")
    table: str = Field(default="", description="Short form: the table.")
    columns: dict[str, reshape_columns.ColumnSpec] = Field(default={}, description="Short form: columns that change.")
    drop_columns: tuple[str, ...] = Field(
        default=(), description="Short form: columns that leave. Until finish, their values are kept aside."
    )
    indexes: dict[str, str] = Field(
        default={}, description="Short form: new indexes, name and what follows ON table; may begin with unique."
    )
    beside: tuple[BesideSpec, ...] = Field(
        default=(), description="Short form: new tables that begin empty and hang on the table's rows."
    )

    @model_validator(mode="after")
    def _one_form(self) -> ReshapeTable:
        said = self.columns or self.drop_columns or self.indexes or self.beside
        long, short = bool(self.old or self.new or self.input), bool(self.table or said)
        if long == short:
            raise ValueError("give either [[operation.old]] and [[operation.new]], or 'table' with 'columns'")
        if long and not (self.old and self.new):
            raise ValueError("both [[operation.old]] and [[operation.new]] are needed")
        if short and not (self.table and said):
            raise ValueError("'table' and at least one of 'columns', 'drop_columns', 'indexes' and 'beside' are needed")
        for side in (self.old, self.new):
            for position, member in enumerate(side):
                anchor_words = member.unit or member.find or member.several
                if position and (anchor_words or not member.join):
                    raise ValueError(f"'{member.table}' hangs on '{side[0].table}': it needs 'join', and no 'unit'")
                if not position and member.join:
                    raise ValueError(f"'{member.table}' is the first of its side, so it has no 'join'")
        return self

    def describe(self) -> str:
        if self.table:
            return f"reshape {self.table}"
        return f"reshape {', '.join(m.table for m in self.old)} into {', '.join(m.table for m in self.new)}"

    def compile(self, work: Work) -> None:
        if self.table:
            reshape_columns.compile_columns(self, work, self.table, self.columns, self.drop_columns)
            draft = work.draft(work.table(self, self.table, "table"))
            reshape_columns.add_indexes(self, work, draft, self.indexes)
            for position, empty in enumerate(self.beside):
                draft.parts.append(beside_draft(work, self, empty, draft, position))
            return
        olds = [work.table(self, spec.table, "old", n, "table") for n, spec in enumerate(self.old)]
        news = [
            new_table(work, self, spec, olds[0], "new", n, aside=spec.role == "aside")
            for n, spec in enumerate(self.new)
        ]
        for position, spec in enumerate(self.input):
            work.changes.append(self._input(work, spec, position))
        aliases = {
            **{("old", n): self._alias(work, spec, "old", n) for n, spec in enumerate(self.old)},
            **{("new", n): self._alias(work, spec, "new", n) for n, spec in enumerate(self.new)},
        }
        old = [self._member(work, "old", n, olds[n], aliases["old", n]) for n in range(len(olds))]
        new = [self._member(work, "new", n, news[n], aliases["new", n]) for n in range(len(news))]
        flow = Flow(self.name or new[0].alias, self._side(work, "old", old), self._side(work, "new", new))
        work.changes.append(flow)

    def _specs(self, side: str) -> tuple[OldSpec, ...] | tuple[NewSpec, ...]:
        return self.old if side == "old" else self.new

    def _alias(self, work: Work, spec: MemberSpec, side: str, position: int) -> str:
        wish = spec.alias or Name.parse(spec.table).name
        if not spec.alias:
            return work.alias(wish)
        if spec.alias in work.aliases or not spec.alias.isidentifier():
            reason = "is used twice" if spec.alias in work.aliases else "is not a plain word"
            raise work.wrong(self, f"alias '{spec.alias}' {reason}", side, position, "alias")
        return work.alias(wish)

    def _member(self, work: Work, side: str, position: int, table: Table, alias: str) -> Member:
        spec = self._specs(side)[position]
        key = spec.key or row_key(table)
        for name in (*spec.key, *spec.logged):
            work.column(self, table, name, side, position, "key" if name in spec.key else "logged")
        if not key:
            work.hazard(
                "no-primary-key",
                "refuse",
                table.name,
                f"table '{table.name}' has no primary key, so its rows cannot be told apart",
                "add a primary key, or name columns that identify a row: key = […]",
            )
        work.templates.append((self, (side, position, "select"), spec.select))
        logged = spec.logged or self._logged(work, spec, table, key, side, position)
        old_role, new_role = "replaces", "replaces" if table.name in work.catalog.tables else "new"
        return Member(
            alias=alias,
            table=table,
            select=spec.select.strip().rstrip(";"),
            key=key,
            role=(spec.role or new_role) if isinstance(spec, NewSpec) else old_role,
            join=spec.join,
            logged=logged,
            rejects=self._rejects(work, spec, position),
        )

    def _rejects(self, work: Work, spec: MemberSpec, position: int) -> tuple[Reject, ...]:
        if not isinstance(spec, OldSpec):
            return ()
        for number, reject in enumerate(spec.reject):
            with work.sql_of(self, "old", position, "reject", number, "when"):
                one_expression(reject.when)
        return tuple(reject.reject() for reject in spec.reject)

    def _logged(
        self, work: Work, spec: MemberSpec, table: Table, key: tuple[str, ...], side: str, position: int
    ) -> tuple[str, ...]:
        read: list[str] = []
        for word, text in (("unit", spec.unit), ("join", spec.join)):
            if text:
                with work.sql_of(self, side, position, word):
                    named = qualified(text, "m")
                for name in named:
                    work.column(self, table, name, side, position, word)
                read += named
        return tuple(dict.fromkeys([*key, *read]))

    def _side(self, work: Work, side: str, members: list[Member]) -> Side:
        spec, anchor = self._specs(side)[0], members[0]
        unit, find = spec.unit, spec.find
        if find:
            with work.sql_of(self, side, 0, "find"):
                one_expression(find)
        if not unit and anchor.key:
            columns = [(name, work.column(self, anchor.table, name, side, 0, "key").type) for name in anchor.key]
            unit = key_text([as_text(col(name), kind) for name, kind in columns])
            parts = ["u.unit"] if len(columns) == 1 else [f"(u.unit::jsonb->>{n})" for n in range(len(columns))]
            pairs = zip(columns, parts, strict=True)
            find = find or " AND ".join(f"{col(name)} = {cast(part, kind)}" for (name, kind), part in pairs)
        return Side(tuple(members), unit=unit, find=find, several=spec.several)

    def _input(self, work: Work, spec: InputSpec, position: int) -> InputTable:
        where = ("input", position)
        if spec.alias in work.aliases:
            raise work.wrong(self, f"alias '{spec.alias}' is used twice", *where, "alias")
        try:
            values = read_rows(work.migration.files[spec.file], spec.columns)
        except ValueError as problem:
            raise work.wrong(self, f"'{spec.file}', {problem}", *where, "file") from None
        columns = []
        for name, text in spec.columns.items():
            with work.sql_of(self, *where, "columns", name):
                columns.append((name, type_name(text)))
        stored = input_name(work.migration.name, spec.alias)
        return InputTable(work.alias(spec.alias), stored, tuple(columns), spec.key, values)


def check_templates(work: Work) -> None:
    """Check all selects, once every alias of the migration is known."""
    for operation, path, text in work.templates:
        with work.sql_of(operation, *path):
            check_template(text.strip().rstrip(";"), frozenset(work.aliases))
