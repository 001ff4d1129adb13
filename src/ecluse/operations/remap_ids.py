"""remap_ids: the ids of people, as an id map says who is who."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Column, Table
from ecluse.model.flow import InputTable, Reject
from ecluse.model.migration import Settings
from ecluse.operations import census
from ecluse.operations.base import Operation
from ecluse.operations.draft import Conversion, Target, in_type
from ecluse.operations.following import follow
from ecluse.operations.inputs import MAP_COLUMNS, ids_name, read_ids
from ecluse.operations.inside import Documents, Path, as_texts
from ecluse.operations.keyed import Keyed
from ecluse.operations.owners import remap_owners
from ecluse.operations.remapped import IS_TEXT, LEAF, Remap, RemappedElements, RemappedInside
from ecluse.operations.remapped_numbers import RemapNumber
from ecluse.operations.rules import INTEGERS, NO_TEXTS, RANDOM_TEXT, IdMap, Lookup, Mapping, col
from ecluse.operations.work import Work

_TYPES = r"uuid|smallint|integer|bigint|text|character varying(\((?P<length>\d+)\))?|(\w+\.)?citext"
_IDS = re.compile(rf"(?P<type>{_TYPES})(?P<array>\[\])?\Z")
_UUID_LENGTH = 36


class RemapColumn(Settings):
    """A column that holds ids of people."""

    table: str = Field(description="Its table, `schema.name`.")
    column: str = Field(description="The column: a text, a uuid, an array of these, a number, or jsonb.")
    path: str = Field(default="", description="In jsonb, where the ids are: `user.id`, `seen[*].by`.")


class RemapIds(Operation):
    """Rewrite the ids of people in columns, in arrays and inside jsonb, by a map with evidence for each id.

    `ecluse identity map` writes the map. Each old id becomes its new one; several old ids may become one, as two
    spellings of an e-mail do. An id that is right already stands in the map as itself. Columns with a foreign key to
    one of these follow by themselves. A rollback gives back the very values, whatever they were.
    """

    kind: Literal["remap_ids"]
    map: str = Field(
        default="",
        description="A CSV file `old_value,uuid,evidence`. A line without evidence is refused, and so is an old id "
        "that becomes two.",
    )
    users: str = Field(
        default="",
        description="Instead of a file: the table of users that an `import_users` above imports. Their ids, integers "
        "too, become those of their accounts, as uuid.",
    )
    columns: tuple[RemapColumn, ...] = Field(min_length=1, description="The columns to rewrite.")
    to: Literal["uuid"] | None = Field(
        default=None,
        description="The new type of columns that are no jsonb; by default each keeps its type. Numbers need it.",
    )
    on_delete: Literal["", "cascade", "set null", "restrict"] = Field(
        default="",
        description="With `users`: what happens when an account is deleted. Columns without a foreign key get one to "
        "the account; those that have one keep what it says, if it says anything.",
    )
    unmapped: Literal["refuse", "quarantine", "keep"] = Field(
        default="refuse",
        description="What happens to a value that is not in the map: the plan refuses; the row goes to quarantine; "
        "or the value stays as it is. What the new application writes after the switch is its own, and goes home.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> RemapIds:
        if bool(self.map) == bool(self.users):
            raise ValueError("give either 'map', a file, or 'users', a table that import_users imports")
        if self.users and (self.unmapped == "keep" or any(column.path for column in self.columns)):
            raise ValueError("with 'users', ids in columns become uuid: there is no 'path', and nothing to keep")
        if self.on_delete and not self.users:
            raise ValueError("'on_delete' goes with 'users'")
        return self

    def describe(self) -> str:
        return f"remap the ids in {', '.join(f'{c.table}.{c.column}' for c in self.columns)}"

    def compile(self, work: Work) -> None:
        if self.users:
            remap_owners(work, self, self.users, self.columns, self.unmapped == "refuse", self.on_delete)
            return
        ids = self._map(work)
        for position, spec in enumerate(self.columns):
            where = ("columns", position)
            table = work.table(self, spec.table, *where, "table")
            column = work.column(self, table, spec.column, *where, "column")
            if (column.type == "jsonb") != bool(spec.path):
                text = f"is {column.type}: it has no 'path'" if spec.path else "is jsonb: say where in it the ids are"
                hint = "" if spec.path else 'path = "user.id", or path = "items[*].user_id"'
                raise work.wrong(self, f"'{table.name}.{column.name}' {text}", *where, "column", hint=hint)
            if spec.path:
                self._remap_inside(work, table, column, spec.path, ids, where)
            else:
                self._remap(work, table, column, ids, where)

    def _map(self, work: Work) -> IdMap:
        try:
            pairs = read_ids(work.migration.files[self.map])
        except ValueError as problem:
            hint = "ecluse identity map app:public.conversations.user_id -o ids.csv"
            raise work.wrong(self, f"'{self.map}', {problem}", "map", hint=hint) from None
        columns = tuple(zip(MAP_COLUMNS, ('text COLLATE "C"', "uuid"), strict=True))
        old, new = MAP_COLUMNS
        alias = work.alias("ids")
        stored = ids_name(work.migration.name, self.index)
        work.changes.append(InputTable(alias, stored, columns, (new, old), pairs, unique=(old,)))
        # What was kept was carried as it is: a map that grows later would deny that.
        return IdMap(alias, pairs, several=True, late=self.unmapped != "keep")

    # --- a column, and those that refer to it ---------------------------------------------------------

    def _remap(self, work: Work, table: Table, column: Column, ids: IdMap, where: tuple[str | int, ...]) -> None:
        def change(table: Table, column: Column, lookups: tuple[Lookup, ...]) -> bool:
            rule = self._rule(work, table, column, ids, where)
            return self._change(work, table, column, rule, lookups, where)

        follow(work, self, table, column, (), change)

    def _rule(
        self, work: Work, table: Table, column: Column, ids: IdMap, where: tuple[str | int, ...]
    ) -> Remap | RemappedElements:
        name = f"'{table.name}.{column.name}'"
        found = _IDS.match(column.type)
        number = column.type.removesuffix("[]") in INTEGERS
        if found is None or (number and (self.to is None or found["array"])):
            hint = 'a number becomes a UUID: to = "uuid"' if column.type in INTEGERS else ""
            raise work.wrong(self, f"{name} is {column.type}, which cannot hold an id", *where, "column", hint=hint)
        if column.generated:
            raise work.wrong(self, f"{name} is generated: its values follow from its expression", *where, "column")
        if self.to is None and int(found["length"] or _UUID_LENGTH) < _UUID_LENGTH:
            hint = 'to = "uuid"'
            raise work.wrong(self, f"{name} is {column.type}, too short for a UUID", *where, "column", hint=hint)
        to = self.to or column.type.removesuffix("[]")
        if self.unmapped == "keep" and to == "uuid" != found["type"]:
            hint = "unmapped = \"quarantine\", or leave 'to' out"
            raise work.wrong(
                self, f"{name} becomes uuid, and a value that is none cannot be kept", "unmapped", hint=hint
            )
        rule = (RemapNumber if number else Remap)(to, self.unmapped, map=ids)
        return RemappedElements(rule) if found["array"] else rule

    def _change(
        self,
        work: Work,
        table: Table,
        column: Column,
        rule: Remap | RemappedElements,
        lookups: tuple[Lookup, ...],
        where: tuple[str | int, ...],
    ) -> bool:
        draft = work.draft(table)
        known = draft.conversions.get(column.name)
        if known is not None and known.rule != rule:
            raise work.wrong(
                self, f"'{table.name}.{column.name}' is changed twice, in different ways", *where, "column"
            )
        if known is not None:
            known.lookups += [lookup for lookup in lookups if lookup not in known.lookups]
            return False
        draft.in_place = False
        draft.conversions[column.name] = Conversion(column, rule, list(lookups))
        new = column if rule.to == column.type else in_type(column, rule.to, self._default(work, table, column))
        draft.targets[column.name] = Target(new, rule.forward(col(column.name), column.type))
        if isinstance(rule, Keyed):
            draft.at_home.append(rule.at_home(col(column.name)))
        self._reject(work, table, column.name, rule.rejected(col(column.name), column.type))
        self._count(work, table, column, rule)
        return True

    def _default(self, work: Work, table: Table, column: Column) -> str | None:
        if column.default is None:
            return None
        if RANDOM_TEXT.match(column.default):
            return "gen_random_uuid()"
        if NO_TEXTS.match(column.default):
            return "'{}'::uuid[]"
        message = f"the default of '{table.name}.{column.name}' is not a UUID; the new column has none"
        work.hazard("default-dropped", "warn", table.name, message)
        return None

    def _reject(self, work: Work, table: Table, column: str, condition: str) -> None:
        if condition:
            reason = f"'{column}' has an id that is not in the map"
            work.draft(table).rejects.append(Reject(condition, reason, column, refuse=self.unmapped == "refuse"))

    def _count(self, work: Work, table: Table, column: Column, rule: Remap | RemappedElements) -> None:
        mine, rows = col(column.name), f"ONLY {table.name.sql} m"
        if isinstance(rule, RemappedElements):
            rows += f", unnest({as_texts(mine, column.type)}) e(v)"
            found = census.of_ids(table, f"{column.name}[]", rule.rule, rows, "e.v")
        else:
            unique = [c.columns for c in table.constraints if c.kind in "pu"] + [
                i.columns for i in table.indexes if i.unique
            ]
            found = census.of_ids(table, column.name, rule, rows, mine, alone=(column.name,) in unique)
        work.census.append(found)

    # --- inside documents ---------------------------------------------------------------------------

    def _remap_inside(
        self, work: Work, table: Table, column: Column, path: str, ids: IdMap, where: tuple[str | int, ...]
    ) -> None:
        with work.sql_of(self, *where, "path"):
            inside = RemappedInside(Path.parse(path), Remap("uuid", self.unmapped, map=ids))
        draft = work.draft(table)
        known = draft.conversions.get(column.name)
        others = known.rule.insides if known is not None and isinstance(known.rule, Documents) else ()
        if any(other.path == inside.path for other in others):
            raise work.wrong(self, f"'{path}' in '{table.name}.{column.name}' is changed twice", *where, "path")
        rule: Mapping = Documents((*others, inside))
        draft.in_place = False
        draft.conversions[column.name] = Conversion(column, rule)
        draft.targets[column.name] = Target(column, rule.forward(col(column.name), column.type))
        self._reject(work, table, column.name, inside.rejected(col(column.name)))
        rows = f"ONLY {table.name.sql} m, LATERAL {inside.path.leaves(col(column.name))}"
        name = f"{column.name}.{path}"
        work.census.append(census.of_ids(table, name, inside.rule, rows, LEAF, text=IS_TEXT))
