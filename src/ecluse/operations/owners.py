"""remap_ids by a table of users that the same migration imports: columns of owners, their keys and their families."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ecluse.model.catalog import Column, Constraint, Table
from ecluse.model.names import ident
from ecluse.operations.base import Operation
from ecluse.operations.draft import Conversion, Target, in_type
from ecluse.operations.following import follow
from ecluse.operations.owned import Owner
from ecluse.operations.people_flow import ACCOUNTS
from ecluse.operations.people_sql import HELD
from ecluse.operations.rules import Lookup, col
from ecluse.operations.work import CensusQuery, Imported, Work

_IDS = re.compile(r"(smallint|integer|bigint|uuid|text|character varying(\(\d+\))?)\Z")
_RULES = {"cascade": "c", "set null": "n", "restrict": "r"}  # as pg_constraint has them
_REFERENCE = re.compile(r"REFERENCES .*?\([^)]*\)")


class OwnerColumn(Protocol):
    """A column as the migration names it."""

    @property
    def table(self) -> str:
        """Its table."""

    @property
    def column(self) -> str:
        """Its name."""


def remap_owners(
    work: Work, operation: Operation, users: str, columns: Sequence[OwnerColumn], refuse: bool, on_delete: str
) -> None:
    """Draft the change of all these columns, and of those that refer to them. Raises errors of families 2xx."""
    name = work.table(operation, users, "users").name
    imported = work.imported.get(name)
    others = work.migration.operations[: operation.index]
    if imported is None and any(o.kind == "import_users" and getattr(o, "table", "") == users for o in others):
        return  # it has an error of its own, which is told
    if imported is None:
        if any(getattr(other, "table", "") and other.kind == "import_users" for other in work.migration.operations):
            hint = "put the import_users above this operation"
        else:
            hint = f'[[operation]]\nkind = "import_users"\ntable = "{name}"'
        if any(hazard.id in ("no-supabase", "accounts-hidden") for hazard in work.hazards):
            return  # it was refused already, with the way out
        raise work.wrong(operation, f"no operation above imports the users of '{name}'", "users", hint=hint)
    for position, spec in enumerate(columns):
        where = ("columns", position)
        table = work.table(operation, spec.table, *where, "table")
        column = work.column(operation, table, spec.column, *where, "column")
        if table.name == name and column.name == imported.people.id.name:
            raise work.wrong(operation, f"'{name}' is what import_users imports", *where, "table")
        one = _Owners(work, operation, imported, refuse, on_delete, where)
        follow(work, operation, table, column, (), one.change)


class _Owners:
    """One column of the operation, and those that follow it through foreign keys."""

    def __init__(
        self,
        work: Work,
        operation: Operation,
        imported: Imported,
        refuse: bool,
        on_delete: str,
        where: tuple[str | int, ...],
    ) -> None:
        self._work, self._operation, self._where = work, operation, where
        self._now = imported.now
        self._people, self._refuse, self._on_delete = imported.people, refuse, on_delete
        self._rule = Owner(imported.roster, imported.people.id.type)

    def change(self, table: Table, column: Column, lookups: tuple[Lookup, ...]) -> bool:
        """Change one column; False where it is changed already."""
        self._check(table, column)
        draft = self._work.draft(table)
        known = draft.conversions.get(column.name)
        if known is not None and known.rule != self._rule:
            text = f"'{table.name}.{column.name}' is changed twice, in different ways"
            raise self._work.wrong(self._operation, text, *self._where, "column")
        if known is not None:
            return False
        mine = col(column.name)
        draft.in_place = False
        draft.conversions[column.name] = Conversion(column, self._rule, list(lookups))
        draft.targets[column.name] = Target(in_type(column, "uuid", None), self._rule.forward(mine, column.type))
        draft.at_home.append(self._rule.at_home(mine))
        draft.rejects += self._rule.rejects(column.name, mine, column.type, refuse=self._refuse)
        self._key(table, column)
        self._count(table, column)
        return True

    def _check(self, table: Table, column: Column) -> None:
        name = f"'{table.name}.{column.name}'"
        if column.generated or not _IDS.match(column.type):
            what = "generated" if column.generated else column.type
            raise self._work.wrong(
                self._operation, f"{name} is {what}, which is no id of a user", *self._where, "column"
            )
        if column.default is not None and column.sequence is None and not column.identity:
            message = f"the default of {name} is no id of an account; the new column has none"
            self._work.hazard("default-dropped", "warn", table.name, message)
        if column.sequence is not None:
            message = f"the sequence of {name} ends with the integers: it goes at finish"
            self._work.hazard("sequence-ends", "note", table.name, message)

    def _key(self, table: Table, column: Column) -> None:
        """A foreign key to the users becomes one to the accounts; a column that has none may get one.

        What happens at a deletion is said where the key says nothing itself: else nobody could delete an account.
        """
        draft = self._work.draft(table)
        keys = [key for key in table.foreign_keys if column.name in key.columns]
        for key in keys:
            if key.references == self._people.table and key.referenced_columns == (self._people.id.name,):
                text = _REFERENCE.sub(lambda _: f"REFERENCES {ACCOUNTS.sql} (id)", key.definition, count=1)
                if key.on_delete == "a" and self._on_delete:
                    text = text.replace(" (id)", f" (id) ON DELETE {self._on_delete.upper()}", 1)
                    key = replace(key, on_delete=_RULES[self._on_delete])
                again = replace(key, definition=text, references=ACCOUNTS, referenced_columns=("id",))
                draft.redeclared.setdefault(("constraints", key.name), again)
        if self._on_delete and not keys:
            name = f"{table.name.name}_{column.name}_fkey"
            text = f"FOREIGN KEY ({ident(column.name)}) REFERENCES {ACCOUNTS.sql} (id)"
            text += f" ON DELETE {self._on_delete.upper()}"
            draft.keys.append(Constraint(name, "f", text, (column.name,), ACCOUNTS, ("id",), _RULES[self._on_delete]))

    def _count(self, table: Table, column: Column) -> None:
        mine = col(column.name)
        bad = f"{mine} IS NOT NULL AND i.uid IS NULL"
        key = f"i.old_user_id::text = {mine}::text"
        sql = (
            f"SELECT count(*) AS rows, count(*) FILTER (WHERE {bad}) AS invalid, 0::bigint AS unusual, "
            f"0::bigint AS collisions, coalesce((array_agg(DISTINCT {mine}::text) FILTER (WHERE {bad}))[:5], '{{}}') "
            "AS samples, count(*) FILTER (WHERE i.uid IS NOT NULL) AS mapped\n"
            f"FROM ONLY {table.name.sql} m LEFT JOIN {self._now} i ON {key} AND i.outcome <> '{HELD}'"
        )
        policy = "refuse" if self._refuse else "quarantine"
        reason = "not the id of a user who is carried"
        self._work.census.append(CensusQuery(table.name, column.name, policy, sql, reason))
