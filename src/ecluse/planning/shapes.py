"""The shape before and the shape after, as a plan knows both: what it changes in the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ecluse.model.catalog import Catalog, Function, Role, Sequence, Table, View
from ecluse.model.plan import Plan, Structure
from ecluse.planning.key_text import same_words
from ecluse.planning.structure import ABSENT, PRESENT, Deviation, difference
from ecluse.planning.switch_sql import old_tables


def changes(plan: Plan) -> tuple[Deviation, ...]:
    """What differs in the catalogue between before the run and after its switch; nothing of what is only the engine's.

    Empty as well where the plan is of an earlier version, which promised nothing.
    """
    after = plan.structure
    if after is None:
        return ()
    ours = {plan.next_schema}
    tables = [same_words(table) for table in after.tables if table.name.schema not in ours]
    # A moved table leaves another database, and is new in this one.
    was = {table.name: same_words(table) for table in old_tables(plan)}
    parts = [part for part in after.parts if part.name not in was]
    stood = [_part_before(plan, part) for part in parts]
    before = _catalog([*was.values(), *stood], plan.views, plan.functions, after.sequences)
    now = _catalog([*tables, *map(same_words, parts)], after.views, after.functions, after.sequences)
    again = {str(moved.name) for moved in plan.moved if moved.kind not in ("table", "sequence")}
    spelled = (_spelled_out(each, before, now, again) for each in difference(_as_owned(before, now), now))
    found = (*spelled, *_moved_away(plan, after), *_enums(plan))
    return tuple(sorted(dict.fromkeys(each for each in found if each.what != "owner")))


def _spelled_out(found: Deviation, before: Catalog, now: Catalog, again: set[str]) -> Deviation:
    """Of a table that comes or goes, what its columns are; of what is defined anew, that it was there."""
    if found.before == ABSENT and not found.what and found.object.partition("(")[0] in again:
        return replace(found, before=PRESENT, after="defined anew")
    if found.kind != "table" or found.what:
        return found

    def columns(catalog: Catalog) -> str:
        table = next((t for t in catalog.tables.values() if str(t.name) == found.object), None)
        return ", ".join(f"{c.name} {c.type}" for c in table.columns) if table else ABSENT

    return replace(found, before=columns(before), after=columns(now))


def _part_before(plan: Plan, part: Table) -> Table:
    """Of a table that stays, what there was of the parts that the plan concerns: the keys that it makes anew."""
    keys = tuple(k.before for k in plan.outside_keys if k.table == part.name and k.before is not None)
    return same_words(Table(part.name, (), constraints=keys))


def _as_owned(before: Catalog, now: Catalog) -> Catalog:
    """Rights that were never changed read as the server spells them out: no change where only that differs."""
    tables = dict(before.tables)
    for name, table in before.tables.items():
        after = now.tables.get(name)
        if after is not None and not after.owner:
            tables[name] = replace(table, owner="", grants=tuple(g for g in table.grants if g.grantee != table.owner))
    return replace(before, tables=tables)


def _moved_away(plan: Plan, after: Structure) -> Iterator[Deviation]:
    """Views and functions that leave with the switch, and nothing of that name comes."""
    there = {v.name for v in (*after.views, *plan.views)} | {f.name for f in (*after.functions, *plan.functions)}
    for moved in plan.moved:
        if moved.kind not in ("table", "sequence") and moved.name not in there:
            yield Deviation(moved.kind, str(moved.name), "", PRESENT, ABSENT)


def _enums(plan: Plan) -> Iterator[Deviation]:
    for enum in plan.enums:
        if enum.made or enum.added:
            was = ", ".join(enum.found) if enum.found else ABSENT
            yield Deviation("type", str(enum.name), "", was, ", ".join(enum.labels))


def _catalog(
    tables: Iterable[Table], views: Iterable[View], functions: Iterable[Function], sequences: Iterable[Sequence]
) -> Catalog:
    return Catalog(
        "",
        0,
        Role("", superuser=False, bypass_rls=False),
        tables={table.name: table for table in tables},
        views={view.name: view for view in views},
        sequence_details={sequence.name: sequence for sequence in sequences},
        functions=tuple(functions),
    )
