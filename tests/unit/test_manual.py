"""The manual reaches what stands inside operations."""

from __future__ import annotations

from ecluse.operations.manual import manual
from ecluse.operations.registry import OPERATIONS


def test_tables_inside_an_operation_are_explained() -> None:
    sections = {s.header: {f.name for f in s.fields} for s in manual(OPERATIONS["split_table"])}
    assert list(sections) == ["[[operation]]", "[[operation.into]]", "[[operation.into.rows]]"]
    assert sections["[[operation.into.rows]]"] == {"when", "values", "back"}


def test_tables_with_names_of_the_users_are_told_apart() -> None:
    headers = [section.header for section in manual(OPERATIONS["reshape_table"])]
    assert "[operation.columns.NAME]" in headers
    assert "[[operation.old.reject]]" in headers


def test_every_field_and_table_has_its_words() -> None:
    for kind, operation in OPERATIONS.items():
        for section in manual(operation):
            assert section.text, (kind, section.header)
            assert all(field.description for field in section.fields), (kind, section.header)
