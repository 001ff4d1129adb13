"""Ids that are looked up in both directions: what a draft asks of them where they are part of a key."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ecluse.model.uuid_sql import canonical
from ecluse.operations.rules import INTEGERS, cast, integer_or_null


class Keyed(ABC):
    """A rule by which a new value has an old one only where a table says so.

    The new application writes values that never had one. So the unit of a new row may be the text of its own value.
    """

    __slots__ = ()

    @abstractmethod
    def at_home(self, expr: str) -> str:
        """Whether the old shape knows a new value; NULL is known."""

    @abstractmethod
    def unit(self, expr: str) -> str:
        """The old text of a key, over a new row; of a value that never had one, its own."""

    @abstractmethod
    def is_unit(self, expr: str, text: str, old_type: str) -> str:
        """Whether a new value may be that of the unit `text`, in a form that an index on `expr` can answer."""

    def was_unit(self, expr: str, text: str, old_type: str) -> str:
        """Whether an old value is written so. The text may be one that no old value has."""
        if old_type.startswith("character varying"):
            return f"{expr} = {text}"
        if old_type == "uuid":
            return f"{expr} = (CASE WHEN {canonical(text)} THEN ({text})::uuid END)"
        if old_type not in INTEGERS:
            return f"{expr} = {cast(text, old_type)}"
        return f"{expr} = {integer_or_null(text, old_type)}"
