"""`ecluse operations`: the vocabulary of migration files, out of the registry."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.render import human
from ecluse.errors import WrongUsage

if TYPE_CHECKING:
    from ecluse.operations.base import Operation


@click.command(cls=Command)
@click.argument("kind", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of migration files, for editors.")
@current
def operations(invocation: Invocation, kind: str | None, schema: bool) -> None:
    """List the operations, or explain the one of this KIND with its fields."""
    from ecluse.model.settings import did_you_mean
    from ecluse.operations.registry import OPERATIONS, json_schema

    if schema:
        from ecluse.cli.render.json import document

        click.echo(document(json_schema()))
        return
    if kind is None:
        invocation.show({"operations": [_entry(cls) for cls in OPERATIONS.values()]}, _list)
        return
    if kind not in OPERATIONS:
        raise WrongUsage(f"there is no operation '{kind}'{did_you_mean(kind, OPERATIONS)}", hint="ecluse operations")
    invocation.show(_entry(OPERATIONS[kind]), _one)


def _entry(cls: type[Operation]) -> dict[str, Any]:
    text = inspect.cleandoc(cls.__doc__ or "")
    properties = cls.model_json_schema()["properties"]
    fields = [
        {
            "name": field.alias or name,
            "required": field.is_required(),
            "default": None if field.is_required() else properties.get(field.alias or name, {}).get("default"),
            "description": field.description or "",
        }
        for name, field in cls.model_fields.items()
        if name != "kind"
    ]
    return {"kind": cls.kind_of(), "summary": text.splitlines()[0], "text": text, "fields": fields}


def _list(value: dict[str, Any]) -> Iterator[str]:
    yield from human.table([(human.heading(o["kind"]), o["summary"]) for o in value["operations"]], indent=0)


def _one(value: dict[str, Any]) -> Iterator[str]:
    yield human.heading(value["kind"])
    yield from human.indented(value["text"])
    yield ""
    rows = []
    for field in value["fields"]:
        default = field["default"]
        need = "required" if field["required"] else f"default {default!r}" if default not in (None, "", [], {}) else ""
        rows.append((field["name"], need, field["description"]))
    yield from human.table(rows)
