"""The tables of a `reshape_table`, as the user writes them, and what a new one takes over from an old one."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from ecluse.model.catalog import Column, Constraint, Index, Policy, Published, Table
from ecluse.model.flow import Reject
from ecluse.model.migration import Settings
from ecluse.operations import definitions
from ecluse.operations.base import Operation
from ecluse.operations.work import Work, anonymous


class RejectSpec(Settings):
    """Rows that cannot be carried: they go to quarantine with the reason."""

    when: str = Field(description="A condition over the old row `m`; it may read placeholders.")
    reason: str = Field(description="Why, in words for the list of the quarantine.")
    column: str = Field(default="", description="The column that is at fault.")

    def reject(self) -> Reject:
        """The engine's value."""
        return Reject(self.when, self.reason, self.column)


class MemberSpec(Settings):
    """What both sides of a flow say of a table. The first table of a side is its anchor."""

    table: str = Field(description="The table, `schema.name`.")
    alias: str = Field(default="", description="Its placeholder, `{{alias}}`, unique in the migration.")
    select: str = Field(description="Its rows, made from the other side: one SELECT, or the path of a `.sql` file.")
    join: str = Field(default="", description="Not for the anchor: a condition between `m` and the anchor's row `a`.")
    unit: str = Field(default="", description="Anchor only: text expression over `m`; default is the primary key.")
    find: str = Field(default="", description="Anchor only: an indexable condition between `m` and `u.unit`.")
    several: bool = Field(default=False, description="Anchor only: a unit may hold several of its rows.")
    key: tuple[str, ...] = Field(default=(), description="What identifies a row; default is the primary key.")
    logged: tuple[str, ...] = Field(default=(), description="What capture logs; default is key, unit and join.")


class OldSpec(MemberSpec):
    """A table of the old shape."""

    reject: tuple[RejectSpec, ...] = Field(default=(), description="Rows that go to quarantine.")


class TableSpec(Settings):
    """The definition of a new table: everything that `CREATE TABLE` and its companions would say."""

    table: str = Field(description="The table, `schema.name`.")
    columns: dict[str, str] = Field(min_length=1, description="Name and definition, as in CREATE TABLE.")
    constraints: dict[str, str] = Field(default={}, description="Name and definition: primary key (id).")
    indexes: dict[str, str] = Field(default={}, description="Name and what follows ON table; may begin with unique.")
    comment: str | None = Field(default=None, description="The table's comment.")
    column_comments: dict[str, str] = Field(default={}, description="The columns' comments.")
    grants_like: str = Field(default="", description="The table whose owner and grants it gets.")
    rls: bool | None = Field(default=None, description="Row level security.")
    policies: dict[str, str] | None = Field(default=None, description="Name and what follows ON table.")


class NewSpec(TableSpec, MemberSpec):
    """A table of the new shape."""

    carry_triggers: tuple[str, ...] = Field(default=(), description="Triggers of the replaced table to keep.")
    role: str = Field(default="", pattern="^(replaces|new|aside|)$", description="aside: the engine's own table.")


def new_table(
    work: Work, operation: Operation, spec: TableSpec, anchor: Table, *path: str | int, aside: bool = False
) -> Table:
    """The table that a spec describes. `anchor` is the old anchor, whose owner and grants a new table gets."""
    name = work.name(operation, spec.table, *path, "table")
    base = work.catalog.tables.get(name)
    model = base or anchor
    if spec.grants_like:
        model = work.table(operation, spec.grants_like, *path, "grants_like")
    bare = Table(
        name,
        columns=_columns(work, operation, spec, *path),
        constraints=_constraints(work, operation, spec, *path),
        indexes=_indexes(work, operation, spec, *path),
        comment=spec.comment,
    )
    if aside:
        return bare
    return _with_surroundings(work, operation, spec, bare, base, model, *path)


def _with_surroundings(
    work: Work, operation: Operation, spec: TableSpec, bare: Table, base: Table | None, model: Table, *path: str | int
) -> Table:
    names = {column.name for column in bare.columns}
    policies = policies_of(work, operation, spec, *path)
    table = replace(
        bare,
        owner=model.owner,
        grants=tuple(grant for grant in model.grants if not grant.column or grant.column in names),
        policies=policies or (),
        rls=bool(policies) if spec.rls is None else spec.rls,
    )
    if base is None:
        _check_rls(work, table, model, spec)
        return table
    carried = spec.carry_triggers if isinstance(spec, NewSpec) else ()
    _check_triggers(work, operation, carried, base, *path)
    return replace(
        anonymous(base),
        columns=tuple(_taken_over(column, base) for column in table.columns),
        constraints=table.constraints,
        indexes=table.indexes,
        comment=base.comment if spec.comment is None else spec.comment,
        owner=table.owner,
        grants=table.grants,
        triggers=tuple(trigger for trigger in base.triggers if trigger.name in carried),
        policies=base.policies if policies is None else policies,
        rls=base.rls if spec.rls is None else spec.rls,
        statistics=(),
        published=_published(work, base, names),
    )


def _taken_over(column: Column, base: Table) -> Column:
    """An identity column goes on with the sequence of the one that it replaces, by the options of either."""
    was = base.column(column.name)
    if not column.identity or was is None or not was.identity:
        return column
    return replace(column, sequence=was.sequence, identity_options=column.identity_options or was.identity_options)


def _check_triggers(work: Work, operation: Operation, carried: tuple[str, ...], base: Table, *path: str | int) -> None:
    for missing in sorted(set(carried) - {trigger.name for trigger in base.triggers}):
        raise work.wrong(operation, f"table '{base.name}' has no trigger '{missing}'", *path, "carry_triggers")


def _published(work: Work, base: Table, names: set[str]) -> tuple[Published, ...]:
    lost = [p for p in base.published if not names.issuperset(p.columns)]
    for membership in lost:
        work.hazard(
            "publication-columns",
            "refuse",
            base.name,
            f"publication '{membership.publication}' lists columns that the new '{base.name}' does not have",
            f"ALTER PUBLICATION {membership.publication} SET TABLE …, before the migration",
        )
    return tuple(p for p in base.published if p not in lost)


def _check_rls(work: Work, table: Table, model: Table, spec: TableSpec) -> None:
    if not model.rls or spec.policies or spec.rls is not None:
        return
    work.hazard(
        "rls-lost",
        "refuse",
        table.name,
        f"'{model.name}' has row level security and the new table '{table.name}' would have none: "
        "everyone who may read it would see every row",
        'policies = { own = "for select to authenticated using (…)" }, or rls = false if that is meant',
    )


def _columns(work: Work, operation: Operation, spec: TableSpec, *path: str | int) -> tuple[Column, ...]:
    columns = []
    for name, definition in spec.columns.items():
        with work.sql_of(operation, *path, "columns", name):
            column = definitions.column(name, definition)
        columns.append(replace(column, comment=spec.column_comments.get(name)))
    for name in spec.column_comments:
        if name not in spec.columns:
            raise work.wrong(operation, f"'column_comments' names '{name}', no column", *path, "column_comments", name)
    return tuple(columns)


def _constraints(work: Work, operation: Operation, spec: TableSpec, *path: str | int) -> tuple[Constraint, ...]:
    constraints = []
    for name, definition in spec.constraints.items():
        with work.sql_of(operation, *path, "constraints", name):
            constraint = definitions.constraint(name, definition)
        _known(work, operation, spec, constraint.columns, *path, "constraints", name)
        constraints.append(constraint)
    return tuple(constraints)


def _indexes(work: Work, operation: Operation, spec: TableSpec, *path: str | int) -> tuple[Index, ...]:
    indexes = []
    for name, definition in spec.indexes.items():
        with work.sql_of(operation, *path, "indexes", name):
            index = definitions.index(name, definition)
        _known(work, operation, spec, index.uses, *path, "indexes", name)
        indexes.append(index)
    return tuple(indexes)


def policies_of(work: Work, operation: Operation, spec: TableSpec, *path: str | int) -> tuple[Policy, ...] | None:
    """The policies that a spec declares; None where it says nothing of them."""
    if spec.policies is None:
        return None
    policies = []
    for name, definition in spec.policies.items():
        with work.sql_of(operation, *path, "policies", name):
            policies.append(definitions.policy(name, definition))
    return tuple(policies)


def _known(work: Work, operation: Operation, spec: TableSpec, columns: tuple[str, ...], *path: str | int) -> None:
    for column in columns:
        if column not in spec.columns:
            raise work.wrong(operation, f"'{path[-1]}' names '{column}', which 'columns' does not have", *path)
