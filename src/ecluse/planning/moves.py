"""What a table that moves to another database leaves behind, and what of that stands in the way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ecluse.model.catalog import Catalog
from ecluse.model.plan import Hazard, Move
from ecluse.planning.hazards import activity_hazards, captured_by_another, left_over_indexes, table_hazards

_OWN = frozenset({"constraint", "index", "trigger", "policy", "default", "statistics", "publication", "sequence"})


def with_dependents(moves: Iterable[Move], origins: Mapping[str, Catalog]) -> tuple[Move, ...]:
    """The moves, each with what hangs on its old table."""
    return tuple(
        replace(
            move,
            dependents=tuple(d for d in origins[move.origin].dependents if d.table == move.old.table.name),
        )
        for move in moves
    )


def move_hazards(moves: Iterable[Move], origins: Mapping[str, Catalog]) -> Iterator[Hazard]:
    """What the plan has to say of the old tables and of their databases."""
    moves = tuple(moves)
    for move in moves:
        there, old = origins[move.origin], move.old.table
        # It stays in its publications, where the note for a table that is replaced says that it leaves.
        yield from table_hazards(there, [replace(old, published=())])
        yield from captured_by_another(old, move.origin)
        yield from left_over_indexes(move.flow)
        yield from _referring(move, there)
        yield from _standing(move)
        yield Hazard(
            "origin-stays-readable",
            "note",
            str(old.name),
            f"from the switch on, {old.name} in '{move.origin}' refuses writes, and readers there see it as it was "
            "then; `finish` archives and drops it",
        )
    for name in dict.fromkeys(move.origin for move in moves):
        yield from (h for h in activity_hazards(origins[name]) if h.id != "publication-of-all-tables")


def _referring(move: Move, there: Catalog) -> Iterator[Hazard]:
    name = move.old.table.name
    for owner, key in there.referencing(name):
        if owner != name:
            yield Hazard(
                "referenced-table-moves",
                "refuse",
                str(owner),
                f"foreign key {key.name} of {owner} in '{move.origin}' points at {name}, which leaves that database",
                f"ALTER TABLE {owner.sql} DROP CONSTRAINT {key.name} in '{move.origin}', once the application can do "
                "without it",
            )


def _standing(move: Move) -> Iterator[Hazard]:
    for one in move.dependents:
        if one.kind in _OWN or (one.owner is not None and one.owner == move.old.table.name):
            continue
        yield Hazard(
            "dependent-of-moved",
            "refuse",
            one.object,
            f"{one.object} in '{move.origin}' stands on {move.old.table.name}: after the switch it would show what was",
            f"drop or change it in '{move.origin}' first; what it shows can be made here by a define operation",
        )
