"""A migration and a catalog make changes: the whole of the user's file, as the engine's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ecluse.errors import EcluseError, MigrationFileError, NotInDatabase, OurBug
from ecluse.model.catalog import Catalog
from ecluse.model.flow import Flow
from ecluse.model.migration import Migration
from ecluse.model.names import Name
from ecluse.model.plan import AddColumns, Archive, Change, Drop, Hazard, Move
from ecluse.operations.assemble import assemble
from ecluse.operations.base import Operation
from ecluse.operations.reshape_table import check_templates
from ecluse.operations.work import ONE_AFTER_THE_OTHER, CensusQuery, Findings, RowCounts, Work, nearest

__all__ = ["CensusQuery", "Compiled", "Findings", "RowCounts", "compile_migration"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a migration means on one catalog."""

    changes: tuple[Change, ...]
    hazards: tuple[Hazard, ...] = ()
    census_queries: tuple[CensusQuery, ...] = ()
    row_counts: tuple[RowCounts, ...] = ()
    findings: tuple[Findings, ...] = ()
    setup: tuple[str, ...] = ()  # statements that census queries and findings need before them


def compile_migration(migration: Migration, catalog: Catalog, origins: Mapping[str, Catalog] | None = None) -> Compiled:
    """Compile all operations; those on one table become one flow. `origins` has the catalogues of other databases.

    Errors of several operations are raised as the first of them, with all in its details.
    """
    work = Work(migration, catalog, origins or {})
    errors: list[EcluseError] = []
    for operation in migration.operations:
        if not isinstance(operation, Operation):
            raise OurBug(f"'{operation.kind}' is not an operation that can be compiled")
        _try(partial(operation.compile, work), errors)
    _raise(errors)
    for asked in work.afterwards:
        _try(asked, errors)
    _raise(errors)
    check_templates(work)
    drops = _drops(migration, catalog)
    changes = (*work.first, *assemble(work), *work.changes, *drops)
    _check_alone(work, changes)
    return Compiled(
        changes,
        tuple(work.hazards),
        tuple(work.census),
        tuple(work.row_counts),
        tuple(work.findings),
        tuple(work.setup),
    )


def origins_of(migration: Migration) -> tuple[str, ...]:
    """The other databases that a migration reads. Raises MigrationFileError where one is its own."""
    named = [(o, name) for o in migration.operations if isinstance(o, Operation) for name in o.origins()]
    for operation, name in named:
        if name == migration.database:
            line = migration.source.line(("operation", operation.index, "from"))
            raise MigrationFileError(
                f"{migration.source.file}, line {line}: '{name}' is the database that this migration changes",
                hint="`from` is the database where the table is today; `database` at the top is where it goes",
            )
    return tuple(dict.fromkeys(name for _, name in named))


def _drops(migration: Migration, catalog: Catalog) -> list[Drop]:
    known = [*catalog.views, *(function.name for function in catalog.functions)]
    place = f"{migration.source.file}, line {migration.source.line(('drop',))}"
    drops = []
    for text in migration.drop:
        try:
            name = Name.parse(text)
        except ValueError:
            raise MigrationFileError(f"{place}: '{text}' is not a name", hint='drop = ["public.some_view"]') from None
        if name not in known:
            hint = nearest(str(name), (str(other) for other in known))
            raise NotInDatabase(f"{place}: there is no view or function '{name}'", hint=hint)
        drops.append(Drop(name))
    return drops


def _check_alone(work: Work, changes: tuple[Change, ...]) -> None:
    """One table has one fate: two flows that both replace it would each undo the other."""
    fates: dict[Name, int] = {}
    made: dict[Name, int] = {}
    for change in changes:
        match change:
            case Flow():
                tables = [member.table.name for member in change.old.members]
                for member in (m for m in change.new.members if m.role != "joins"):
                    made[member.table.name] = made.get(member.table.name, 0) + 1
            case Move():
                made[change.new.table.name] = made.get(change.new.table.name, 0) + 1
                continue
            case Archive() | AddColumns():
                tables = [change.table]
            case _:
                continue
        for name in tables:
            fates[name] = fates.get(name, 0) + 1
    for name, count in (*fates.items(), *made.items()):
        if count > 1:
            work.hazard(
                "changed-twice",
                "refuse",
                name,
                f"two operations that cannot be joined change or make '{name}'",
                ONE_AFTER_THE_OTHER,
            )
    for name in made:
        if name in work.catalog.tables and name not in fates:
            work.hazard("table-exists", "refuse", name, f"there is a table '{name}' already, and it is no part of this")


def _try(compile_one: Callable[[], None], errors: list[EcluseError]) -> None:
    try:
        compile_one()
    except OurBug:
        raise
    except EcluseError as error:
        errors.append(error)


def _raise(errors: list[EcluseError]) -> None:
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1:
        others = "\n".join(error.message + (f" ({error.hint})" if error.hint else "") for error in errors[1:])
        raise type(first)(first.message, details=f"{first.details}\nalso:\n{others}".strip(), hint=first.hint)
    raise first
