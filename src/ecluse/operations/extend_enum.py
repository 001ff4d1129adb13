"""extend_enum: further labels of an enum."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.errors import NotInDatabase
from ecluse.model.names import Name
from ecluse.model.plan import Enum
from ecluse.operations.base import Operation
from ecluse.operations.enum_labels import check_labels, columns_of, enum_name, settle
from ecluse.operations.work import Work, nearest


class ExtendEnum(Operation):
    """Add labels to an enum. They are committed when the run begins, before anything can use them.

    PostgreSQL takes no label off a type again, so a rollback makes the type anew without them and rewrites the tables
    that have it. It refuses to, by name and before anything is done, while rows use such a label.
    """

    kind: Literal["extend_enum"]
    name: str = Field(description="The type, `schema.name`.")
    labels: tuple[str, ...] = Field(min_length=1, description="The new labels, one after the other.")
    after: str = Field(default="", description="The label that they come after; without it, the last one.")
    before: str = Field(default="", description="The label that they come before.")

    def describe(self) -> str:
        return f"extend enum {self.name} by {', '.join(self.labels)}"

    def compile(self, work: Work) -> None:
        name = enum_name(work, self, self.name)
        check_labels(work, self, self.labels)
        if self.after and self.before:
            raise work.wrong(self, "'after' and 'before' are two places: give one", "before")
        found = work.labels(name)
        if found is None:
            raise NotInDatabase(
                f"{work.place(self, 'name')}: there is no enum '{name}'",
                hint=nearest(str(name), map(str, work.catalog.types)) or 'make it: kind = "create_enum"',
            )
        there = [label for label in self.labels if label in found]
        if there:
            words = ", ".join(f"'{label}'" for label in there)
            rest = "nothing is added" if len(there) == len(self.labels) else "it stays where it is"
            work.hazard("label-exists", "note", name, f"enum '{name}' has {words} already: {rest}")
        columns = tuple(columns_of(work.catalog, name))
        enum = Enum(name, self._extended(work, found), found, columns=columns)
        if enum.added:
            _warn(work, enum)
        settle(work, enum)

    def _extended(self, work: Work, found: tuple[str, ...]) -> tuple[str, ...]:
        at = len(found)
        for word, label, offset in (("after", self.after, 1), ("before", self.before, 0)):
            if label and label not in found:
                place = work.place(self, word)
                raise NotInDatabase(f"{place}: '{self.name}' has no label '{label}'", hint=nearest(label, found))
            at = found.index(label) + offset if label else at
        return (*found[:at], *(label for label in self.labels if label not in found), *found[at:])


def _warn(work: Work, enum: Enum) -> None:
    """A rollback costs what nothing else here does."""
    words = ", ".join(f"'{label}'" for label in enum.added)
    sizes: dict[Name, int] = {column.table: column.size for column in enum.columns}
    if not sizes:
        told = f"a rollback makes '{enum.name}' anew without {words}, in a moment: no column has it"
        work.hazard("label-way-back", "note", enum.name, told)
        return
    tables = ", ".join(f"{table} ({size / 1e6:,.1f} MB)" for table, size in sorted(sizes.items()))
    work.hazard(
        "label-way-back",
        "warn",
        enum.name,
        f"only a rollback takes {words} off '{enum.name}' again: by a new type, which rewrites {tables} while nobody "
        "can read or write there, and only while no row uses such a label",
    )
