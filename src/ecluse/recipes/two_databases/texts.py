"""The SQL and TOML of this recipe."""

from __future__ import annotations

from ecluse.recipes.texts import text_of


def text(path: str, **values: str) -> str:
    """The template with its slots filled."""
    return text_of("ecluse.recipes.two_databases", f"templates/{path}", **values)
