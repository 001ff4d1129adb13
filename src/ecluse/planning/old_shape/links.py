"""Rows that are linked to what the old application changes or deletes: their links are looked up again. Pure text.

In the old shape nothing holds such a link. So before an ON DELETE of the new one takes a row with it, or a link means a
row that does not match any more, the row is unlinked, or linked to what matches now. What comes takes no row to itself
that was there before it, as where the new application makes it: that would be a write which nobody made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.model.flow import Flow, Follow, Member, Roster, fill, places
from ecluse.model.names import Name, ident
from ecluse.model.plan import Plan
from ecluse.planning.old_shape import lookups, views
from ecluse.planning.old_shape.differs import differs
from ecluse.planning.old_shape.images import row
from ecluse.planning.old_shape.place import places as old_places


@dataclass(frozen=True, slots=True)
class _Linked:
    """A new table whose rows are looked up in a roster by a column of an old table that follows it."""

    roster: Roster
    flow: Flow
    follow: Follow
    target: Member


class Links:
    """What is linked to rows of the old table `member`, whose write may change that."""

    def __init__(self, plan: Plan, run: int, member: Member) -> None:
        self.plan, self.run, self.member = plan, run, member
        self.linked = list(self._found())

    def _found(self) -> Iterator[_Linked]:
        for roster in self.plan.rosters:
            if not roster.live or roster.source != self.member.alias:
                continue
            for flow in self.plan.flows:
                for follow in (f for f in flow.follows if f.roster == roster.alias):
                    for target in flow.new.members:
                        if target.placed and roster.alias in places(target.select):
                            yield _Linked(roster, flow, follow, target)

    @property
    def columns(self) -> frozenset[tuple[Name, str]]:
        """Tables and columns that hold such links, with the other columns of these tables."""
        return frozenset((linked.target.table.name, name) for linked in self.linked for name in linked.target.columns)

    def declarations(self) -> Iterator[str]:
        """Variables for the linked rows as they were, and as they shall be."""
        for number, linked in enumerate(self.linked):
            kind = linked.target.table.name.sql
            yield f"linked_{number} {kind}[]; relinked_{number} {kind}[];"

    def gather(self, operation: str) -> Iterator[str]:
        """Statements that fill them, before anything is written."""
        if operation == "INSERT":
            return
        image = row(self.member.table, "NEW") if operation == "UPDATE" else ""
        goes = " AND ".join(f"s.{ident(c)} IS NOT DISTINCT FROM OLD.{ident(c)}" for c in self.member.key)
        for number, linked in enumerate(self.linked):
            yield f"linked_{number} := ARRAY({self._rows(linked, lookups.Written())});"
            yield f"relinked_{number} := ARRAY({self._rows(linked, lookups.Written(image, goes))});"

    def link(self) -> Iterator[str]:
        """Write what changed, but for links that the new application made otherwise."""
        for number, linked in enumerate(self.linked):
            target, table = linked.target, linked.target.table
            columns = [c for c in table.columns if c.written and c.identity != "a" and c.name not in target.key]
            changed = {
                c.name: f"({differs(c, f'o.{ident(c.name)}', f'n.{ident(c.name)}')} "
                f"AND NOT {differs(c, f't.{ident(c.name)}', f'o.{ident(c.name)}')})"
                for c in columns
            }
            sets = ", ".join(
                f"{ident(name)} = CASE WHEN {test} THEN n.{ident(name)} ELSE t.{ident(name)} END"
                for name, test in changed.items()
            )
            same = " AND ".join(f"{{0}}.{ident(key)} = {{1}}.{ident(key)}" for key in target.key)
            yield (
                f"UPDATE {table.name.sql} t SET {sets} FROM unnest(linked_{number}) o "
                f"JOIN unnest(relinked_{number}) n ON {same.format('o', 'n')} "
                f"WHERE {same.format('t', 'o')} AND ({' OR '.join(changed.values())});"
            )

    def _rows(self, linked: _Linked, written: lookups.Written) -> str:
        """The rows that are linked by the key that the row had, by the forward mapping."""
        plan, asked = self.plan, f"SELECT OLD.{ident(linked.roster.column)}"
        follower = linked.flow.member(linked.follow.member)
        rows = f"(SELECT v.* FROM ({views.rows(plan, follower)}) v WHERE v.{ident(linked.follow.column)} IN ({asked}))"
        now = lookups.now(plan, self.run, linked.roster, asked, written)
        relations = {follower.alias: rows, linked.roster.alias: now}
        at = old_places(plan)
        query = fill(linked.target.select, lambda alias: relations.get(alias) or at.sql(alias))
        table = linked.target.table
        items = ", ".join(f"q.{ident(c.name)}" if c.written else "NULL" for c in table.columns)
        return f"SELECT ROW({items})::{table.name.sql} FROM ({query}) q"
