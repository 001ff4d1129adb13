"""The manual of an operation: its fields, and those of the tables inside it, out of the models. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from ecluse.operations.base import Operation


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """One field, as it is written in a migration file."""

    name: str
    required: bool
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class Section:
    """The fields of an operation, or of a table inside it. `header` is the line of TOML that opens it."""

    header: str
    text: str
    fields: tuple[FieldEntry, ...]


def manual(operation: type[Operation]) -> tuple[Section, ...]:
    """The operation itself first, then what it holds, the outer before the inner."""
    return tuple(_sections(operation, "[[operation]]", "operation"))


def _sections(model: type[BaseModel], header: str, path: str) -> Iterator[Section]:
    yield Section(header, inspect.cleandoc(model.__doc__ or ""), tuple(_fields(model)))
    for name, field in model.model_fields.items():
        inner = f"{path}.{field.alias or name}"
        for found, named in _models(field.annotation):
            opened = f"[{inner}.NAME]" if named else f"[[{inner}]]"
            yield from _sections(found, opened, f"{inner}.NAME" if named else inner)


def _fields(model: type[BaseModel]) -> Iterator[FieldEntry]:
    defaults = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        if name != "kind":
            word = field.alias or name
            default = None if field.is_required() else defaults.get(word, {}).get("default")
            yield FieldEntry(word, field.is_required(), default, field.description or "")


def _models(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    """The models in a type, each with whether it is the value of a table with names of the user's."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation, False
        return
    named = get_origin(annotation) in (dict, Mapping)
    for part in get_args(annotation):
        for model, inside in _models(part):
            yield model, named or inside
