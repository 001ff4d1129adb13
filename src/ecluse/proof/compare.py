"""Compare sets of rows, given as queries, by checksum; where they differ, say which rows do.

The first pass takes one checksum of each side, in one scan of each query: relations that are parts of the same
queries share the scan, whatever columns they take. Only when a pair differs is it narrowed, with more scans.
The two sides never meet in SQL, so they can be on different servers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import psycopg

from ecluse.errors import OurBug
from ecluse.model.report import Comparison
from ecluse.postgres.connect import Session
from ecluse.postgres.failures import translate
from ecluse.proof.checksum import Projection, Sum, form, read_sums, sums_sql
from ecluse.proof.narrow import Located, Target, locate
from ecluse.proof.pins import assert_pinned
from ecluse.proof.readers import Connect, Progress, Readers, readers, run_all


@dataclass(frozen=True, slots=True)
class Relation:
    """One side: `parts` are queries, disjoint, that make up the whole; each yields `columns`, `key` and `when`.

    `key` is shown to tell which row differs; empty where there is none. `when` is a boolean column: rows for which
    it is not true do not belong to the relation (a part may serve several relations).
    """

    parts: tuple[str, ...]
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    when: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two relations that should hold the same rows. Columns are compared by position; `names` are for the report."""

    table: str
    direction: str
    left: Relation
    right: Relation
    names: tuple[str, ...] = ()
    pending: int = 0

    def __post_init__(self) -> None:
        if len({len(self.left.columns), len(self.right.columns), len(self.names or self.left.columns)}) != 1:
            raise OurBug(f"the two sides of the proof of '{self.table}' have different numbers of columns")
        if len(self.left.key) != len(self.right.key):
            raise OurBug(f"the two sides of the proof of '{self.table}' have different keys")


def compare(
    connect: Connect,
    pair: Pair,
    *,
    workers: int = 2,
    show_values: bool = False,
    limit: int = 20,
) -> Comparison:
    """Compare one pair within one database, at a snapshot of its own."""
    with readers(connect, workers) as both:
        return compare_all([pair], both, show_values=show_values, limit=limit)[0]


def compare_all(
    pairs: Sequence[Pair],
    left: Readers,
    right: Readers | None = None,
    *,
    show_values: bool = False,
    limit: int = 20,
    progress: Progress | None = None,
    narrow: bool = True,
) -> tuple[Comparison, ...]:
    """Compare pairs, all parts of all pairs spread over the readers; `right` where that side is in another database.

    Without `narrow` it is only told whether they are equal.
    """
    began = time.monotonic()
    right = right or left
    sides = [_sides(pair, left, right) for pair in pairs]
    sums = _sums([side for both in sides for side in both], progress)
    seconds = time.monotonic() - began
    found = []
    for pair, both in zip(pairs, sides, strict=True):
        here, there = sums[both[0]], sums[both[1]]
        located = Located()
        if here != there and narrow:
            began = time.monotonic()
            located = locate(*both, pair.names or pair.left.columns, show_values=show_values, limit=limit)
            seconds += time.monotonic() - began
        found.append(_comparison(pair, here, there, located, seconds))
    return tuple(found)


def sums_of(relations: Sequence[Relation], where: Readers, progress: Progress | None = None) -> tuple[Sum, ...]:
    """The checksum of each relation, all spread over the readers: to be compared with what is found elsewhere."""
    targets = [_target(each, where, types := _types(each, where), types) for each in relations]
    found = _sums(targets, progress)
    return tuple(found[target] for target in targets)


def compare_here(session: Session, pair: Pair, *, show_values: bool = False, limit: int = 20) -> Comparison:
    """Compare in the transaction that the session is in, with what it has written.

    Below REPEATABLE READ the rows must be locked, or what other sessions do meanwhile is reported as a difference.
    """
    assert_pinned(session)
    return compare_all([pair], Readers([session]), show_values=show_values, limit=limit)[0]


def quick_equal(session: Session, left: str, right: str, columns: Sequence[str]) -> bool:
    """Whether two queries yield the same rows in the transaction of the session, in one statement."""
    statement = equality_sql(session, left, right, columns)
    try:
        row = session.execute(statement.encode()).fetchone()
    except psycopg.Error as error:
        raise translate(error) from None
    return equal_sums(row)


def equality_sql(session: Session, left: str, right: str, columns: Sequence[str]) -> str:
    """The one statement of `quick_equal`, for whoever runs it often; `equal_sums` reads its row."""
    assert_pinned(session)
    only = Readers([session])
    here, there = (Relation((query,), tuple(columns)) for query in (left, right))
    targets = _sides(Pair("", "", here, there), only, only)
    one, other = (sums_sql(target.parts[0], (target.projection,)) for target in targets)
    return f"SELECT * FROM ({one}) AS l(a, b, c), ({other}) AS r(a, b, c)"


def equal_sums(row: tuple[Any, ...] | None) -> bool:
    """Whether the row of `equality_sql` says that both sides are the same."""
    first, second = read_sums(row or ())
    return first == second


def _sides(pair: Pair, left: Readers, right: Readers) -> tuple[Target, Target]:
    here, there = _types(pair.left, left), _types(pair.right, right)
    # A side without parts has no rows and no types; the other side's do.
    here, there = here or there, there or here
    return _target(pair.left, left, here, there), _target(pair.right, right, there, here)


def _target(relation: Relation, where: Readers, types: list[int], others: list[int]) -> Target:
    typed = zip(relation.columns, types, others, strict=False)
    forms = tuple(form(column, mine, other) for column, mine, other in typed)
    return Target(where, relation.parts, Projection(forms, relation.when), relation.columns, relation.key)


def _types(relation: Relation, where: Readers) -> list[int]:
    if not relation.parts or not relation.columns:
        return []
    types = where.types(relation.parts[0], relation.columns)
    return [types[column] for column in relation.columns]


def _sums(targets: Sequence[Target], progress: Progress | None) -> dict[Target, Sum]:
    """The checksum of each target; a query that several share is run once, and servers work at the same time."""
    found: dict[Target, Sum] = dict.fromkeys(targets, Sum())
    wanted: dict[Readers, dict[str, dict[Projection, list[Target]]]] = {}
    for target in found:
        for part in target.parts:
            shared = wanted.setdefault(target.readers, {}).setdefault(part, {})
            shared.setdefault(target.projection, []).append(target)
    queries = {server: [sums_sql(part, tuple(t)) for part, t in parts.items()] for server, parts in wanted.items()}
    for server, answers in run_all(queries, progress).items():
        for takers, rows in zip(wanted[server].values(), answers, strict=True):
            for total, owners in zip(read_sums(rows[0]), takers.values(), strict=True):
                for target in owners:
                    found[target] = reduce(add, (found[target], total))
    return found


def _comparison(pair: Pair, left: Sum, right: Sum, located: Located, seconds: float) -> Comparison:
    return Comparison(
        table=pair.table,
        direction=pair.direction,
        left_rows=left.rows,
        right_rows=right.rows,
        left_sum=left.hex,
        right_sum=right.hex,
        pending=pair.pending,
        differences=located.differences,
        more=located.more,
        seconds=round(seconds, 3),
    )
