"""convert_column: another type for a column, and for everything that refers to it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Column, Table
from ecluse.model.flow import Reject
from ecluse.model.migration import Settings
from ecluse.model.uuid_sql import canonical, valid_uuid
from ecluse.operations.base import Operation
from ecluse.operations.definitions import type_name
from ecluse.operations.draft import Conversion, Draft, Lookup, Rule, Target, as_text, col
from ecluse.operations.expressions import check_mapping, rewrite
from ecluse.operations.work import CensusQuery, Work

_TEXTS = re.compile(r"(text|character varying(\(\d+\))?|character\(\d+\)|(\w+\.)?citext)\Z")
_RANDOM_TEXT = re.compile(r"\(?gen_random_uuid\(\)\)?::(text|character varying)(\(\d+\))?\Z")


class Reference(Settings):
    """A column that refers to the converted one without a foreign key."""

    table: str = Field(description="Its table.")
    column: str = Field(description="The column.")


class ConvertColumn(Operation):
    """Give a column another type, and with it every column that refers to it.

    Columns with a foreign key to it follow by themselves, through any number of tables; columns that only look
    like references follow when `references` names them. How a value was written before is kept aside, so that a
    rollback gives back the very text.
    """

    kind: Literal["convert_column"]
    table: str = Field(description="The table, `schema.name`.")
    column: str = Field(description="The column.")
    to: str = Field(default="uuid", description="The new type.")
    invalid: Literal["refuse", "quarantine", "regenerate"] = Field(
        default="refuse",
        description="What happens to a value that is not a UUID: the plan refuses; the row goes to quarantine; "
        "or it gets a new UUID made of `namespace` and the old value, always the same.",
    )
    namespace: str = Field(default="", description="For `regenerate`; default is the table and column.")
    using: str = Field(default="", description="For another type: an expression over the column.")
    back: str = Field(default="", description="For another type: the expression back, over the column.")
    default: str | None = Field(default=None, description="The new default.")
    references: tuple[Reference, ...] = Field(default=(), description="Columns that refer to it without a key.")

    @model_validator(mode="after")
    def _fits(self) -> ConvertColumn:
        if bool(self.using) != bool(self.back):
            raise ValueError("'using' needs its inverse 'back', and 'back' needs 'using'")
        if self.to.lower() != "uuid" and not self.using:
            raise ValueError(f"a conversion to '{self.to}' needs 'using' and 'back'")
        if self.using and self.invalid != "refuse":
            raise ValueError("'invalid' is for conversions to uuid without 'using'")
        if self.namespace and self.invalid != "regenerate":
            raise ValueError("'namespace' is for invalid = \"regenerate\"")
        return self

    def describe(self) -> str:
        return f"convert {self.table}.{self.column} to {self.to}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        column = work.column(self, table, self.column, "column")
        rule = self._rule(work, column)
        if rule.to == column.type:
            work.hazard("already-converted", "note", table.name, f"'{table.name}.{column.name}' is {rule.to} already")
            return
        self._convert(work, table, column, rule, ())
        if self.default is not None:
            with work.sql_of(self, "default"):
                rewrite(self.default, lambda found: "")
            target = work.draft(table).targets[column.name]
            target.column = replace(target.column, default=self.default)
        for position, reference in enumerate(self.references):
            where = ("references", position)
            theirs = work.table(self, reference.table, *where, "table")
            soft = work.column(self, theirs, reference.column, *where, "column")
            pairs = ((column.name, soft.name),)
            lookups = (Lookup(table.name, column.name, pairs, soft=True),) if rule.invalid == "regenerate" else ()
            work.draft(table).link((column.name,))
            self._convert(work, theirs, soft, rule, lookups)

    def _rule(self, work: Work, column: Column) -> Rule:
        with work.sql_of(self, "to"):
            to = type_name(self.to)
        if not self.using:
            if to != column.type and not _TEXTS.match(column.type):
                raise work.wrong(self, f"a column of type '{column.type}' needs 'using' and 'back'", "to")
            return Rule(to, self.invalid, self.namespace or f"{self.table}.{self.column}")
        using, back = (self._over_one(work, text, key) for text, key in ((self.using, "using"), (self.back, "back")))
        return Rule(to, using=using, back=back)

    def _over_one(self, work: Work, text: str, key: str) -> str:
        with work.sql_of(self, key):
            check_mapping(text)
        work.mapping(self, text, [self.column], key)
        return rewrite(text, lambda _: "x")

    def _convert(self, work: Work, table: Table, column: Column, rule: Rule, lookups: tuple[Lookup, ...]) -> None:
        """Convert one column and, through foreign keys, those that refer to it."""
        draft = work.draft(table)
        known = draft.conversions.get(column.name)
        if known is not None and known.rule != rule:
            raise work.wrong(self, f"'{table.name}.{column.name}' is converted twice, in different ways", "column")
        if known is not None:
            known.lookups += [lookup for lookup in lookups if lookup not in known.lookups]
            return
        self._refuse_strange(work, table, column)
        draft.in_place = False
        draft.conversions[column.name] = Conversion(column, rule, list(lookups))
        self._retype(draft, column, rule)
        if rule.invalid == "quarantine":
            condition = rule.rejected(col(column.name), column.type)
            draft.rejects.append(Reject(condition, f"'{column.name}' is not a UUID", column.name))
        work.census.append(census(table, column, rule))
        for name, key in work.catalog.referencing(table.name):
            pairs = tuple(zip(key.referenced_columns, key.columns, strict=True))
            for theirs, ours in pairs:
                if theirs == column.name:
                    draft.link(key.referenced_columns)
                    child = work.catalog.tables[name]
                    found = (Lookup(table.name, column.name, pairs), *inherited(draft, column.name, pairs))
                    self._convert(work, child, work.column(self, child, ours, "column"), rule, found)

    def _refuse_strange(self, work: Work, table: Table, column: Column) -> None:
        if column.generated:
            work.hazard(
                "generated-column",
                "refuse",
                table.name,
                f"'{table.name}.{column.name}' is a generated column; its type follows from its expression",
            )
        if not _TEXTS.match(column.type) and not self.using:
            # A reference of another type than what it refers to, through a cross-type equality.
            work.hazard(
                "strange-reference",
                "refuse",
                table.name,
                f"'{table.name}.{column.name}' refers to '{self.table}.{self.column}' but has type '{column.type}'",
            )

    def _retype(self, draft: Draft, column: Column, rule: Rule) -> None:
        default = column.default
        if default is not None and not column.generated:
            random = rule.to == "uuid" and _RANDOM_TEXT.match(default)
            default = "gen_random_uuid()" if random else f"({default})::{rule.to}"
        draft.targets[column.name] = Target(
            replace(
                column,
                type=rule.to,
                default=default,
                identity="",
                identity_options="",
                collation=None,
                deterministic=True,
                sequence=None,
                storage="",
                compression="",
            ),
            rule.forward(col(column.name), column.type),
        )


def inherited(draft: Draft, column: str, pairs: tuple[tuple[str, str], ...]) -> tuple[Lookup, ...]:
    """The lookups of a referenced column, for those that refer to it.

    A row that the new application made has no residue of its own; what it refers to may have.
    """
    ours = dict(pairs)
    found = draft.conversions[column].lookups
    return tuple(
        replace(lookup, pairs=tuple((theirs, ours[middle]) for theirs, middle in lookup.pairs))
        for lookup in found
        if all(middle in ours for _, middle in lookup.pairs) and lookup.table != draft.table.name
    )


def census(table: Table, column: Column, rule: Rule) -> CensusQuery:
    """How the values of a column fit a rule: one scan, and a look at the first few that do not."""
    mine = col(column.name)
    value = as_text(mine, column.type)
    valid = valid_uuid(value)
    bad = "false" if rule.using else f"NOT {valid}"
    odd = rule.unusual(mine, column.type) if rule.using else f"{valid} AND NOT {canonical(value)}"
    alone = (column.name,) in {tuple(c.columns) for c in table.constraints if c.kind in "pu"} | {
        tuple(i.columns) for i in table.indexes if i.unique
    }
    # Not the plain cast of `refuse`: a census counts bad values, it does not stumble over them.
    tolerant = replace(rule, invalid="quarantine") if rule.invalid == "refuse" else rule
    new = tolerant.forward(mine, column.type)
    # Only a value that is written unusually can become another's equal, so where there is none nothing is sorted.
    again = f"(SELECT count({new}) - count(DISTINCT {new}) FROM ONLY {table.name.sql} m)"
    twins = f"CASE WHEN count(*) FILTER (WHERE {odd}) = 0 THEN 0 ELSE {again} END" if alone else "0::bigint"
    sql = (
        f"SELECT count(*) AS rows, count(*) FILTER (WHERE {bad}) AS invalid, "
        f"count(*) FILTER (WHERE {odd}) AS unusual, {twins} AS collisions, "
        f"coalesce((SELECT array_agg(s.value) FROM (SELECT {value} AS value FROM ONLY {table.name.sql} m "
        f"WHERE {bad} LIMIT 5) s), '{{}}') AS samples\nFROM ONLY {table.name.sql} m"
    )
    reason = "not a UUID" if not rule.using else ""
    return CensusQuery(table.name, column.name, rule.invalid, sql, reason)
