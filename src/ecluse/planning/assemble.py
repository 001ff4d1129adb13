"""From compiled changes and a catalogue to a plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ecluse.model.catalog import Catalog, Sequence, Table
from ecluse.model.flow import Flow, InputTable, Roster
from ecluse.model.names import Name
from ecluse.model.plan import AddColumns, Archive, Change, Define, Drop, Enum, Hazard, Move, Plan, SqlChange
from ecluse.planning import dependents
from ecluse.planning.dependents import Inventory
from ecluse.planning.fingerprint import fingerprint
from ecluse.planning.foreign_keys import foreign_keys, outside_keys
from ecluse.planning.hazards import activity_hazards, client_hazards, flow_hazards, table_hazards, trigger_hazards
from ecluse.planning.moves import move_hazards, with_dependents
from ecluse.planning.old_shape.findings import findings


def assemble(
    migration: str,
    changes: Iterable[Change],
    catalog: Catalog,
    found: Iterable[Hazard] = (),
    source: str = "",
    origins: Mapping[str, Catalog] | None = None,
    old_shape_for: tuple[str, ...] = (),
) -> Plan:
    """The plan for these changes on this database. `source` is the migration's digest, part of the fingerprint.

    `origins` has the catalogues of the databases from which tables move here.
    """
    changes = tuple(changes)
    moves = with_dependents((c for c in changes if isinstance(c, Move)), origins or {})
    flows = tuple(c for c in changes if isinstance(c, Flow))
    archives = tuple(catalog.tables[c.table] for c in changes if isinstance(c, Archive))
    defines = tuple(c for c in changes if isinstance(c, Define))
    added = tuple(c for c in changes if isinstance(c, AddColumns))
    old = {m.table.name: m.table for f in flows for m in f.old.members} | {t.name: t for t in archives}
    builds = (*flows, *(move.flow for move in moves))
    new = {m.table.name: m.table for f in builds for m in f.new.members if m.placed}
    scripts = tuple(c for c in changes if isinstance(c, SqlChange))
    watched = {t.name: t for script in scripts for t in script.tables} | old
    inventory = _inventory(changes, catalog, old, new, found)
    moved = dependents.moved(inventory, defines)
    away = {m.signature for m in moved}
    dependents.callers(inventory, (f for f in catalog.functions if f.signature in away))
    left = [move.old.table for move in moves]
    enums = tuple(c for c in changes if isinstance(c, Enum))
    keys, outside = foreign_keys(inventory), outside_keys(inventory)
    plan = Plan(
        migration=migration,
        database=catalog.database,
        source=source,
        fingerprint=fingerprint(
            source, (*watched.values(), *left), inventory.moved_views, inventory.functions, outside, enums
        ),
        server_version=catalog.server_version,
        flows=flows,
        moves=moves,
        inputs=tuple(c for c in changes if isinstance(c, InputTable)),
        rosters=tuple(c for c in changes if isinstance(c, Roster)),
        enums=enums,
        defines=defines,
        scripts=scripts,
        archives=archives,
        added=added,
        views=tuple(inventory.carried_views),
        functions=tuple(inventory.functions),
        moved=moved,
        foreign_keys=keys,
        outside_keys=outside,
        unpublished=tuple((t.name, p) for t in old.values() for p in t.published),
        hazards=(*_hazards(inventory, flows, added, defines), *move_hazards(moves, origins or {})),
        dependents=tuple(d for d in catalog.dependents if d.table in old),
        default_grantees=catalog.default_grantees,
        everything_published=any(p.all_tables for p in catalog.publications),
        prebuilt=dependents.prebuilt(inventory),
        late_functions=tuple(inventory.late_functions),
        sequences=tuple(_identities(catalog, new)),
        old_shape_for=old_shape_for,
    )
    return replace(plan, hazards=(*plan.hazards, *findings(plan, catalog))) if old_shape_for else plan


def _identities(catalog: Catalog, new: Mapping[Name, Table]) -> Iterator[Sequence]:
    """The sequences of identity columns that a new table takes over from the one that it replaces."""
    for table in new.values():
        for column in table.columns:
            found = catalog.sequence_details.get(column.sequence) if column.identity and column.sequence else None
            if found:
                yield found


def _inventory(
    changes: tuple[Change, ...],
    catalog: Catalog,
    old: Mapping[Name, Table],
    new: Mapping[Name, Table],
    found: Iterable[Hazard],
) -> Inventory:
    redefined = {o.name for c in changes if isinstance(c, Define) for o in c.objects if o.kind != "trigger"}
    dropped = {c.object for c in changes if isinstance(c, Drop)}
    successors = {
        flow.old.anchor.table.name: (flow.new.anchor.table.name, dict(flow.same))
        for flow in changes
        if isinstance(flow, Flow) and flow.same
    }
    inventory = Inventory(catalog, old, new, frozenset(redefined | dropped), successors, list(found))
    dependents.views(inventory)
    dependents.functions(inventory)
    dependents.others(inventory)
    return inventory


def _hazards(
    inventory: Inventory, flows: tuple[Flow, ...], added: tuple[AddColumns, ...], defines: tuple[Define, ...]
) -> Iterator[Hazard]:
    catalog = inventory.catalog
    altered = [catalog.tables[a.table] for a in added if a.table in catalog.tables]
    yield from inventory.hazards
    yield from table_hazards(catalog, [*inventory.old.values(), *altered])
    yield from trigger_hazards(inventory.old, inventory.new, defines)
    yield from flow_hazards(flows)
    yield from client_hazards(flows)
    yield from activity_hazards(catalog)
    yield from dependents.new_names_taken(inventory)
    yield from dependents.mentions(inventory)
