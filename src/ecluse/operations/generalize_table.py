"""generalize_table: a provider's own table becomes rows of one for all providers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Table
from ecluse.model.flow import Flow, Follow, Member
from ecluse.model.names import literal
from ecluse.operations import duplicates, rights
from ecluse.operations.base import Operation
from ecluse.operations.beside import BesideSpec, table_of
from ecluse.operations.duplicates import Duplicates, Group
from ecluse.operations.move_columns import Columns, Mapping, Words
from ecluse.operations.reshape_members import TableSpec, new_table
from ecluse.operations.rules import col
from ecluse.operations.sides import carried_key, keyed_side
from ecluse.operations.work import Findings, Referred, Work
from ecluse.operations.writable_view import View


class GeneralizeTable(TableSpec, Operation):
    """Make of a provider's own table the rows of one kind in a table for all providers.

    A discriminator says which kind a row is, columns get their general names, and what only this provider has goes
    into a jsonb profile. Keys stay. A rollback gives back the very rows; rows of other providers, which the old table
    cannot hold, are parked. With `view`, the old name stays as a view that can be written to.
    """

    kind: Literal["generalize_table"]
    table: str = Field(description="The provider's table, `schema.name`.")
    into: str = Field(description="The new table, `schema.name`.")
    discriminator: dict[str, str] = Field(
        description="The column that says which kind a row is, and the value for these."
    )
    values: dict[str, str] = Field(
        default={}, description="New columns and expressions over the old row; default is the column of that name."
    )
    back: dict[str, str] = Field(
        default={}, description="Old columns and expressions over the new row, where a plain column will not do."
    )
    profile: str = Field(default="", description="A jsonb column that takes the old columns that have no other home.")
    keys: dict[str, str] = Field(
        default={}, description="Old columns and their keys in the profile; default: their names."
    )
    duplicates: Literal["refuse", "quarantine"] = Field(
        default="refuse",
        description="Rows of which a unique constraint of the new table lets in one only: the plan refuses, or the "
        "first stays and the others go to quarantine.",
    )
    first: str = Field(
        default="", description="Who is first: an expression over the old row; equal ones go by the key."
    )
    view: bool = Field(
        default=False,
        description="Whether the old name stays, as a view that can be written to. PostgreSQL takes no ON CONFLICT "
        "with a column there.",
    )
    grants: dict[str, tuple[str, ...]] | None = Field(
        default=None,
        description='Roles and what they may do, besides the owner: "select", or "select (id, provider)". Default is '
        "the rights of the old table.",
    )
    beside: tuple[BesideSpec, ...] = Field(default=(), description="New tables that begin empty and hang on its rows.")

    @model_validator(mode="after")
    def _one_kind(self) -> GeneralizeTable:
        if len(self.discriminator) != 1:
            raise ValueError("'discriminator' is one column and its value: { provider = \"strava\" }")
        if self.keys and not self.profile:
            raise ValueError("'keys' are of a 'profile', and there is none")
        return self

    def describe(self) -> str:
        return f"make {self.table} a kind of {self.into}"

    def compile(self, work: Work) -> None:
        old = work.table(self, self.table, "table")
        new = self._new(work, old)
        mapping = self._mapping(work, old, new)
        key = work.key(old)
        rule = self._duplicates(work, old, new, mapping, key)
        was, becomes = work.alias(f"{old.name.name}_old"), work.alias(new.name.name)
        roster = duplicates.add(work, rule, was) if rule else ""
        kind = (self._column, self._value(new))
        olds, news = carried_key(work, self, old, new, key, mapping, "columns")
        names = tuple(column.name for column in news)
        known = Referred(old, was, becomes, tuple(zip(key, names, strict=True)), tuple(mapping.same.items()), kind)
        accounts = tuple(dict.fromkeys(mapping.new[name] for names in self._groups(new).values() for name in names))
        known = replace(known, single=duplicates.single(old), accounts=accounts)
        if rule:
            known = replace(known, held=rule.held_back(roster), held_now=rule.held_now, kin=rule.kin)
        members = (
            self._leaving(known, mapping, rule, roster),
            self._arriving(known, new, mapping),
            *(self._hanging(work, spec, n, new, names, was) for n, spec in enumerate(self.beside)),
        )
        follows = (Follow(roster, was, key[0]),) if rule else ()
        sides = (keyed_side(members[:1], olds), keyed_side(members[1:], news))
        work.first.append(Flow(becomes, *sides, follows=follows, same=known.same))
        work.made[new.name] = new
        work.referred[new.name] = known
        work.findings.extend(_orphans(work, old, new, mapping))
        if self.view:
            work.changes.append(View(work, old, new, mapping, kind, self.profile).define())

    def _leaving(self, known: Referred, mapping: Mapping, rule: Duplicates | None, roster: str) -> Member:
        key = tuple(was for was, _ in known.key)
        return Member(
            known.old,
            known.table,
            mapping.inverse(known.new, known.home()),
            key,
            logged=tuple(dict.fromkeys([*key, *self._read(known.table, rule)])),
            rejects=tuple(rule.rejects(roster)) if rule else (),
            held=rule.held(roster) if rule else "",
        )

    def _arriving(self, known: Referred, new: Table, mapping: Mapping) -> Member:
        names = tuple(now for _, now in known.key)
        alike = ((self.profile, f"jsonb_strip_nulls({col(self.profile)})"),) if self.profile else ()
        return Member(known.new, new, mapping.forward(known.old), names, role="new", logged=names, alike=alike)

    @property
    def _column(self) -> str:
        return next(iter(self.discriminator))

    def _value(self, new: Table) -> str:
        column = new.column(self._column)
        return f"{literal(self.discriminator[self._column])}::{column.type if column else 'text'}"

    def _new(self, work: Work, old: Table) -> Table:
        name = work.name(self, self.into, "into")
        if name in work.catalog.tables or name in work.made:
            raise work.wrong(self, f"there is a table '{name}' already; its rows are not this operation's", "into")
        spec = TableSpec(**(self.model_dump(include=set(TableSpec.model_fields)) | {"table": self.into}))
        table = new_table(work, self, spec, old)
        work.column(self, table, self._column, "discriminator")
        if self.grants is not None:
            with work.sql_of(self, "grants"):
                table = replace(table, grants=tuple(rights.grants(table.owner, self.grants)))
        return table

    def _mapping(self, work: Work, old: Table, new: Table) -> Mapping:
        if self._column in self.values:
            raise work.wrong(self, f"'{self._column}' is the discriminator, and has a value besides", "values")
        values = {**self.values, self._column: literal(self.discriminator[self._column])}
        words = Words(values, self.back, self.profile, "profile", self.keys, nulls=True, same_database=True)
        found = Columns(self, work, old, new, words).mapping()
        home = f"{col(self._column)} = {self._value(new)}"
        # A WHERE alone does not keep the server from computing them of other kinds, which may have other texts there.
        told = {n: text if n in found.same else f"CASE WHEN {home} THEN {text} END" for n, text in found.old.items()}
        return replace(found, old=told)

    # --- duplicates ------------------------------------------------------------------------------

    def _duplicates(
        self, work: Work, old: Table, new: Table, mapping: Mapping, key: tuple[str, ...]
    ) -> Duplicates | None:
        groups = [
            Group(constraint, tuple(mapping.new[name] for name in names), ", ".join(names))
            for constraint, names in self._groups(new).items()
            if not _unique_already(old, names, mapping)
        ]
        if not groups:
            return None
        if len(key) != 1:
            text = f"duplicates of '{old.name}' cannot be told apart by a key of {len(key)} columns"
            raise work.wrong(self, text, "constraints", hint="give it a key of one column first")
        columns = [column.name for column in old.columns]
        first = work.mapping(self, self.first, columns, "first") if self.first else ""
        return Duplicates(old, key[0], tuple(groups), first, self.duplicates == "refuse")

    def _groups(self, new: Table) -> dict[str, tuple[str, ...]]:
        """What is unique among the rows of this kind, by the names of constraints and indexes."""
        keys = [(name, unique) for name, unique in new.unique_keys if unique != new.primary_key]
        found = {name: tuple(each for each in unique if each != self._column) for name, unique in keys}
        return {name: names for name, names in found.items() if names}

    def _read(self, old: Table, rule: Duplicates | None) -> list[str]:
        """The columns by which rows are kin: what they were is known from the log."""
        said = " ".join(rule.kin) if rule else ""
        return [column.name for column in old.columns if col(column.name) in said]

    def _hanging(self, work: Work, spec: BesideSpec, number: int, new: Table, key: tuple[str, ...], was: str) -> Member:
        found = table_of(work, self, spec, new, key, "beside", number)
        return Member(
            work.alias(found.table.name.name),
            found.table,
            f"{found.select} FROM {{{{{was}}}}} m WHERE false",
            found.key,
            role="new",
            join=" AND ".join(f"{col(ours)} = {col(theirs, 'a')}" for ours, theirs in found.links),
            logged=found.logged,
        )


def _orphans(work: Work, old: Table, new: Table, mapping: Mapping) -> Iterator[Findings]:
    """Rows that would break a foreign key of the new table, where no key of the old one says that there are none."""
    was = {now: before for before, now in mapping.same.items()}
    proved = {(key.columns, key.references, key.referenced_columns) for key in old.foreign_keys if key.valid}
    for key in new.foreign_keys:
        columns = tuple(was.get(name, "") for name in key.columns)
        theirs = key.referenced_columns
        if not all(columns) or not theirs or (columns, key.references, theirs) in proved:
            continue
        if key.references is None or key.references not in work.catalog.tables:
            continue
        same = " AND ".join(f"{col(name, 'p')} = {col(mine)}" for mine, name in zip(columns, theirs, strict=True))
        full = " AND ".join(f"{col(name)} IS NOT NULL" for name in columns)
        said = f" rows of {old.name} refer by {', '.join(columns)} to no row of {key.references}, and are refused"
        yield Findings(
            old.name,
            f"SELECT 'orphans', 'refuse', to_char(count(*), 'FM999,999,999,990') || {literal(said)} "
            f"FROM ONLY {old.name.sql} m WHERE {full} AND NOT EXISTS (SELECT FROM {key.references.sql} p WHERE {same}) "
            "HAVING count(*) > 0",
        )


def _unique_already(old: Table, names: tuple[str, ...], mapping: Mapping) -> bool:
    """Whether the old table lets in only one such row as well."""
    plain = {now: was for was, now in mapping.same.items()}
    mine = {plain[name] for name in names if name in plain}
    return any(mine.issuperset(columns) for _, columns in old.unique_keys)
