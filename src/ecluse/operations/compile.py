"""A migration and a catalog make changes: the whole of the user's file, as the engine's values."""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.errors import EcluseError, OurBug
from ecluse.model.catalog import Catalog
from ecluse.model.migration import Migration
from ecluse.model.names import Name
from ecluse.model.plan import Change, Drop, Hazard
from ecluse.operations.assemble import assemble
from ecluse.operations.base import Operation
from ecluse.operations.reshape_table import check_templates
from ecluse.operations.work import CensusQuery, Work

__all__ = ["CensusQuery", "Compiled", "compile_migration"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a migration means on one catalog."""

    changes: tuple[Change, ...]
    hazards: tuple[Hazard, ...] = ()
    census_queries: tuple[CensusQuery, ...] = ()


def compile_migration(migration: Migration, catalog: Catalog) -> Compiled:
    """Compile all operations; those on one table become one flow.

    Errors of several operations are raised as the first of them, with all in its details.
    """
    work = Work(migration, catalog)
    errors: list[EcluseError] = []
    for operation in migration.operations:
        if not isinstance(operation, Operation):
            raise OurBug(f"'{operation.kind}' is not an operation that can be compiled")
        try:
            operation.compile(work)
        except OurBug:
            raise
        except EcluseError as error:
            errors.append(error)
    _raise(errors)
    check_templates(work)
    flows = assemble(work)
    drops = [Drop(Name.parse(text)) for text in migration.drop]
    return Compiled((*flows, *work.changes, *drops), tuple(work.hazards), tuple(work.census))


def _raise(errors: list[EcluseError]) -> None:
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1:
        others = "\n".join(error.message + (f" ({error.hint})" if error.hint else "") for error in errors[1:])
        raise type(first)(first.message, details=f"{first.details}\nalso:\n{others}".strip(), hint=first.hint)
    raise first
