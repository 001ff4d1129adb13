"""How ids become the other ids of the same people, and back: the SQL of one value, of an array, of a document.

A value that the map does not have stays what it is. Whether such a value may be carried at all is asked of the rows
that the old application wrote, and not of the value: the new application may write people whom the map never knew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.model.uuid_sql import canonical, to_uuid
from ecluse.operations.inside import Elements, Inside, any_element, as_texts, each_element
from ecluse.operations.rules import Find, Lookup, Rule, as_text, cast


@dataclass(frozen=True, slots=True)
class Remap(Rule):
    """One id. `to` is the type that it has afterwards, `invalid` the policy: refuse, quarantine, keep."""

    def forward(self, expr: str, old_type: str) -> str:
        """The new value of an old one; NULL where it is not of the new type, and then the row is rejected."""
        text = as_text(expr, old_type)
        if self.to == "uuid":
            stays = expr if old_type == "uuid" else to_uuid(text)
            return f"coalesce({self.convertible(text)}, {stays})"
        return cast(f"coalesce({self.convertible(text)}::text, {text})", self.to)

    def convertible(self, text: str) -> str:
        """What the map has for a text, NULL where it has nothing."""
        assert self.map is not None
        return self.map.new(text)

    def changes(self, text: str) -> str:
        """Whether the map has another text for this one."""
        return f'({self.convertible(text)}::text <> ({text}) COLLATE "C")'

    def olds(self, expr: str, lookups: Sequence[Lookup], find: Find) -> list[str]:
        """Where else the old text of a new value may be found; each is NULL where it is not."""
        return [*(find(lookup, expr) for lookup in lookups), self._mapped(expr)]

    def _mapped(self, expr: str) -> str:
        assert self.map is not None
        if self.to == "uuid":
            return self.map.old(expr)
        # Only the form in which the way forward writes a new id.
        text = as_text(expr, self.to)
        return f"(CASE WHEN {canonical(text)} THEN {self.map.old(to_uuid(text))} END)"

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old text."""
        new = self.forward(expr, old_type)
        return f"coalesce({self._mapped(new)}, {new}::text) IS DISTINCT FROM {as_text(expr, old_type)}"

    def mistaken(self, text: str) -> str:
        """Whether a text that stays looks like the new id of another one, so that the way back would take it for that.

        For the texts of documents, which stay whatever they are; `unusual` says it of values that have a type.
        """
        return f"({canonical(text)} AND {self._mapped(to_uuid(text))} <> {text})"

    def rejected(self, expr: str, old_type: str) -> str:
        """Whether the map does not have a value; empty where such values are kept."""
        if self.invalid == "keep":
            return ""
        text = as_text(expr, old_type)
        return f"(({text}) IS NOT NULL AND {self.convertible(text)} IS NULL)"


@dataclass(frozen=True, slots=True)
class RemappedElements(Elements):
    """Each element of an array. An array of which nothing changes is not taken apart."""

    rule: Remap

    def forward(self, expr: str, old_type: str) -> str:
        """The new array of an old one."""
        text = as_texts(expr, old_type)
        new = self.rule.forward("e.v", "text")
        differs = any_element(text, f"({new})::text IS DISTINCT FROM e.v")
        return f"(CASE WHEN {differs} THEN {each_element(text, new)} ELSE ({text})::{self.to} END)"

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old array: also where it has bounds or dimensions, which are lost."""
        text = as_texts(expr, old_type)
        shaped = f"array_ndims({text}) > 1 OR array_lower({text}, 1) <> 1"
        lost = f"({shaped}) AND {any_element(text, self.rule.changes('e.v'))}"
        return f"({lost} OR {any_element(text, self.rule.unusual('e.v', 'text'))})"

    def rejected(self, expr: str, old_type: str) -> str:
        """Whether the map does not have one of the elements."""
        condition = self.rule.rejected("e.v", "text")
        return any_element(as_texts(expr, old_type), condition) if condition else ""


@dataclass(frozen=True, slots=True)
class RemappedInside(Inside):
    """The texts at one path. What is no text there is never an id of the map."""

    rule: Remap

    def changed(self, document: str) -> str:
        """Whether the way forward changes the document, or the way back needs it for another reason."""
        return self.path.any(document, lambda text: f"({self.rule.changes(text)} OR {self.rule.mistaken(text)})")

    def rejected(self, document: str) -> str:
        """Whether something stands at the path that the map does not have; empty where such things are kept."""
        condition = self.rule.rejected(LEAF, "text")
        if not condition:
            return ""
        bad = f"CASE WHEN {IS_TEXT} THEN {condition} ELSE true END"
        return f"EXISTS (SELECT FROM {self.path.leaves(document)} WHERE {bad})"


LEAF, IS_TEXT = "(l.v #>> '{}')", "jsonb_typeof(l.v) = 'string'"
