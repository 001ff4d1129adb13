"""The files of recipes: SQL and TOML, in which `@{name}` stands for a text that is put in."""

from __future__ import annotations

import re
from importlib.resources import files

_SLOT = re.compile(r"(?m)^(?P<indent> *)@\{(?P<block>\w+)\}$|@\{(?P<name>\w+)\}")


def text_of(package: str, path: str, **values: str) -> str:
    """A file of the recipe in that package with its slots filled. Raises KeyError for a slot without a value."""
    return fill(files(package).joinpath(path).read_text(encoding="utf-8"), values)


def fill(template: str, values: dict[str, str]) -> str:
    """A slot alone on its line takes several lines, indented as it is, or none at all."""

    def put(found: re.Match[str]) -> str:
        if found["name"]:
            return values[found["name"]]
        lines = values[found["block"]].splitlines()
        return "\n".join(found["indent"] + line if line else "" for line in lines)

    return _SLOT.sub(put, template)
