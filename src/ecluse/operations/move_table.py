"""move_table: a table of another database comes into this one."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Catalog, Table
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name
from ecluse.model.plan import Move
from ecluse.operations import rights
from ecluse.operations.arrival import as_it_was
from ecluse.operations.base import Operation
from ecluse.operations.move_columns import Columns, Mapping, Words
from ecluse.operations.reshape_members import TableSpec, new_table, policies_of
from ecluse.operations.sides import carried_key, keyed_side
from ecluse.operations.work import Work, nearest, row_key


class MoveTable(Operation):
    """Bring a table from another database into this one, as it is or with other columns.

    Writes go on while it is copied and kept up to date. The switch closes the old table for writing, brings over
    what is left, and opens the new one; a rollback carries new writes home and opens the old one again.
    """

    kind: Literal["move_table"]
    origin: str = Field(alias="from", description="The database of ecluse.toml where the table is today.")
    table: str = Field(description="The table there, `schema.name`.")
    into: str = Field(default="", description="Its name here; default is the same.")
    columns: dict[str, str] = Field(
        default={}, description="Name and definition, as in CREATE TABLE; default is the table as it was."
    )
    constraints: dict[str, str] = Field(default={}, description="Name and definition: primary key (id).")
    indexes: dict[str, str] = Field(default={}, description="Name and what follows ON table; may begin with unique.")
    comment: str | None = Field(default=None, description="The table's comment.")
    column_comments: dict[str, str] = Field(default={}, description="The columns' comments.")
    values: dict[str, str] = Field(
        default={}, description="New columns and expressions over the old row; default is the column of that name."
    )
    back: dict[str, str] = Field(
        default={}, description="Old columns and expressions over the new row, where a plain column will not do."
    )
    rest: str = Field(
        default="",
        description="A jsonb column that takes the old columns that have no other home, as texts; NULL is left out.",
    )
    rls: bool | None = Field(default=None, description="Row level security; default is whether there are policies.")
    policies: dict[str, str] | None = Field(default=None, description="Name and what follows ON table.")
    grants: dict[str, tuple[Literal["select", "insert", "update", "delete"], ...]] = Field(
        default={}, description="Roles and what they may do; nobody but the owner otherwise."
    )

    @model_validator(mode="after")
    def _whole(self) -> MoveTable:
        declared = self.constraints or self.indexes or self.values or self.back or self.rest or self.column_comments
        if not self.columns and declared:
            raise ValueError("the table is either moved as it was, or declared whole: 'columns' is missing")
        return self

    def describe(self) -> str:
        return f"move {self.table} here from '{self.origin}'" + (f", as {self.into}" if self.into else "")

    def origins(self) -> tuple[str, ...]:
        return (self.origin,)

    def compile(self, work: Work) -> None:
        there = work.origins[self.origin]
        old = self._old(work, there)
        key = row_key(old)
        if not key:
            work.hazard(
                "no-primary-key",
                "refuse",
                old.name,
                f"table '{old.name}' of '{self.origin}' has no primary key, so its rows cannot be told apart",
                f"ALTER TABLE {old.name.sql} ADD PRIMARY KEY (…) in '{self.origin}', or a unique index on NOT NULL "
                "columns",
            )
            key = tuple(column.name for column in old.columns[:1])
        new = self._new(work, old)
        mapping = Columns(self, work, old, new, Words(self.values, self.back, self.rest)).mapping()
        work.changes.append(self._move(work, old, new, key, mapping))

    def _old(self, work: Work, there: Catalog) -> Table:
        name = work.name(self, self.table, "table")
        found = there.tables.get(name)
        if found is None:
            hint = nearest(str(name), (str(known) for known in there.tables))
            raise work.wrong(self, f"there is no table '{name}' in '{self.origin}'", "table", hint=hint)
        return found

    def _new(self, work: Work, old: Table) -> Table:
        name = work.name(self, self.into, "into") if self.into else old.name
        spec = TableSpec(
            table=str(name),
            columns=self.columns or {column.name: column.type for column in old.columns},
            constraints=self.constraints,
            indexes=self.indexes,
            comment=self.comment,
            column_comments=self.column_comments,
            rls=self.rls,
            policies=self.policies,
        )
        table = new_table(work, self, spec, old) if self.columns else self._as_it_was(work, old, name, spec)
        owner = work.catalog.role.name
        return replace(table, owner=owner, grants=tuple(rights.grants(owner, self.grants)) if self.grants else ())

    def _as_it_was(self, work: Work, old: Table, name: Name, spec: TableSpec) -> Table:
        table = as_it_was(work, self.origin, old, name)
        policies = policies_of(work, self, spec) if self.policies is not None else table.policies
        rls = table.rls or bool(policies) if self.rls is None else self.rls
        comment = table.comment if self.comment is None else self.comment
        return replace(table, comment=comment, policies=policies or (), rls=rls)

    def _move(self, work: Work, old: Table, new: Table, key: tuple[str, ...], mapping: Mapping) -> Move:
        was, becomes = work.alias(f"from_{self.origin}_{old.name.name}"), work.alias(new.name.name)
        old_key, new_key = carried_key(work, self, old, new, key, mapping, "columns" if self.columns else "table")
        names = tuple(column.name for column in new_key)
        leaving = Member(was, old, mapping.inverse(becomes), key, logged=key)
        arriving = Member(becomes, new, mapping.forward(was), names, role="new", logged=names)
        flow = Flow(becomes, keyed_side((leaving,), old_key), keyed_side((arriving,), new_key))
        return Move(self.origin, flow, tuple(mapping.same.items()))
