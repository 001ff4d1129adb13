"""What `create_enum` and `extend_enum` have in common: the name of the type, its labels, the columns that have it."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Catalog
from ecluse.model.migration import OperationSettings
from ecluse.model.names import Name
from ecluse.model.plan import Enum, EnumColumn
from ecluse.operations.work import ONE_AFTER_THE_OTHER, Work

_MOST_BYTES = 63


def enum_name(work: Work, operation: OperationSettings, text: str) -> Name:
    """The name of an enum, which must say its schema: nobody's search_path decides where a type is made."""
    try:
        name = Name.parse(text, default_schema="")
    except ValueError:
        raise work.wrong(
            operation, f"'{text}' is not the name of a type", "name", hint='name = "public.some_type"'
        ) from None
    if not name.schema:
        raise work.wrong(operation, f"'{text}' has no schema", "name", hint=f'name = "public.{text}"')
    return name


def check_labels(work: Work, operation: OperationSettings, labels: tuple[str, ...]) -> None:
    """Raise MigrationFileError for labels that no server takes."""
    for position, label in enumerate(labels):
        if not label or "\0" in label:
            raise work.wrong(operation, "a label is empty", "labels", position)
        if len(label.encode()) > _MOST_BYTES:
            raise work.wrong(operation, f"label '{label}' is longer than {_MOST_BYTES} bytes", "labels", position)
        if label in labels[:position]:
            raise work.wrong(operation, f"label '{label}' is there twice", "labels", position)


def settle(work: Work, enum: Enum) -> None:
    """Let the plan and the operations below know what becomes of the type."""
    if enum.name in work.enums:
        what = f"two operations make or extend '{enum.name}'"
        work.hazard("changed-twice", "refuse", enum.name, what, ONE_AFTER_THE_OTHER.partition(";")[0])
        return
    work.enums[enum.name] = enum.labels
    work.changes.append(enum)


def columns_of(catalog: Catalog, name: Name) -> Iterator[EnumColumn]:
    """The columns that have the type, or arrays of it; those that follow a parent's are part of that."""
    for table in catalog.tables.values():
        for column in table.columns:
            base = column.type.removesuffix("[]")
            if not table.inherits and _names(base, name):
                yield EnumColumn(table.name, column.name, base != column.type, column.default, table.size)


def _names(type_: str, name: Name) -> bool:
    """Whether a type as format_type() prints it is the one of that name; one without a schema is the system's."""
    try:
        return Name.parse(type_, default_schema="") == name
    except ValueError:
        return False
