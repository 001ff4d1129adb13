"""How the values of a column become another type, and back: the SQL of one value."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ecluse.model.names import Name, ident, literal
from ecluse.model.uuid_sql import canonical, derived_uuid, plainly_written, to_uuid, valid_uuid
from ecluse.operations.expressions import rewrite


def col(name: str, alias: str = "m") -> str:
    """`m."name"`."""
    return f"{alias}.{ident(name)}"


def as_text(expr: str, old_type: str) -> str:
    """The expression as text."""
    return expr if old_type == "text" else f"{expr}::text"


def cast(expr: str, type_: str) -> str:
    """The text expression as `type_`."""
    return expr if type_ == "text" else f"{expr}::{type_}"


INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
"""The types of whole numbers, with how many bits they have for one."""


def integer_or_null(text: str, type_: str) -> str:
    """The text as an integer of that type where it is written as one; NULL for any other text."""
    limit = f"{2 ** INTEGERS[type_]}::numeric"
    fits = f"({text})::numeric BETWEEN -{limit} AND {limit} - 1"
    whole = f"({text}) ~ '^(0|-?[1-9][0-9]{{0,18}})$'"
    return f"(CASE WHEN {whole} THEN CASE WHEN {fits} THEN ({text})::{type_} END END)"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where the old text of a reference is found: the residue of `table`, by pairs (its column, ours).

    `soft`: there is no foreign key, so a text that is itself a UUID may be written differently on both sides;
    only texts that are not (regenerated ones) are taken from there.
    """

    table: Name
    column: str
    pairs: tuple[tuple[str, str], ...]
    soft: bool = False


Find = Callable[[Lookup, str], str]
"""Gives a lookup's SQL, the old text of a new value."""

NO_TEXTS = re.compile(r"('\{\}'|ARRAY\[\])::(text|character varying)(\(\d+\))?\[\]\Z")
"""Defaults that are an empty array of texts."""

RANDOM_TEXT = re.compile(r"\(?gen_random_uuid\(\)\)?::(text|character varying)(\(\d+\))?\Z")
"""Defaults that are a new UUID as a text."""


@dataclass(frozen=True, slots=True)
class IdMap:
    """The new values of texts that are not UUIDs, from a file; `alias` is that of the input table.

    `inline`: the file's pairs stand in the SQL itself, for questions that are asked before the table is there.
    `several`: more than one text may have become one value, so the table is not unique by it.
    """

    alias: str
    pairs: tuple[tuple[str, str], ...]
    inline: str = ""
    late: bool = True  # rows that were added for a retry count too
    several: bool = False

    def at_first(self) -> IdMap:
        """The map as it was when the run began: for what is carried in any case, and so is never retried."""
        return replace(self, late=False)

    def inlined(self) -> IdMap:
        """The same map without its table."""
        return replace(self, inline=literal(self._document))

    @property
    def json(self) -> str:
        """The pairs as one document, in SQL."""
        return f"{literal(self._document)}::jsonb"

    @property
    def _document(self) -> str:
        return f"{{{', '.join(f'{_json(old)}: {_json(new)}' for old, new in self.pairs)}}}"

    def new(self, text: str) -> str:
        """The new value of a text, NULL where the map has none."""
        if self.inline:
            return f"(({self.inline}::jsonb ->> ({text}))::uuid)"
        first = "" if self.late else " AND NOT i.ecluse_added"
        return f'(SELECT i.uuid FROM {{{{{self.alias}}}}} i WHERE i.old_value = ({text}) COLLATE "C"{first})'

    def old(self, value: str) -> str:
        """The text that became a new value: where there are several, the value itself, else the first of them.

        Rows that were added to the map for a retry do not count: what was carried before them has no residue that
        would tell its texts from theirs.
        """
        one = " ORDER BY i.old_value <> i.uuid::text, i.old_value LIMIT 1" if self.several else ""
        return f"(SELECT i.old_value FROM {{{{{self.alias}}}}} i WHERE i.uuid = {value} AND NOT i.ecluse_added{one})"


def _json(text: str) -> str:
    escaped = "".join(f"\\u{ord(c):04x}" if c in '"\\' or c < " " else c for c in text)
    return f'"{escaped}"'


class Mapping(Protocol):
    """What a draft asks of a conversion. `old_type` is the type of the old column."""

    @property
    def to(self) -> str:
        """The new type."""

    def forward(self, expr: str, old_type: str) -> str:
        """The new value of an old one."""

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old text."""

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The old value of a new one where no residue says otherwise."""

    def rejected(self, expr: str, old_type: str) -> str:
        """Whether a value cannot be carried; empty where there is no such notion."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One value. `using` and `back` name the column `x`."""

    to: str
    invalid: str = "refuse"
    namespace: str = ""
    using: str = ""
    back: str = ""
    map: IdMap | None = None

    def forward(self, expr: str, old_type: str) -> str:
        """The new value of an old one. Under `refuse` a bad value makes the server raise 22P02."""
        if self.using:
            return f"({_put(self.using, f'({expr})')})::{self.to}"
        text = as_text(expr, old_type)
        if self.invalid == "refuse" and self.map is None:
            return f"({text})::uuid"  # the cast itself is the guard, and the fastest
        last = [f"({text})::uuid"] if self.invalid == "refuse" else []
        return _first(self._known(text) + last)

    def convertible(self, text: str) -> str:
        """The new value of a text, NULL where it has none, whatever the policy for such."""
        return _first(self._known(text))

    def _known(self, text: str) -> list[str]:
        choices = [to_uuid(text)]
        if self.map is not None:
            choices.append(self.map.new(text))
        if self.invalid == "regenerate":
            choices.append(derived_uuid(self.namespace, text))
        return choices

    def backward(self, expr: str, old_type: str) -> str:
        """The plain old value of a new one."""
        if self.back:
            return f"({_put(self.back, f'({expr})')})::{old_type}"
        return f"{expr}::text" if old_type == "text" else f"{expr}::text::{old_type}"

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The old value of a new one where no residue says otherwise."""
        found = [cast(text, old_type) for text in self.olds(expr, lookups, find)]
        return _first([*found, self.backward(expr, old_type)])

    def olds(self, expr: str, lookups: Sequence[Lookup], find: Find) -> list[str]:
        """Where else the old text of a new value may be found; each is NULL where it is not."""
        mapped = [self.map.old(expr)] if self.map is not None else []
        return [*(find(lookup, expr) for lookup in lookups), *mapped]

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old text."""
        if self.using:
            there_and_back = self.backward(self.forward(expr, old_type), old_type)
            return f"({there_and_back})::text IS DISTINCT FROM {expr}::text"
        text = as_text(expr, old_type)
        if self.map is not None:
            # A text that is itself what another was mapped to would come back as the other.
            return f"({canonical(text)} AND {self.map.old(to_uuid(text))} IS NULL) IS FALSE"
        if self.invalid == "refuse":
            return f"NOT {plainly_written(text)}"  # that it is one, the cast in the new row sees to
        return f"NOT {canonical(text)}"

    def rejected(self, expr: str, old_type: str) -> str:
        """Whether a value cannot be carried; empty where the rule has no such notion."""
        if self.using:
            return ""
        text = as_text(expr, old_type)
        unknown = f" AND {self.map.new(text)} IS NULL" if self.map is not None else ""
        return f"(NOT {valid_uuid(text)}{unknown})"


def _first(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"coalesce({', '.join(choices)})"


def _put(template: str, expr: str) -> str:
    return rewrite(template, lambda _: expr)
