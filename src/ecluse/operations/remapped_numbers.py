"""How numbers become the ids of the same people by a map, and back: the SQL of one value. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.model.uuid_sql import to_uuid
from ecluse.operations.keyed import Keyed
from ecluse.operations.remapped import Remap
from ecluse.operations.rules import Find, Lookup, cast

# At most 18 digits, which fit a bigint. A map may hold addresses as well, which are no way back for a number.
_NUMBER = "'^(0|-?[1-9][0-9]{0,17})$'"


@dataclass(frozen=True, slots=True)
class RemapNumber(Remap, Keyed):
    """One id that was a number and becomes a UUID. A UUID that the map does not have has no number to go back to."""

    def _numbers(self, expr: str) -> str:
        return "FROM " + self.numbers(expr, "i").replace(" ON ", " WHERE ", 1)

    def numbers(self, expr: str, row: str) -> str:
        """The rows of the map that have a number for a new value, as a table to be joined."""
        assert self.map is not None
        held = f"{row}.old_value ~ {_NUMBER} AND NOT {row}.ecluse_added"
        return f"{{{{{self.map.alias}}}}} {row} ON {row}.uuid = {expr} AND {held}"

    def _number(self, expr: str) -> str:
        # Of several numbers that became one, the smallest; the residue knows which it was.
        return f"(SELECT min(i.old_value::bigint) {self._numbers(expr)})"

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old number."""
        return f"{self._number(self.forward(expr, old_type))} IS DISTINCT FROM {expr}::bigint"

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The old number of a new value; NULL where it has none."""
        found = [f"({cast(find(lookup, expr), old_type)})" for lookup in lookups]
        return f"coalesce({', '.join([*found, f'{self._number(expr)}::{old_type}'])})"

    def at_home(self, expr: str) -> str:
        """Whether the map has a number for it."""
        return f"(({expr}) IS NULL OR EXISTS (SELECT {self._numbers(expr)}))"

    def unit(self, expr: str) -> str:
        """The number as text, else the UUID itself."""
        return f"coalesce({self._number(expr)}::text, {expr}::text)"

    def is_unit(self, expr: str, text: str, old_type: str) -> str:
        """By the map, or where the text is the UUID itself."""
        return f"{expr} = coalesce({self.convertible(text)}, {to_uuid(text)})"
