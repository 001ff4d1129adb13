"""The difference between two catalogs: what proves that a rollback left nothing behind, and a switch nothing out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ecluse.model.catalog import Catalog, Function, Grant
from ecluse.model.names import Name

# What changes by itself, or is another way to say what the definitions say already.
_MEASURED = frozenset({"oid", "filenode", "pages", "rows", "size", "children"})
# Parts that have an order in the catalog value and none in the database.
_NAMED_PARTS = {
    "columns": "column",
    "constraints": "constraint",
    "indexes": "index",
    "triggers": "trigger",
    "policies": "policy",
    "published": "publication",
    "rules": "rule",
    "rule_states": "state of rule",
    "statistics": "statistics",
    "column_comments": "comment of column",
    "column_defaults": "default of column",
}
_UNORDERED = frozenset({"options", "settings", "roles", "grants", "uses", "events"})
# What `before` and `after` say of a thing as a whole.
ABSENT, PRESENT = "absent", "present"


@dataclass(frozen=True, slots=True, order=True)
class Deviation:
    """One thing that differs. `before` or `after` is "absent" for what is on one side only."""

    kind: str  # table | view | function | sequence | publication | type | extension | schema
    object: str  # the name, as people read it
    what: str  # "" for the object itself, else "column user_id", "column user_id: type", "grants to anon", ...
    before: str
    after: str

    def __str__(self) -> str:
        subject = f"{self.kind} {self.object}" + (f", {self.what}" if self.what else "")
        if self.before == ABSENT:
            return f"{subject}: is new" + ("" if self.after == PRESENT else f" ({self.after})")
        if self.after == ABSENT:
            return f"{subject}: is gone" + ("" if self.before == PRESENT else f" (was {self.before})")
        return f"{subject}: was {self.before}, is {self.after}"


def difference(before: Catalog, after: Catalog) -> tuple[Deviation, ...]:
    """Everything that differs, sorted; empty when the databases are the same but for their data."""
    found = [
        *_objects("table", before.tables, after.tables),
        *_objects("view", before.views, after.views),
        *_objects("function", _by_signature(before), _by_signature(after)),
        *_objects("sequence", before.sequence_details, after.sequence_details),
        *_objects("publication", _publications(before), _publications(after)),
        *_values("type", before.types, after.types),
        *_values("extension", before.extensions, after.extensions),
        *_values("schema", dict.fromkeys(before.schemas, ""), dict.fromkeys(after.schemas, "")),
    ]
    return tuple(sorted(found))


def _by_signature(catalog: Catalog) -> dict[str, Function]:
    return {f"{function.name}({function.arguments})": function for function in catalog.functions}


def _publications(catalog: Catalog) -> dict[str, Any]:
    return {publication.name: publication for publication in catalog.publications}


def _objects(kind: str, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Iterable[Deviation]:
    for name in before.keys() | after.keys():
        left, right = before.get(name), after.get(name)
        if left is None or right is None:
            yield Deviation(kind, str(name), "", *_presence(left, right))
        else:
            for what, one, other in _fields(left, right):
                yield Deviation(kind, str(name), what, one, other)


def _values(kind: str, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Iterable[Deviation]:
    for name in before.keys() | after.keys():
        left, right = before.get(name), after.get(name)
        if left is None or right is None:
            yield Deviation(kind, str(name), "", *_presence(left, right))
        elif left != right:
            yield Deviation(kind, str(name), "", _text(left), _text(right))


def _presence(left: object, right: object) -> tuple[str, str]:
    return ABSENT if left is None else PRESENT, ABSENT if right is None else PRESENT


def _fields(left: Any, right: Any) -> Iterable[tuple[str, str, str]]:
    for field in fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if field.name in _MEASURED or one == other:
            continue
        if field.name == "grants":
            yield from _grants(one, other)
        elif field.name in _NAMED_PARTS and _is_keyed(one) and _is_keyed(other):
            yield from _parts(_NAMED_PARTS[field.name], one, other)
        elif field.name in _UNORDERED and sorted(one) == sorted(other):
            continue
        else:
            yield field.name.replace("_", " "), _text(one), _text(other)


def _is_keyed(parts: Any) -> bool:
    """Columns of a constraint or view are plain names; those of a table are values with a name."""
    return isinstance(parts, tuple) and not any(isinstance(part, str) for part in parts)


def _key(part: Any) -> str:
    if isinstance(part, tuple):
        return str(part[0])
    return str(part.publication if hasattr(part, "publication") else part.name)


def _parts(word: str, before: Sequence[Any], after: Sequence[Any]) -> Iterable[tuple[str, str, str]]:
    left, right = {_key(part): part for part in before}, {_key(part): part for part in after}
    for key in left.keys() | right.keys():
        one, other = left.get(key), right.get(key)
        what = f"{word} {key}"
        if one is None or other is None:
            yield what, ABSENT if one is None else _summary(one), ABSENT if other is None else _summary(other)
        elif isinstance(one, tuple):
            if one != other:
                yield what, _text(one[1]), _text(other[1])
        else:
            for inner, was, now in _fields(one, other):
                yield f"{what}: {inner}", was, now
    if word == "column":
        yield from _order([key for key in left if key in right], [key for key in right if key in left])


def _order(before: list[str], after: list[str]) -> Iterable[tuple[str, str, str]]:
    """Positions matter to `SELECT *`, COPY and row types."""
    if before != after:
        yield "order of columns", ", ".join(before), ", ".join(after)


def _grants(before: Sequence[Grant] | None, after: Sequence[Grant] | None) -> Iterable[tuple[str, str, str]]:
    if before is None or after is None:
        yield "grants", _rights(before), _rights(after)
        return
    bearers = {(grant.grantee, grant.column) for grant in (*before, *after)}
    for grantee, column in sorted(bearers):
        one, other = (
            _rights([g for g in side if (g.grantee, g.column) == (grantee, column)]) for side in (before, after)
        )
        if one != other:
            place = f" on column {column}" if column else ""
            yield f"grants to {grantee or 'PUBLIC'}{place}", one, other


def _rights(grants: Sequence[Grant] | None) -> str:
    if grants is None:
        return "the default ones"
    words = sorted((g.privilege or "all revoked") + (" with grant option" if g.grantable else "") for g in grants)
    return ", ".join(words) or ABSENT


def _summary(part: Any) -> str:
    for attribute in ("definition", "tail", "type", "command"):
        text = getattr(part, attribute, None)
        if isinstance(text, str):
            return text
    return _text(part[1]) if isinstance(part, tuple) else PRESENT


def _text(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Name) and isinstance(value[1], str):
        return f"{value[0]}.{value[1]}"  # the column that owns a sequence
    if isinstance(value, tuple):
        return "(" + ", ".join(_text(each) for each in value) + ")"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value) if value != "" else "none"
