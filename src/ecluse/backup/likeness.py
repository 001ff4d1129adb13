"""Whether a restored database is built as the one that was backed up."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Catalog
from ecluse.planning.structure import difference

_OWN = ("owner", "grants")


def unlike(then: Catalog, now: Catalog, *, owners: bool = True) -> list[str]:
    """In words, what differs. `owners` is False where owners and rights were left out on purpose.

    Versions print definitions in different words, and have catalogue entries that others do not know: between two of
    them, it is asked which indexes, constraints, policies, triggers, views, functions there are, and not what they say.
    """
    if then.server_version // 10000 != now.server_version // 10000:
        before, after = set(_names(then)), set(_names(now))
        return [f"{name}: is missing" for name in sorted(before - after)] + [
            f"{name}: was not there" for name in sorted(after - before)
        ]
    return [
        str(found)
        for found in difference(then, now)
        # CREATE EXTENSION makes the version that the server has; it is told apart from a missing one.
        if not (found.kind == "extension" and "absent" not in (found.before, found.after))
        and (owners or not found.what.split(":")[-1].strip().startswith(_OWN))
    ]


def _names(catalog: Catalog) -> Iterator[str]:
    for name, table in catalog.tables.items():
        yield f"table {name} ({', '.join(column.name for column in table.columns)})"
        yield from (f"index {index.name} of {name}" for index in table.indexes)
        yield from (f"policy {policy.name} of {name}" for policy in table.policies)
        yield from (f"trigger {trigger.name} of {name}" for trigger in table.triggers)
        # NOT NULL is a constraint with a name since PostgreSQL 18 only.
        yield from (f"constraint {each.name} of {name}" for each in table.constraints if each.kind != "n")
    yield from (f"view {name}" for name in catalog.views)
    yield from (f"function {function.name}({function.arguments})" for function in catalog.functions)
    yield from (f"sequence {name}" for name in catalog.sequence_details)
    yield from (f"type {name} ({', '.join(labels)})" for name, labels in catalog.types.items())
    yield from (f"extension {name}" for name in catalog.extensions)
    yield from (f"schema {name}" for name in catalog.schemas)
    yield from (f"publication {publication.name}" for publication in catalog.publications)
