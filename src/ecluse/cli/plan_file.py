"""A plan in a file: what `plan --save` writes and `apply --plan` reads."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ecluse.errors import MigrationFileError
from ecluse.model.plan import Plan

_plans: TypeAdapter[Plan] = TypeAdapter(Plan)


def write_plan(plan: Plan, file: Path) -> None:
    """Write it for the owner only: the rows of an id map are in it."""
    file.touch(mode=0o600)
    file.write_bytes(_plans.dump_json(plan, indent=1) + b"\n")


def read_plan(file: Path) -> Plan:
    """The plan in a file."""
    try:
        return _plans.validate_json(file.read_bytes())
    except OSError as error:
        raise MigrationFileError(f"cannot read the plan '{file}': {error.strerror}") from error
    except ValidationError:
        # From None: the text of the original error quotes the file.
        raise MigrationFileError(
            f"'{file}' holds no plan of this version", hint="make it anew with `ecluse plan MIGRATION --save FILE`"
        ) from None
