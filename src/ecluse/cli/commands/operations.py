"""`ecluse operations`: the vocabulary of migration files, out of the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.render import human
from ecluse.errors import WrongUsage

if TYPE_CHECKING:
    from ecluse.operations.base import Operation
    from ecluse.operations.manual import Section


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
    from ecluse.operations.manual import manual

    own, *inside = manual(cls)
    sections = [{"header": each.header, "text": each.text, "fields": _fields(each)} for each in inside]
    summary = own.text.splitlines()[0]
    return {"kind": cls.kind_of(), "summary": summary, "text": own.text, "fields": _fields(own), "tables": sections}


def _fields(section: Section) -> list[dict[str, Any]]:
    return [asdict(field) for field in section.fields]


def _list(value: dict[str, Any]) -> Iterator[str]:
    yield from human.table([(human.heading(o["kind"]), o["summary"]) for o in value["operations"]], indent=0)


def _one(value: dict[str, Any]) -> Iterator[str]:
    yield human.heading(value["kind"])
    yield from human.indented(value["text"])
    yield ""
    yield from human.table(_rows(value["fields"]))
    for table in value["tables"]:
        yield ""
        yield human.heading(table["header"])
        yield from human.indented(table["text"])
        yield ""
        yield from human.table(_rows(table["fields"]))


def _rows(fields: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    rows = []
    for field in fields:
        default = field["default"]
        need = "required" if field["required"] else f"default {default!r}" if default not in (None, "", [], {}) else ""
        rows.append((field["name"], need, field["description"]))
    return rows
