"""The fingerprint of a plan: what it was made for, so that a changed database is noticed. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from ecluse.model.catalog import Function, Table, View
from ecluse.model.plan import Enum, ForeignKey

_VOLATILE = frozenset({"oid", "filenode", "pages", "rows", "size"})


def fingerprint(
    source: str,
    tables: Iterable[Table],
    views: Iterable[View],
    functions: Iterable[Function],
    outside: Iterable[ForeignKey],
    enums: Iterable[Enum] = (),
) -> str:
    """Twelve hex digits over the migration's digest and the definition of all that it touches; sizes do not count."""
    parts: list[object] = [source]
    parts += [_stable(asdict(t)) for t in sorted(tables, key=lambda table: table.name)]
    parts += [_stable(asdict(v)) for v in views] + [_stable(asdict(f)) for f in functions]
    parts += [_stable(asdict(k)) for k in outside]
    parts += [_stable(asdict(e)) for e in enums]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _stable(value: object) -> object:
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in _VOLATILE}
    if isinstance(value, list | tuple):
        return [_stable(v) for v in value]
    return value
