"""What a flow has to prove, as pairs of relations: forward and inverse, with pending units left out on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecluse.model.flow import Flow, Member, Side, fill
from ecluse.model.names import literal
from ecluse.planning import flow_sql
from ecluse.planning.flow_sql import Places
from ecluse.planning.pages import page_range, ranges
from ecluse.proof.compare import Pair, Relation


@dataclass(frozen=True, slots=True)
class Scope:
    """Where and over what to prove: the places, the units to leave out, the size of each member in pages."""

    at: Places
    pending: tuple[str, ...]
    pages: Mapping[str, int]
    workers: int
    switched: bool = False

    @property
    def unit_array(self) -> str:
        """The pending units as an array."""
        return f"ARRAY[{', '.join(literal(unit) for unit in self.pending)}]::text[]"

    @property
    def units(self) -> str:
        """The pending units as a relation `u(unit)`."""
        return f"unnest({self.unit_array}) u(unit)"


def pairs(flow: Flow, scope: Scope) -> list[Pair]:
    """Every new member against the mapping of the old side, every old member against the mapping of the new."""
    found = []
    # Rows of several units have no order by which to cut them but the unit, which every part computes for all rows.
    # So they are cut only as far as there are more workers than queries.
    parts = -(-2 * scope.workers // len(flow.members))
    for member in flow.new.members:
        should = Relation(_mapped(member, flow.old, scope, parts, whole=bool(flow.follows)), member.columns, member.key)
        have = Relation(_rows(flow.new, member, scope), member.columns, member.key)
        found.append(Pair(str(member.table.name), "forward", should, have, pending=len(scope.pending)))
    for member in flow.old.members:
        have = Relation(_rows(flow.old, member, scope), member.columns, member.key)
        should = Relation(_mapped(member, flow.new, scope, parts), member.columns, member.key)
        found.append(Pair(str(member.table.name), "inverse", have, should, pending=len(scope.pending)))
    return found


def _mapped(member: Member, source: Side, scope: Scope, parts: int, *, whole: bool = False) -> tuple[str, ...]:
    """The mapping's rows, in parts that cut no unit. `whole`: each part joins a whole roster."""
    return tuple(
        flow_sql.mapped(member, source, scope.at, flow_sql.rows_all(source.anchor, scope.at, condition))
        for condition in cuts(source, scope, parts, joined=whole or bool(source.satellites))
    )


def cuts(side: Side, scope: Scope, parts: int = 1, *, joined: bool) -> list[str]:
    """Conditions over the anchor's row `m` that divide a side: by pages, or into `parts` of whole units."""
    free = not_pending(side, side.anchor, scope)
    if side.several:
        if parts == 1:
            return [f"true{free}"]
        unit = fill(side.unit, scope.at.sql)
        return [f"(pg_catalog.hashtext({unit}) & 2147483647) % {parts} = {i}{free}" for i in range(parts)]
    bounds = ranges(scope.pages.get(side.anchor.alias, 0), scope.workers, joined)
    return [f"{page_range(lo, hi)}{free}" for lo, hi in bounds]


def _rows(side: Side, member: Member, scope: Scope) -> tuple[str, ...]:
    """The rows of a member that should be there, in parts."""
    name = scope.at.sql(member.alias)
    keep = flow_sql.accepted(member, scope.at) + _belongs(side, member, scope)
    return tuple(
        f"SELECT m.* FROM {name} m WHERE {page_range(lo, hi)}{keep}"
        for lo, hi in ranges(scope.pages.get(member.alias, 0), scope.workers, joined=False)
    )


def _belongs(side: Side, member: Member, scope: Scope) -> str:
    """Conditions that leave out pending units, and satellites whose anchor is in quarantine or missing."""
    anchor = side.anchor
    if member is anchor:
        return not_pending(side, member, scope)
    text = ""
    if member.logged and (anchor.rejects or _may_be_alone(side, member, scope)):
        anchors = flow_sql.rows_all(anchor, scope.at)
        text += f" AND EXISTS (SELECT 1 FROM {anchors} a WHERE {member.join})"
    return text + not_pending(side, member, scope)


def _may_be_alone(side: Side, member: Member, scope: Scope) -> bool:
    # The engine's own tables hang on their anchor by construction; a row that does not is a difference to be shown.
    # But after the switch applications delete anchors, and what the engine kept beside them waits for the way back.
    # Of a table that rows joined, those that were there before hang on nothing of ours.
    if not member.placed:
        return scope.switched
    return member.role == "replaces" and flow_sql.may_hang_alone(side, member)


def not_pending(side: Side, member: Member, scope: Scope) -> str:
    """A condition over the member's row that leaves out the pending units; empty where there are none."""
    if not scope.pending:
        return ""
    if member is not side.anchor:
        found = f"{scope.units} JOIN {scope.at.sql(side.anchor.alias)} m ON {flow_sql.find(side, scope.at)}"
        return f" AND NOT EXISTS (SELECT 1 FROM (SELECT m.* FROM {found}) a WHERE {member.join})"
    if not side.find:
        # Not a join, which may become a loop that computes the unit of each row again for each pending one.
        return f" AND (({fill(side.unit, scope.at.sql)}) = ANY ({scope.unit_array})) IS NOT TRUE"
    return f" AND NOT EXISTS (SELECT 1 FROM {scope.units} WHERE {flow_sql.find(side, scope.at)})"
