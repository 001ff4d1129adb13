"""Values inside a value: the elements of an array, and the texts at a path of a document. SQL of one row only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ecluse.model.names import literal
from ecluse.model.uuid_sql import canonical, to_uuid
from ecluse.operations.expressions import InvalidSql
from ecluse.operations.rules import Find, Lookup, Rule

_STEP = re.compile(r'(?P<key>"(?:[^"]|"")+"|[^\s."\[\]]+)?(?P<every>(?:\[\*\])*)(?P<dot>\.|\Z)')


@dataclass(frozen=True, slots=True)
class Elements:
    """Each element of an array of texts. NULL elements stay, and so does the order.

    An array of several dimensions loses them where an element is not a UUID; the residue has the old array.
    """

    rule: Rule

    @property
    def to(self) -> str:
        """The new type."""
        return f"{self.rule.to}[]"

    def forward(self, expr: str, old_type: str) -> str:
        """The new value of an old one. The plain cast keeps bounds and dimensions, where it will do."""
        rule, text = self.rule, as_texts(expr, old_type)
        plain = f"({text})::uuid[]"
        if rule.invalid == "refuse" and rule.map is None:
            return plain
        odd = any_element(text, replace(rule, map=None).rejected("e.v", "text"))
        return f"(CASE WHEN {odd} THEN {each_element(text, rule.forward('e.v', 'text'))} ELSE {plain} END)"

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old array."""
        text = as_texts(expr, old_type)
        if self.rule.invalid == "refuse" and self.rule.map is None:
            return f'({text})::uuid[]::text[] <> ({text}) COLLATE "C"'
        return any_element(text, self.rule.unusual("e.v", "text"))

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The old value of a new one where no residue says otherwise."""
        found = self.rule.olds("e.v", lookups, find)
        plain = f"{expr}::text[]"
        if found:
            first = f"coalesce({', '.join(found)}, NULL)"
            again = each_element(expr, f"coalesce({first}, e.v::text)")
            plain = f"(CASE WHEN {any_element(expr, f'{first} IS NOT NULL')} THEN {again} ELSE {plain} END)"
        return plain if old_type == "text[]" else f"{plain}::{old_type}"

    def rejected(self, expr: str, old_type: str) -> str:
        """Whether a value cannot be carried."""
        return any_element(as_texts(expr, old_type), self.rule.rejected("e.v", "text"))


def as_texts(expr: str, old_type: str) -> str:
    """The array as an array of texts."""
    return expr if old_type == "text[]" else f"{expr}::text[]"


def any_element(array: str, condition: str) -> str:
    """Whether a condition over `e.v` holds for an element."""
    return f"EXISTS (SELECT FROM unnest({array}) e(v) WHERE {condition})"


def each_element(array: str, value: str) -> str:
    """The array with a value over `e.v` in the place of each element."""
    return f"(SELECT array_agg({value} ORDER BY e.n) FROM unnest({array}) WITH ORDINALITY e(v, n))"


# --- documents --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Path:
    """A way into a document: runs of keys with "every element" between them. `items[*].id` is (items), (id)."""

    runs: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Read `a.b`, `items[*].id`, `"a key.with dots".id`. Raises InvalidSql."""
        runs: list[tuple[str, ...]] = [()]
        at, dot = 0, True
        while dot:
            found = _STEP.match(text, at)
            if found is None or not (found["key"] or (found["every"] and at == 0)):
                raise InvalidSql(f"'{text}' is not a path like 'conversation_id' or 'items[*].conversation_id'")
            if key := found["key"]:
                runs[-1] += (key[1:-1].replace('""', '"') if key.startswith('"') else key,)
            runs += [()] * (len(found["every"]) // len("[*]"))
            at, dot = found.end(), bool(found["dot"])
        return cls(tuple(runs))

    def leaves(self, document: str) -> str:
        """A FROM clause whose rows are what stands at the path, as jsonb `l.v`; JSON's null is not among them."""
        step, tables = document, []
        for number, run in enumerate(self.runs[:-1]):
            array = _down(step, run)
            # A document that has something else there has no such elements.
            elements = f"CASE WHEN jsonb_typeof({array}) = 'array' THEN {array} ELSE '[]' END"
            tables.append(f"jsonb_array_elements({elements}) e{number}(v)")
            step = f"e{number}.v"
        leaf = f"LATERAL (SELECT {_down(step, self.runs[-1])} AS v) l0"
        return f"(SELECT l0.v FROM {', '.join([*tables, leaf])} WHERE jsonb_typeof(l0.v) <> 'null') l"

    def any(self, document: str, condition: Callable[[str], str]) -> str:
        """Whether a text at the path fulfils a condition. Asked of every row, so the simple path is no sub-select."""
        if len(self.runs) == 1:
            leaf = _down(document, self.runs[0])
            return f"(CASE WHEN jsonb_typeof({leaf}) = 'string' THEN {condition(_text(leaf))} ELSE false END)"
        return (
            f"EXISTS (SELECT FROM {self.leaves(document)} "
            f"WHERE CASE WHEN jsonb_typeof(l.v) = 'string' THEN {condition(_text('l.v'))} ELSE false END)"
        )

    def put(self, document: str, value: Callable[[str], str]) -> str:
        """The document with each text at the path replaced by another one; a NULL leaves it as it is."""
        return self._put(document, value, 0)

    def _put(self, document: str, value: Callable[[str], str], number: int) -> str:
        run = self.runs[number]
        inner = _down(document, run)
        if number == len(self.runs) - 1:
            kind, new = "string", f"coalesce(to_jsonb(({value(_text(inner))})::text), {inner})"
        else:
            each = self._put(f"e{number}.v", value, number + 1)
            elements = f"jsonb_array_elements({inner}) WITH ORDINALITY e{number}(v, n)"
            kind, new = "array", f"(SELECT coalesce(jsonb_agg({each} ORDER BY e{number}.n), '[]') FROM {elements})"
        whole = f"jsonb_set({document}, {_keys(run)}, {new})" if run else new
        return f"(CASE WHEN jsonb_typeof({inner}) = '{kind}' THEN {whole} ELSE {document} END)"


def _keys(run: tuple[str, ...]) -> str:
    return f"ARRAY[{', '.join(literal(key) for key in run)}]"


def _down(document: str, run: tuple[str, ...]) -> str:
    return f"({document} #> {_keys(run)})" if run else document


def _text(leaf: str) -> str:
    return f"({leaf} #>> '{{}}')"


@dataclass(frozen=True, slots=True)
class Inside:
    """The texts at one path, their rule, and where the old texts of new ones are found."""

    path: Path
    rule: Rule
    lookups: tuple[Lookup, ...] = ()

    @classmethod
    def of(cls, path: Path, rule: Rule, lookups: tuple[Lookup, ...]) -> Inside:
        """What is no convertible text stays, so no policy refuses it, and no retry comes back to it."""
        policy = "quarantine" if rule.invalid == "refuse" else rule.invalid
        return cls(path, replace(rule, invalid=policy, map=rule.map and rule.map.at_first()), lookups)

    def changed(self, document: str) -> str:
        """Whether the way forward changes the document, or the way back needs it for another reason."""
        rule = self.rule
        return self.path.any(
            document,
            lambda text: f"({rule.unusual(text, 'text')}) AND {rule.convertible(text)} IS NOT NULL",
        )


@dataclass(frozen=True, slots=True)
class Documents:
    """The texts at some paths of a jsonb column. What is not a convertible text there stays as it is."""

    insides: tuple[Inside, ...]
    to: str = "jsonb"

    def forward(self, expr: str, old_type: str) -> str:
        """The new document. Most are as they should be, and are not taken apart."""
        steps = [(inside.path, inside.rule.convertible) for inside in self.insides]
        return f"(CASE WHEN {self.unusual(expr, old_type)} THEN {_chain(expr, steps)} ELSE {expr} END)"

    def unusual(self, expr: str, old_type: str) -> str:
        """Whether the way back needs the old document."""
        return " OR ".join(inside.changed(expr) for inside in self.insides)

    def usual(self, expr: str, old_type: str, lookups: Sequence[Lookup], find: Find) -> str:
        """The old document of a new one where no residue says otherwise."""
        steps = [(inside.path, _first_of(inside, find)) for inside in self.insides if inside.lookups or inside.rule.map]
        if not steps:
            return expr
        known = " OR ".join(path.any(expr, partial(_is_known, first)) for path, first in steps)
        return f"(CASE WHEN {known} THEN {_chain(expr, steps)} ELSE {expr} END)"

    def rejected(self, expr: str, old_type: str) -> str:
        """Nothing: what does not fit stays as it is."""
        return ""


def _first_of(inside: Inside, find: Find) -> Callable[[str], str]:
    def first(text: str) -> str:
        found = inside.rule.olds(to_uuid(text), inside.lookups, find)
        # Only the form that the way forward writes: any other the new application put there itself.
        return f"(CASE WHEN {canonical(text)} THEN coalesce({', '.join(found)}, NULL) END)"

    return first


def _is_known(first: Callable[[str], str], text: str) -> str:
    return f"{first(text)} IS NOT NULL"


def _chain(document: str, steps: Sequence[tuple[Path, Callable[[str], str]]]) -> str:
    """One path after the other. OFFSET keeps the planner from computing the inner document many times over."""
    for number, (path, value) in enumerate(steps):
        if number == 0:
            document = path.put(document, value)
        else:
            document = f"(SELECT {path.put('d.v', value)} FROM (SELECT {document} AS v OFFSET 0) d)"
    return document
