"""Writing TOML for people to read: SQL stays as it is, one thing a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def string(text: str) -> str:
    """A string: as it is wherever TOML has a form for that."""
    if "\n" not in text and "\\" not in text and '"' not in text:
        return f'"{text}"'
    if "\n" not in text and "'" not in text:
        return f"'{text}'"
    if "'''" not in text and not text.endswith("'"):
        return f"'''{text}'''"
    return json.dumps(text, ensure_ascii=False)


def strings(texts: Sequence[str]) -> str:
    """An array; on several lines where it is long."""
    inline = f"[{', '.join(string(t) for t in texts)}]"
    if len(inline) <= 100:
        return inline
    return "[\n" + "".join(f"  {string(t)},\n" for t in texts) + "]"


def table(header: str, pairs: Mapping[str, str]) -> str:
    """A table of strings under its own header."""
    lines = [f"[{header}]", *(f"{key(name)} = {string(text)}" for name, text in pairs.items())]
    return "\n".join(lines)


def key(name: str) -> str:
    """A key, bare where that is allowed."""
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)
