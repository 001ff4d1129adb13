"""How texts become labels of an enum, and back: the SQL of one value. Pure.

A text is looked up when a row is mapped, and not when the statement is planned: a label that the run itself adds is not
known before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.model.names import literal
from ecluse.operations.rules import Find, Lookup, as_text, cast, col


def fold(text: str) -> str:
    """The text without case, as `lower(... COLLATE "C")` has it on every server: of ASCII letters only."""
    return "".join(c.lower() if c.isascii() else c for c in text)


@dataclass(frozen=True, slots=True)
class Labels:
    """Texts that become labels of the enum `to`, without regard to case.

    `pairs` are folded texts and their labels; `other` is the label of all other texts, empty where there is none. `raw`
    names a new column that keeps what was written; without it the way back finds it in the residue. `before` are the
    labels of the old column where it is of an enum too: no other text can go back there.
    """

    to: str
    pairs: tuple[tuple[str, str], ...]
    other: str = ""
    invalid: str = "refuse"
    raw: str = ""
    before: tuple[str, ...] = ()

    def known(self, expr: str, old_type: str) -> str:
        """The label of a text, as a text; NULL where it has none of its own."""
        document = json.dumps(dict(self.pairs), ensure_ascii=False)
        return f'({literal(document)}::jsonb ->> lower({as_text(expr, old_type)} COLLATE "C"))'

    def label(self, expr: str, old_type: str) -> str:
        """The label that a text gets, as a text; NULL where it gets none."""
        known = self.known(expr, old_type)
        return (
            f"CASE WHEN {expr} IS NOT NULL THEN coalesce({known}, {literal(self.other)}) END" if self.other else known
        )

    def forward(self, expr: str, old_type: str) -> str:
        """The new value of an old one. Under `refuse` a text without a label makes the server raise 22P02."""
        if self.other or self.invalid == "quarantine":
            return f"({self.label(expr, old_type)})::{self.to}"
        return f"coalesce({self.known(expr, old_type)}, {as_text(expr, old_type)})::{self.to}"

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old text."""
        if self.raw:
            return "false"
        return f'({self.label(expr, old_type)}) IS DISTINCT FROM {as_text(expr, old_type)} COLLATE "C"'

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The old value of a new one: what was written, as long as it still means this label; else the label."""
        plain = f"{expr}::text"
        if self.before:
            plain = f"({literal(json.dumps(self._told_back(), ensure_ascii=False))}::jsonb ->> {plain})"
        if not self.raw:
            return cast(plain, old_type)
        raw = f"{col(self.raw)}::text"
        same = f"({self.label(raw, 'text')}) IS NOT DISTINCT FROM {expr}::text"
        if self.before:
            same += f" AND {raw} IN ({', '.join(map(literal, self.before))})"
        return cast(f"(CASE WHEN {raw} IS NOT NULL AND {same} THEN {raw} ELSE {plain} END)", old_type)

    def _told_back(self) -> dict[str, str]:
        """The old label for each new one that has any: the same one, else one that is the same without case."""
        known = dict(self.pairs)
        found: dict[str, str] = {}
        for old in self.before:
            label = known.get(fold(old), self.other)
            if label and (label not in found or old == label or (fold(old) == fold(label) and found[label] != label)):
                found[label] = old
        return found

    def rejected(self, expr: str, old_type: str) -> str:
        """Whether a text has no label."""
        return "" if self.other else f"({expr} IS NOT NULL AND {self.known(expr, old_type)} IS NULL)"

    def alike(self, column: str) -> str:
        """What NULL in `raw` means, where the new application leaves it out: what was written is the label itself."""
        return f"coalesce({col(self.raw)}::text, {col(column)}::text)"
