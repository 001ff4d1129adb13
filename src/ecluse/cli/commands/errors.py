"""`ecluse errors`: every error there is, out of the registry."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click

from ecluse.cli.invocation import Invocation
from ecluse.cli.options import Command, current
from ecluse.cli.render import human
from ecluse.errors import EcluseError, WrongUsage, all_errors


@click.command(cls=Command)
@click.argument("code", required=False)
@current
def errors(invocation: Invocation, code: str | None) -> None:
    """List the errors, or explain the one with this CODE."""
    listed = [_entry(cls) for cls in all_errors()]
    if code is not None:
        wanted = code.upper()
        listed = [e for e in listed if e["code"] == wanted]
        if not listed:
            raise _unknown(code)
    invocation.show({"errors": listed}, _lines)


def _entry(cls: type[EcluseError]) -> dict[str, Any]:
    meaning = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
    return {"code": cls.code, "name": cls.__name__, "exit_status": cls.exit_status, "meaning": meaning}


def _unknown(code: str) -> WrongUsage:
    if len(code) == 5:
        page = "https://www.postgresql.org/docs/current/errcodes-appendix.html"
        return WrongUsage(f"'{code}' is not a code of Écluse; it may be an SQLSTATE of PostgreSQL", hint=page)
    return WrongUsage(f"there is no error '{code}'", hint="ecluse errors")


def _lines(value: dict[str, Any]) -> Iterator[str]:
    rows = [(e["code"], f"exit {e['exit_status']}", e["meaning"]) for e in value["errors"]]
    yield from human.table(rows, indent=0)
