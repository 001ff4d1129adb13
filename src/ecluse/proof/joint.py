"""Both directions of a 1:1 flow proved with one scan of each side.

The old side yields, for each of its rows, the row and what the mapping makes of it; the new side, for each of its
rows, what the inverse makes of it and the row. Where these two sets of double rows are equal, so are their halves:
the new rows are the mapping of the old ones, and the old rows the inverse of the new ones. A row that maps to
nothing keeps its place with a mark that no row of the other side bears. A row that maps to two would be there
twice, on both sides perhaps, so each side's own rows are counted apart, and the counts must agree.

A column that the mapping hands on as it is appears once. Should the mapping say something else of it after all,
the comparison would fail, or the values are the same on both sides nevertheless.

This says only whether a flow holds; what does not is proved again, pair by pair, to tell which rows differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecluse.model.flow import Flow, Member, Side
from ecluse.model.names import ident
from ecluse.model.report import Comparison
from ecluse.planning import flow_sql
from ecluse.planning.carried import carried, keeps_rows, reads_once
from ecluse.proof.compare import Pair, Relation, compare_all
from ecluse.proof.pairs import Scope, cuts, pairs
from ecluse.proof.readers import Progress, Readers, run_all

_MOST_COLUMNS = 1_000  # of a row; a server takes 1,664 in a select list


@dataclass(frozen=True, slots=True)
class _Item:
    """A column of the double row: what it is on the old side and on the new one, over `o` (own) and `n` (mapped)."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Joint:
    """The proof of one flow: the double rows, the aside tables, and each side's own rows to be counted."""

    rows: Pair
    asides: tuple[Pair, ...]
    own: tuple[tuple[str, ...], tuple[str, ...]]


def prove(
    flows: Sequence[Flow],
    scopes: dict[str, Scope],
    readers: Readers,
    right: Readers | None = None,
    *,
    show_values: bool = False,
    progress: Progress | None = None,
) -> tuple[Comparison, ...]:
    """All comparisons of all flows; the fast way first, and a flow that does not hold once more in detail.

    `right` reads the new sides where the old ones are in another database.
    """
    right = right or readers
    joints = {flow.name: joint(flow, scopes[flow.name]) for flow in flows}
    wanted = {flow.name: _wanted(joints[flow.name], flow, scopes[flow.name]) for flow in flows}
    first = iter(
        compare_all([p for some in wanted.values() for p in some], readers, right, progress=progress, narrow=False)
    )
    counts = _own_rows(joints, (readers, right))
    found: list[Comparison] = []
    for flow in flows:
        mine = [next(first) for _ in wanted[flow.name]]
        fast = joints[flow.name]
        if not all(c.equal for c in mine) or (fast and counts[flow.name] != (mine[0].left_rows, mine[0].right_rows)):
            mine = list(compare_all(pairs(flow, scopes[flow.name]), readers, right, show_values=show_values))
        elif fast:
            mine = [*_two(flow, mine[0]), *mine[1:]]
        found += mine
    return tuple(found)


def _wanted(fast: Joint | None, flow: Flow, scope: Scope) -> list[Pair]:
    return [fast.rows, *fast.asides] if fast else pairs(flow, scope)


def _own_rows(joints: dict[str, Joint | None], both: tuple[Readers, Readers]) -> dict[str, tuple[int, int]]:
    """The rows of each side: as many as double rows, unless one was doubled by its mapping."""
    asked: dict[Readers, list[tuple[str, int, str]]] = {readers: [] for readers in both}
    for name, fast in joints.items():
        for side, readers in enumerate(both):
            asked[readers] += [(name, side, part) for part in (fast.own[side] if fast else ())]
    queries = {
        readers: [f"SELECT pg_catalog.count(*) FROM ({part}) AS p" for _, _, part in parts]
        for readers, parts in asked.items()
    }
    counts: Counter[tuple[str, int]] = Counter()
    for readers, answers in run_all(queries).items():
        for (name, side, _), rows in zip(asked[readers], answers, strict=True):
            counts[name, side] += int(rows[0][0])
    return {name: (counts[name, 0], counts[name, 1]) for name in joints}


def _two(flow: Flow, found: Comparison) -> tuple[Comparison, Comparison]:
    return found, replace(found, table=str(flow.old.anchor.table.name), direction="inverse", seconds=0.0)


def joint(flow: Flow, scope: Scope) -> Joint | None:
    """The double rows of a flow whose units are one row on either side; None for any other flow."""
    old, new = flow.old.anchor, flow.new.anchor
    asides = flow.new.satellites
    single = not (flow.old.several or flow.new.several or flow.old.satellites or any(m.role != "aside" for m in asides))
    lateral = reads_once(new.select, old.alias) and reads_once(old.select, new.alias)
    if not (single and lateral) or len(old.columns) + len(new.columns) > _MOST_COLUMNS:
        return None
    items = _items(old, new)
    columns = tuple(f"c{i}" for i in range(len(items)))
    mine = Relation(_parts(flow.old, new, [i.old for i in items], scope), columns)
    others = Relation(_parts(flow.new, old, [i.new for i in items], scope), columns)
    rows = Pair(str(new.table.name), "forward", mine, others, pending=len(scope.pending))
    # The aside tables hold few rows; with their columns in the double row it would take twice as long.
    return Joint(rows, tuple(pairs(flow, scope)[1 : 1 + len(asides)]), (_own(flow.old, scope), _own(flow.new, scope)))


def _items(old: Member, new: Member) -> list[_Item]:
    same = carried(new.select) & carried(old.select) & set(old.columns) & set(new.columns)
    items = [_Item(f"o.{ident(c)}", f"o.{ident(c)}") for c in old.columns if c in same]
    items += [_Item(f"o.{ident(c)}", f"n.{ident(c)}") for c in old.columns if c not in same]
    items += [_Item(f"n.{ident(c)}", f"o.{ident(c)}") for c in new.columns if c not in same]
    return [*items, _Item("true", "n.ecluse_there"), _Item("n.ecluse_there", "true")]


def _parts(side: Side, other: Member, items: Sequence[str], scope: Scope) -> tuple[str, ...]:
    """The double rows of a side, in parts."""
    outputs = ", ".join(f"{expression} AS c{i}" for i, expression in enumerate(items))
    query = flow_sql.mapped(other, side, scope.at, "(SELECT o.*)")
    lateral = f"LATERAL (SELECT q.*, true AS ecluse_there FROM ({query}) q) n"
    # What keeps every row can be flattened, so that what it looks up is joined once and not row by row. Were a row lost
    # all the same, there would be more of the side's own rows than of these.
    lateral = f"CROSS JOIN {lateral}" if keeps_rows(other.select) else f"LEFT JOIN {lateral} ON true"
    return tuple(f"SELECT {outputs} FROM ({part}) o {lateral}" for part in _own(side, scope))


def _own(side: Side, scope: Scope) -> tuple[str, ...]:
    """The rows of a side that can be carried, in parts."""
    cut = cuts(side, scope, joined=False)  # what is joined is looked up row by row
    return tuple(f"SELECT m.* FROM {flow_sql.rows_all(side.anchor, scope.at, each)} m" for each in cut)
