"""A table as it arrives in another database: what belongs to its own stays behind, and is told."""

from __future__ import annotations

from dataclasses import replace

from ecluse.model.catalog import Catalog, Column, Sequence, Table
from ecluse.model.names import Name
from ecluse.operations.work import Work, anonymous


def as_it_was(work: Work, origin: str, old: Table, name: Name) -> Table:
    """The table under its new name, without what refers to other objects of its old database."""
    keys = tuple(c for c in old.constraints if c.kind == "f")
    for key in keys:
        _behind(work, old, f"foreign key {key.name} to {key.references}", origin, "note")
    for trigger in old.triggers:
        _behind(work, old, f"trigger {trigger.name}", origin, "warn")
    for published in old.published:
        _behind(work, old, f"its place in publication {published.publication}", origin, "note")
    return replace(
        anonymous(old),
        name=name,
        columns=tuple(_column(column, work.origins[origin]) for column in old.columns),
        constraints=tuple(c for c in old.constraints if c not in keys),
        triggers=(),
        published=(),
        statistics=(),
        tablespace="",
        force_rls=False,
    )


def _behind(work: Work, old: Table, what: str, origin: str, level: str) -> None:
    hint = "make it here with a define operation in this migration" if level == "warn" else ""
    work.hazard("stays-behind", level, old.name, f"{what} of {old.name} stays in '{origin}'", hint)


def _column(column: Column, there: Catalog) -> Column:
    """A serial column becomes an identity column: its sequence is in the other database."""
    if column.sequence is None:
        return column
    if column.identity:
        return replace(column, sequence=None)
    was = there.sequence_details.get(column.sequence)
    return replace(column, default=None, identity="d", sequence=None, identity_options=_options(was) if was else "")


def _options(was: Sequence) -> str:
    said = {"INCREMENT BY": was.increment, "CACHE": was.cache}
    words = [f"{word} {number}" for word, number in said.items() if number != 1]
    return " ".join([*words, *(["CYCLE"] if was.cycle else [])])
