"""Values as JSON. Everything that is printed, in either form, has passed through `plain`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from ecluse.model.names import Name


def plain(value: object) -> Any:
    """The value made of dicts, lists and scalars only."""
    if isinstance(value, Name):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def document(value: object) -> str:
    """One document, for a reader."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def line(value: object) -> str:
    """One object on one line, for a stream."""
    return json.dumps(plain(value), ensure_ascii=False)
