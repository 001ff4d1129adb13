"""What is to be known of the real databases, read at their snapshots: the plan's fingerprint, sizes, references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg

from ecluse.engine import journal
from ecluse.errors import WrongState
from ecluse.model.catalog import Catalog, Table
from ecluse.model.flow import Flow
from ecluse.model.migration import Migration
from ecluse.model.names import Name
from ecluse.model.plan import Move, Plan
from ecluse.operations.compile import compile_migration
from ecluse.operations.convert_column import ConvertColumn
from ecluse.operations.generalize_table import GeneralizeTable
from ecluse.operations.import_users import ImportUsers
from ecluse.operations.link_rows import LinkRows
from ecluse.operations.remap_ids import RemapIds
from ecluse.planning.assemble import assemble
from ecluse.postgres.copies.sample import Reference, Sample, foreign_keys
from ecluse.postgres.copies.source import Source
from ecluse.postgres.failures import translate

_NOTHING = "nothing was changed"


def planned_there(migration: Migration, sources: Mapping[str, Source]) -> Plan:
    """The plan as it is on the real database, from its catalogue alone: nothing is counted, and nothing tried there.

    Its fingerprint is that of `ecluse plan`. Raises WrongState where runs are unfinished.
    """
    main = sources[migration.database]
    _refuse_unfinished(main, migration.name)
    others = {name: source.catalog for name, source in sources.items() if name != migration.database}
    compiled = compile_migration(migration, main.catalog, others)
    return assemble(
        migration.name,
        compiled.changes,
        main.catalog,
        compiled.hazards,
        migration.digest,
        others,
        migration.old_shape_for,
    )


def _refuse_unfinished(source: Source, migration: str) -> None:
    try:
        runs = journal.runs(source.conn)
    except psycopg.Error as error:
        raise translate(error, _NOTHING) from None
    begun = next((run for run in runs if run.unfinished), None)
    if begun is not None:
        raise WrongState(
            f"'{begun.migration}' has a run that is '{begun.status}': a rehearsal begins where nothing has begun",
            hint=f"ecluse finish {begun.migration}, or ecluse rollback {begun.migration}",
            state=_NOTHING,
        )
    if any(run.migration == migration and run.status == "finished" for run in runs):
        raise WrongState(
            f"'{migration}' is finished: there is nothing to rehearse", hint="ecluse status", state=_NOTHING
        )


def old_tables(plan: Plan) -> list[Table]:
    """The tables that the plan reads, those of its origins too."""
    found = [member.table for flow in plan.builds for member in flow.old.members] + list(plan.archives)
    return list({id(table): table for table in found}.values())


def sample_of(migration: Migration, name: str, source: Source, plan: Plan, percent: float, whole_below: int) -> Sample:
    """A sample of one database in which foreign keys hold, and the references that the migration itself declares."""
    tables = dict(source.catalog.tables)
    known = {name: table for name, table in tables.items() if table.kind in "rp" and not table.extension}
    soft = [r for r in _declared(migration) if _stands(r, known)] if name == migration.database else []
    return Sample(known, (*foreign_keys(known), *soft), percent, _together(plan, source.catalog), whole_below)


def _together(plan: Plan, catalog: Catalog) -> dict[Name, str]:
    """Tables whose units are several rows, which a sample must not part."""
    flows: list[Flow] = [*plan.flows, *(move.flow for move in plan.moves if isinstance(move, Move))]
    return {
        flow.old.anchor.table.name: flow.old.unit
        for flow in flows
        if flow.old.several and flow.old.anchor.table.name in catalog.tables and "{{" not in flow.old.unit
    }


def _declared(migration: Migration) -> Iterator[Reference]:
    users = next((o for o in migration.operations if isinstance(o, ImportUsers)), None)
    generalised = {o.into: o.table for o in migration.operations if isinstance(o, GeneralizeTable)}
    for operation in migration.operations:
        match operation:
            case ConvertColumn():
                for one in operation.references:
                    if not one.path:
                        yield from _reference(one.table, one.column, operation.table, operation.column)
            case LinkRows():
                for ours, theirs in operation.match.items():
                    parent = generalised.get(operation.references, operation.references)
                    yield from _reference(operation.table, ours, parent, theirs)
            case RemapIds() if users is not None and operation.users:
                for column in operation.columns:
                    if not column.path:
                        yield from _reference(column.table, column.column, users.table, users.id or "id")


def _reference(table: str, column: str, parent: str, key: str) -> Iterator[Reference]:
    try:
        yield Reference(Name.parse(table), (column,), Name.parse(parent), (key,), soft=True)
    except ValueError:
        return


def _stands(one: Reference, tables: Mapping[Name, Table]) -> bool:
    """Whether both are plain columns of tables that are there; an expression, or an array, is not followed."""
    child, parent = tables.get(one.child), tables.get(one.parent)
    if child is None or parent is None:
        return False
    ours, theirs = child.column(one.columns[0]), parent.column(one.referenced[0])
    return bool(ours and theirs) and not (ours and (ours.type.endswith("[]") or ours.type in ("json", "jsonb")))
