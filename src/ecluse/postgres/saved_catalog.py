"""A catalogue in a file, to be expected elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from ecluse.errors import ExpectationError
from ecluse.model.catalog import Catalog, Dependent, Function, Publication, Role, Sequence, Table, View
from ecluse.model.names import Name

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class _Saved:
    format: int
    server_version: int
    tables: tuple[Table, ...]
    views: tuple[View, ...]
    functions: tuple[Function, ...]
    publications: tuple[Publication, ...]
    sequences: tuple[Sequence, ...]
    types: tuple[tuple[Name, tuple[str, ...]], ...]
    extensions: dict[str, str]
    schemas: tuple[str, ...]
    dependents: tuple[Dependent, ...]
    function_dependents: tuple[Dependent, ...]


_saved = TypeAdapter(_Saved)


def save(catalog: Catalog) -> str:
    """The catalogue as JSON; definitions only, and nothing of any row."""
    value = _Saved(
        _FORMAT,
        catalog.server_version,
        tuple(catalog.tables.values()),
        tuple(catalog.views.values()),
        catalog.functions,
        catalog.publications,
        tuple(catalog.sequence_details.values()),
        tuple(catalog.types.items()),
        dict(catalog.extensions),
        catalog.schemas,
        catalog.dependents,
        catalog.function_dependents,
    )
    return _saved.dump_json(value, indent=1).decode() + "\n"


def load(text: str, name: str) -> Catalog:
    """The catalogue of a file that `save` wrote."""
    try:
        found = _saved.validate_json(text)
    except ValidationError as error:
        raise ExpectationError(
            f"{name} is not a saved catalogue", details=str(error.errors()[0]["msg"]), hint="ecluse inspect --save FILE"
        ) from None
    if found.format != _FORMAT:
        raise ExpectationError(f"{name} is of format {found.format}, and this version reads {_FORMAT}")
    return Catalog(
        "",
        found.server_version,
        Role("", superuser=False, bypass_rls=False),
        tables={table.name: table for table in found.tables},
        views={view.name: view for view in found.views},
        functions=found.functions,
        publications=found.publications,
        sequence_details={sequence.name: sequence for sequence in found.sequences},
        types=dict(found.types),
        extensions=found.extensions,
        schemas=found.schemas,
        dependents=found.dependents,
        function_dependents=found.function_dependents,
    )
