"""Every operation there is. To add one: its file, a line here, a scenario folder, and its page is generated."""

from __future__ import annotations

from typing import Any

from ecluse.operations.add_columns import AddColumns
from ecluse.operations.archive_table import ArchiveTable
from ecluse.operations.base import Operation
from ecluse.operations.convert_column import ConvertColumn
from ecluse.operations.create_enum import CreateEnum
from ecluse.operations.define import Define
from ecluse.operations.extend_enum import ExtendEnum
from ecluse.operations.generalize_table import GeneralizeTable
from ecluse.operations.import_users import ImportUsers
from ecluse.operations.link_rows import LinkRows
from ecluse.operations.merge_rows import MergeRows
from ecluse.operations.move_table import MoveTable
from ecluse.operations.publish_changes import PublishChanges
from ecluse.operations.remap_ids import RemapIds
from ecluse.operations.reshape_table import ReshapeTable
from ecluse.operations.secure_rows import SecureRows
from ecluse.operations.split_table import SplitTable
from ecluse.operations.sql import Sql

OPERATIONS: dict[str, type[Operation]] = {
    operation.kind_of(): operation
    for operation in (
        ConvertColumn,
        CreateEnum,
        ExtendEnum,
        ImportUsers,
        RemapIds,
        SplitTable,
        MergeRows,
        ReshapeTable,
        GeneralizeTable,
        LinkRows,
        MoveTable,
        AddColumns,
        Define,
        ArchiveTable,
        SecureRows,
        PublishChanges,
        Sql,
    )
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a migration file, for editors."""
    definitions: dict[str, Any] = {}
    choices = []
    for operation in OPERATIONS.values():
        schema = operation.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions[operation.__name__] = schema
        choices.append({"$ref": f"#/$defs/{operation.__name__}"})
    text = {"type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A migration of Écluse",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "operation"],
        "properties": {
            "name": {
                **text,
                "pattern": "^[a-z_][a-z0-9_]{0,39}$",
                "description": "Of the migration and of its runs; it becomes part of the names of schemas.",
            },
            "database": {**text, "default": "app", "description": "A database of ecluse.toml."},
            "description": {**text, "description": "For people; `ecluse plan` shows it."},
            "drop": {"type": "array", "items": text, "description": "Dependents that are given up."},
            "old_shape_for": {
                "type": "array",
                "items": text,
                "description": "Roles that go on using the old shape after the switch, beside the new one.",
            },
            "operation": {
                "type": "array",
                "minItems": 1,
                "items": {"oneOf": choices},
                "description": "What is done, in order: each an `[[operation]]` with a `kind`, one of those below.",
            },
        },
        "$defs": definitions,
    }
