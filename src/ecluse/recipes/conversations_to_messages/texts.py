"""The SQL of this recipe."""

from __future__ import annotations

from ecluse.recipes.texts import text_of


def text(path: str, **values: str) -> str:
    """The file with its slots filled."""
    return text_of("ecluse.recipes.conversations_to_messages", path, **values)
