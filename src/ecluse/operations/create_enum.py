"""create_enum: a new type of a fixed set of words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import Enum
from ecluse.operations.base import Operation
from ecluse.operations.enum_labels import check_labels, enum_name, settle
from ecluse.operations.work import Findings, Work

_TAKEN = """
SELECT 'name-taken', 'refuse', {name} || ' is ' || CASE WHEN t.typtype = 'd' THEN 'a domain'
    WHEN c.relkind = 'c' THEN 'a composite type' WHEN c.oid IS NOT NULL THEN 'the type of the rows of a table'
    ELSE 'another type' END || ', and no enum'
FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE t.typtype <> 'e' AND t.typname = {type} AND t.typnamespace = pg_catalog.to_regnamespace({schema})
"""


class CreateEnum(Operation):
    """Make an enum. It is there when the run begins; nothing uses it before the switch but the tables beside.

    A type of that name with the same labels in the same order is used as it is, and no rollback drops it. A type that
    the run made goes with a rollback, unless something else has come to use it: then it stays, and the rollback says
    for whom.
    """

    kind: Literal["create_enum"]
    name: str = Field(description="The type, `schema.name`.")
    labels: tuple[str, ...] = Field(min_length=1, description="Its labels, in order.")
    comment: str | None = Field(default=None, description="A comment on the type.")

    def describe(self) -> str:
        return f"create enum {self.name} ({', '.join(self.labels)})"

    def compile(self, work: Work) -> None:
        name = enum_name(work, self, self.name)
        check_labels(work, self, self.labels)
        found = work.catalog.types.get(name)
        if found is None:
            self._check_name(work, name)
        elif found == self.labels:
            work.hazard("enum-exists", "note", name, f"enum '{name}' is there with these labels, and is used as it is")
        else:
            self._refuse_others(work, name, found)
        settle(work, Enum(name, self.labels, found or (), self.comment))

    def _check_name(self, work: Work, name: Name) -> None:
        if name in work.catalog.tables or name in work.catalog.views or name in work.made:
            kind = "view" if name in work.catalog.views else "table"
            why = f"there is a {kind} '{name}', and a {kind} has a type of its name"
            work.hazard("name-taken", "refuse", name, why, "give the enum another name")
            return
        words = {"name": literal(str(name)), "type": literal(name.name), "schema": literal(ident(name.schema))}
        work.findings.append(Findings(name, _TAKEN.format(**words)))

    def _refuse_others(self, work: Work, name: Name, found: tuple[str, ...]) -> None:
        missing = [label for label in self.labels if label not in found]
        hint = "write the labels that it has, in their order, or give the new one another name"
        if missing:
            words = ", ".join(f'"{label}"' for label in missing)
            hint = f'[[operation]]\nkind = "extend_enum"\nname = "{self.name}"\nlabels = [{words}]'
        work.hazard(
            "enum-differs", "refuse", name, f"enum '{name}' is there with other labels: {', '.join(found)}", hint
        )
