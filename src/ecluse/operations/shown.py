"""The old rows of a draft for views: a look-up by an old key, or by a reference, must reach an index. Pure.

What a value was is told by the value alone, but for the few whose old text stands aside. So the rows are shown in
parts: those of which nothing stands aside, whose old values are expressions that can be indexed, and the others, that
begin with what stands aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecluse.model.catalog import Table
from ecluse.model.flow import Shown
from ecluse.model.names import Name, ident, literal
from ecluse.operations.draft import Conversion, Draft
from ecluse.operations.inside import Documents, Elements
from ecluse.operations.rules import Lookup, cast, col


def shown(drafts: Mapping[Name, Draft], draft: Draft, source: str) -> Shown | None:
    """None where nothing of the draft stands aside, so that its `select` is as good, or where it cannot be known."""
    asides = list(_asides(drafts, draft))
    if not asides or any(_looks_inside(conversion) for conversion in draft.conversions.values()):
        return None
    at_home = list(draft.at_home)
    selects = [_select(draft, source, _plain(draft), [*at_home, *(f"NOT {each}" for each in asides)])]
    general = {name: draft.inverse(name, dict(drafts)) for name in draft.table.written}
    for position, aside in enumerate(asides):
        others = [f"NOT {each}" for each in asides[:position]]
        if position == 0 and draft.has_residue:
            joined = f"{source}\nJOIN {{{{{draft.aside}}}}} r ON {_own(draft, 'r')}"
            selects.append(_select(draft, joined, general | _by_residue(draft, drafts), at_home))
        else:
            without = {name: _without_residue(drafts, draft, name) for name in draft.table.written}
            selects.append(_select(draft, source, without, [*at_home, *others, aside]))
    return Shown(
        tuple(selects),
        _even(drafts, draft, source),
        tuple(dict.fromkeys(_odd(drafts, draft))),
        tuple(dict.fromkeys(_sought(drafts, draft))),
    )


def _looks_inside(conversion: Conversion) -> bool:
    """Whether texts within a document are looked up in what stands aside of others: no column tells of which."""
    return isinstance(conversion.rule, Documents) and any(inside.lookups for inside in conversion.rule.insides)


def _even(drafts: Mapping[Name, Draft], draft: Draft, source: str) -> str:
    """All rows, where no converted value has an old text aside; what left may have."""
    items = {
        name: _value(draft, name) if name in draft.conversions else draft.inverse(name, dict(drafts))
        for name in draft.table.written
    }
    if draft.has_residue:
        source += f"\nLEFT JOIN {{{{{draft.aside}}}}} r ON {_own(draft, 'r')}"
    return _select(draft, source, items, list(draft.at_home))


def _odd(drafts: Mapping[Name, Draft], draft: Draft) -> Iterator[tuple[str, str, str]]:
    """Where an old text of a converted value may stand aside."""
    for name, conversion in draft.conversions.items():
        if draft.has_residue:
            yield draft.aside, draft.residue_name, name
        for lookup in conversion.lookups:
            parent = drafts[lookup.table]
            yield parent.aside, parent.residue_name, lookup.column


def _own(draft: Draft, alias: str) -> str:
    return " AND ".join(f"{col(name, alias)} = {col(name)}" for name in draft.key)


def _select(draft: Draft, source: str, items: Mapping[str, str], conditions: list[str]) -> str:
    listed = ",\n  ".join(f"{items[name]} AS {ident(name)}" for name in draft.table.written)
    return f"SELECT {listed}\nFROM {source}" + (f"\nWHERE {' AND '.join(conditions)}" if conditions else "")


def _asides(drafts: Mapping[Name, Draft], draft: Draft) -> Iterator[str]:
    """Conditions over the new row `m`, each true where something stands aside of it; its own residue comes first."""
    if draft.has_residue:
        yield f"EXISTS (SELECT FROM {{{{{draft.aside}}}}} e WHERE {_own(draft, 'e')})"
    for conversion in draft.conversions.values():
        for lookup in conversion.lookups:
            yield _told_above(drafts, conversion, lookup)


def _told_above(drafts: Mapping[Name, Draft], conversion: Conversion, lookup: Lookup) -> str:
    """Whether something stands aside of the row that is referred to."""
    parent = drafts[lookup.table]
    if lookup.soft:
        ((theirs, _),) = lookup.pairs
        ours = col(conversion.column.name)
        on = f"{col(theirs, 'e')} = {f'ANY ({ours})' if isinstance(conversion.rule, Elements) else ours}"
    else:
        on = " AND ".join(f"{col(theirs, 'e')} = {col(ours)}" for theirs, ours in lookup.pairs)
    told = f"e.{parent.residue_name} ? {literal(lookup.column)}"
    return f"EXISTS (SELECT FROM {{{{{parent.aside}}}}} e WHERE {on} AND {told})"


def _plain(draft: Draft) -> dict[str, str]:
    """Each old column where nothing stands aside."""
    return {name: _value(draft, name) for name in draft.table.written}


def _value(draft: Draft, name: str) -> str:
    if name in draft.backs:
        return draft.backs[name]
    if name in draft.conversions:
        conversion = draft.conversions[name]
        type_ = conversion.column.type
        return conversion.rule.usual(col(name), type_, [], lambda lookup, value: "NULL")
    if name in draft.derived:
        return draft.derived[name].now
    if name in draft.leaving:
        return draft.fallback(name) or f"NULL::{draft.old_column(name).type}"
    return col(name)


def _without_residue(drafts: Mapping[Name, Draft], draft: Draft, name: str) -> str:
    """An old column of a row of which nothing of its own stands aside, but of one that it refers to."""
    if name in draft.conversions and name not in draft.backs:
        return draft.usual(draft.conversions[name], dict(drafts))
    return _value(draft, name)


def _by_residue(draft: Draft, drafts: Mapping[Name, Draft]) -> dict[str, str]:
    """The key of a row, told by what stands aside alone, so that an index on that can answer."""
    return {name: text for name in draft.key if (text := _key_aside(draft, drafts, name, "r"))}


def _key_aside(draft: Draft, drafts: Mapping[Name, Draft], name: str, row: str) -> str:
    conversion = draft.conversions.get(name)
    if conversion is None or name in draft.backs or conversion.lookups:
        return ""
    type_ = conversion.column.type
    old = f"{row}.{draft.residue_name}"
    usual = conversion.rule.usual(col(name, row), type_, [], lambda lookup, value: "NULL")
    if "SELECT" in usual:
        return ""
    return f"CASE WHEN {old} ? {literal(name)} THEN {cast(f'({old}->>{literal(name)})', type_)} ELSE {usual} END"


# --- indexes ----------------------------------------------------------------------------------------


def _sought(drafts: Mapping[Name, Draft], draft: Draft) -> Iterator[tuple[str, tuple[str, ...]]]:
    """For each index of the old table that has a converted column, one on what that column was."""
    for columns in _indexed(draft.table):
        values = [_value(draft, name) if draft.old_column(name).written else "" for name in columns]
        if any(not text or "SELECT" in text for text in values):
            continue
        if any(name in draft.conversions for name in columns):
            yield draft.new, tuple(_typed(draft, n, t) for n, t in zip(columns, values, strict=True))
    if len(draft.key) == 1 and draft.has_residue:
        (name,) = draft.key
        if text := _key_aside(draft, drafts, name, "m"):
            yield draft.aside, (_typed(draft, name, text),)


def _typed(draft: Draft, name: str, value: str) -> str:
    column = draft.old_column(name)
    typed = f"CAST({value} AS {column.type})"
    return f"({typed} COLLATE {column.collation})" if column.collation else typed


def _indexed(table: Table) -> Iterator[tuple[str, ...]]:
    for index in table.indexes:
        if index.valid and index.whole and index.columns and all(index.columns) and "USING btree" in index.tail:
            yield index.columns
