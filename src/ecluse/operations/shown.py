"""The old rows of a draft for views: a look-up by an old key, or by a reference, must reach an index. Pure.

What a value was is told by the value alone, but for the few whose old text stands aside: of the row itself, or of the
row that it refers to. So the rows are shown in parts, one for each of the ways in which something stands aside, and in
each of them a key and a reference is a plain expression over one table, which can be indexed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from ecluse.model.catalog import Table
from ecluse.model.flow import Shown
from ecluse.model.names import Name, ident, literal
from ecluse.operations.draft import Conversion, Draft
from ecluse.operations.owned import Owner
from ecluse.operations.remapped_numbers import RemapNumber
from ecluse.operations.rules import IdMap, Lookup, Rule, cast, col

_MOST = 3  # ways that are told apart: each doubles the parts
_Drafts = Mapping[Name, Draft]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in which something may stand aside of a new row `m`: in `aside`, as `row`, where `on` holds."""

    aside: str
    row: str
    on: str
    column: str = ""  # the reference that it tells; empty for what stands aside of the row itself
    value: str = ""  # and its old value; empty where that is more than a text
    odd: tuple[tuple[str, str, str], ...] = ()  # where it would stand; empty for a map of ids, which is always there

    @property
    def there(self) -> str:
        return f"EXISTS (SELECT FROM {{{{{self.aside}}}}} {self.row} WHERE {self.on})"


def shown(drafts: _Drafts, draft: Draft, source: str) -> Shown | None:
    """None where nothing of the draft stands aside, so that its `select` is as good."""
    ways = list(_ways(drafts, draft))
    told = dict.fromkeys(derived.join for derived in draft.derived.values() if derived.join)
    if not ways and not _joined(draft) and not told:
        return None
    source = "\n".join([source, *(join for join, _ in _joined(draft).values()), *told])
    choices = list(product((False, True), repeat=min(len(ways), _MOST)))
    mapped = any(not way.odd for way in ways)
    return Shown(
        tuple(_part(drafts, draft, source, ways, chosen) for chosen in choices),
        "" if mapped else _part(drafts, draft, source, [], ()),
        tuple(dict.fromkeys(odd for way in ways for odd in way.odd)),
        tuple(tuple(w.odd for w, there in zip(ways, chosen, strict=False) if there and w.odd) for chosen in choices),
        tuple(dict.fromkeys(_sought(drafts, draft))),
    )


def _ways(drafts: _Drafts, draft: Draft) -> Iterator[_Way]:
    """Its own residue first; then each reference to a row of which something stands aside."""
    if own := _own_columns(drafts, draft):
        keys = " OR ".join(f"r.{draft.residue_name} ? {literal(name)}" for name in own)
        odd = tuple((draft.aside, draft.residue_name, name) for name in own)
        yield _Way(draft.aside, "r", f"{_own(draft)} AND ({keys})", odd=odd)
    number = 0
    for name, conversion in draft.conversions.items():
        rule = conversion.rule
        if not _scalar(conversion) or name in _joined(draft):
            continue
        for lookup in conversion.lookups:
            number += 1
            yield _reference(drafts, draft, name, lookup, f"p{number}")
        if (
            isinstance(rule, Rule)
            and rule.map is not None
            and _single(rule.map)
            and rule.to == "uuid"
            and not rule.using
        ):
            number += 1
            on = f"p{number}.uuid = {col(name)} AND NOT p{number}.ecluse_added"
            value = cast(f"(p{number}.old_value)", conversion.column.type)
            yield _Way(rule.map.alias, f"p{number}", on, name, value)


def _scalar(conversion: Conversion) -> bool:
    """Whether it is of one value, whose old one may be the text of the new one."""
    return isinstance(conversion.rule, Rule) and not isinstance(conversion.rule, RemapNumber)


def _single(ids: IdMap) -> bool:
    """Whether no two texts became one value."""
    return not ids.several or len({new for _, new in ids.pairs}) == len(ids.pairs)


def _joined(draft: Draft) -> dict[str, tuple[str, str]]:
    """Columns whose old value is always in a table, by the new one: the join, and the value."""
    found = {}
    for number, (name, conversion) in enumerate(draft.conversions.items()):
        rule, row = conversion.rule, f"i{number}"
        if isinstance(rule, RemapNumber) and rule.map and _single(rule.map):
            value = f"{row}.old_value::bigint::{conversion.column.type}"
            found[name] = (f"LEFT JOIN {rule.numbers(col(name), row)}", value)
        if isinstance(rule, Owner) and not conversion.lookups:
            value = f"{row}.old_user_id"
            value = value if rule.key == conversion.column.type else f"{value}::text::{conversion.column.type}"
            found[name] = (f"LEFT JOIN {{{{{rule.roster}}}}} {row} ON {row}.uid = {col(name)}", value)
    return found


def _reference(drafts: _Drafts, draft: Draft, name: str, lookup: Lookup, row: str) -> _Way:
    parent = drafts[lookup.table]
    pairs = [(theirs, name) for theirs, _ in lookup.pairs] if lookup.soft else lookup.pairs
    on = " AND ".join(f"{col(theirs, row)} = {col(ours)}" for theirs, ours in pairs)
    text = f"{row}.{parent.residue_name}"
    on += f" AND {text} ? {literal(lookup.column)}"
    value = cast(f"({text}->>{literal(lookup.column)})", draft.old_column(name).type) if _hard(draft, name) else ""
    return _Way(parent.aside, row, on, name, value, ((parent.aside, parent.residue_name, lookup.column),))


def _hard(draft: Draft, name: str) -> bool:
    """Whether a foreign key holds the reference, so that it is written as what it refers to, to the letter."""
    lookups = draft.conversions[name].lookups
    if len(lookups) != 1 or lookups[0].soft or len(lookups[0].pairs) != 1 or not draft.old_column(name).deterministic:
        return False
    return any(
        key.valid and key.columns == (name,) and key.references == lookups[0].table for key in draft.table.foreign_keys
    )


def _own_columns(drafts: _Drafts, draft: Draft) -> list[str]:
    """Converted columns of which only the row's own residue says what they were."""
    asked = (name for name in draft.conversions if not _hard(draft, name) and name not in _joined(draft))
    return list(asked) if draft.has_residue else []


def _own(draft: Draft) -> str:
    return " AND ".join(f"{col(name, 'r')} = {col(name)}" for name in draft.key)


# --- one part ---------------------------------------------------------------------------------------


def _part(drafts: _Drafts, draft: Draft, source: str, ways: list[_Way], chosen: tuple[bool, ...]) -> str:
    """The rows of which stands aside what is chosen, and not what is not; of ways beyond these it is looked up."""
    conditions = list(draft.at_home)
    own = False
    told: dict[str, str] = {}
    looked = {way.column for way in ways[len(chosen) :]}
    for way, there in zip(ways, chosen, strict=False):
        if not there:
            conditions.append(f"NOT {way.there}")
        elif not way.column:
            own = True
            source += f"\nJOIN {{{{{way.aside}}}}} {way.row} ON {way.on}"
        elif way.value:
            told[way.column] = way.value
            source += f"\nJOIN {{{{{way.aside}}}}} {way.row} ON {way.on}"
        else:
            looked.add(way.column)
            conditions.append(way.there)
    if not own and (draft.kept or draft.derived):
        source += f"\nLEFT JOIN {{{{{draft.aside}}}}} r ON {_own(draft)}"
    items = {name: told.get(name) or _item(drafts, draft, name, own, name in looked) for name in draft.table.written}
    listed = ",\n  ".join(f"{items[name]} AS {ident(name)}" for name in draft.table.written)
    return f"SELECT {listed}\nFROM {source}" + (f"\nWHERE {' AND '.join(conditions)}" if conditions else "")


def _item(drafts: _Drafts, draft: Draft, name: str, own: bool, looked: bool) -> str:
    conversion = draft.conversions.get(name)
    if name in draft.derived and draft.derived[name].join and name not in draft.backs:
        return draft.told_again(name, draft.derived[name].value)
    if conversion is None or name in draft.backs:
        return draft.inverse(name, dict(drafts))
    if name in _joined(draft):
        return _joined(draft)[name][1]
    if own and not _hard(draft, name):
        by_key = _key_aside(draft, name, "r") if name in draft.key else ""
        return by_key or draft.inverse(name, dict(drafts))
    looked = looked or not _scalar(conversion)
    return draft.usual(conversion, dict(drafts)) if looked else _plain(conversion, col(name))


def _plain(conversion: Conversion, expr: str) -> str:
    """The old value where nothing stands aside, and no map has it."""
    rule, type_ = conversion.rule, conversion.column.type
    if _scalar(conversion) and isinstance(rule, Rule) and rule.map and _single(rule.map) and rule.to == "uuid":
        return rule.backward(expr, type_)
    return rule.usual(expr, type_, [], lambda lookup, value: "NULL")


def _key_aside(draft: Draft, name: str, row: str) -> str:
    """The key of a row, told by what stands aside alone, so that an index there can answer; empty where it cannot."""
    conversion = draft.conversions.get(name)
    if conversion is None or name in draft.backs or conversion.lookups:
        return ""
    old, plain = f"{row}.{draft.residue_name}", _plain(conversion, col(name, row))
    if "SELECT" in plain:
        return ""
    text = cast(f"({old}->>{literal(name)})", conversion.column.type)
    return f"CASE WHEN {old} ? {literal(name)} THEN {text} ELSE {plain} END"


# --- indexes ----------------------------------------------------------------------------------------


def _sought(drafts: _Drafts, draft: Draft) -> Iterator[tuple[str, tuple[str, ...]]]:
    """For each index of the old table that has a converted column, one on what that column was."""
    for columns in _indexed(draft.table):
        if not any(name in draft.conversions for name in columns):
            continue
        values = [_indexable(draft, name) for name in columns]
        if all(values):
            yield draft.new, tuple(_typed(draft, n, t) for n, t in zip(columns, values, strict=True))
    if len(draft.key) == 1 and draft.has_residue:
        (name,) = draft.key
        if text := _key_aside(draft, name, "m"):
            yield draft.aside, (_typed(draft, name, text),)
    for way in _ways(drafts, draft):
        if way.value and way.odd:
            value = way.value.replace(f"({way.row}.", "(m.", 1)
            yield way.aside, (_typed(draft, way.column, value),)


def _indexable(draft: Draft, name: str) -> str:
    """The old value as an expression over the new row alone; empty where it is none."""
    if name in draft.leaving or name in draft.backs or not draft.old_column(name).written:
        return ""
    conversion = draft.conversions.get(name)
    value = _plain(conversion, col(name)) if conversion else col(name)
    return "" if "SELECT" in value else value


def _typed(draft: Draft, name: str, value: str) -> str:
    column = draft.old_column(name)
    typed = f"CAST({value} AS {column.type})"
    return f"({typed} COLLATE {column.collation})" if column.collation else typed


def _indexed(table: Table) -> Iterator[tuple[str, ...]]:
    for index in table.indexes:
        if index.valid and index.whole and index.columns and all(index.columns) and "USING btree" in index.tail:
            yield index.columns
