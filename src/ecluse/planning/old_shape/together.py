"""Several old rows that are one: what a write of one of them does to the new rows of the others. Pure text.

A row that goes may take the new anchor's key with it, and another one lead from then on. What hangs on the anchor hangs
on the other one then, as it is: so it is kept in variables while the one is deleted and the other made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ecluse.model.flow import Member
from ecluse.model.names import ident
from ecluse.planning.flow_sql import column_list, same_key
from ecluse.planning.old_shape.differs import becomes, differs
from ecluse.planning.old_shape.images import Images


class Together:
    """The satellites of a unit, over a change of its anchors."""

    def __init__(self, images: Images, refuse: Callable[[str], str]) -> None:
        self.images, self.refuse = images, refuse
        self.anchor = images.flow.new.anchor
        placed = [m for m in images.flow.new.satellites if m.placed and images.concerns(m)]
        self.hanging = placed if images.unit else []

    def declarations(self) -> Iterator[str]:
        """The variables."""
        yield from (f"saved_{number} {m.table.name.sql}[];" for number, m in enumerate(self.hanging))

    def save(self) -> Iterator[str]:
        """Keep what goes on hanging on the unit, and refuse to delete with it what the old shape does not show."""
        for number, member in enumerate(self.hanging):
            old, new = self.images.mapped(member, "OLD"), self.images.mapped(member, "NEW")
            yield (
                f"saved_{number} := ARRAY(SELECT t FROM {old} o JOIN {new} n ON {same_key(member, 'o', 'n')} "
                f"JOIN {member.table.name.sql} t ON {same_key(member, 't', 'o')});"
            )
        if self.images.unit and self.images.concerns(self.anchor):
            for member in (m for m in self.images.flow.new.satellites if m.placed):
                yield self.refuse(f"EXISTS ({self._unseen(member)})")

    def _unseen(self, member: Member) -> str:
        """Rows that hang on an anchor which goes while others of its unit stay, and that no old row tells of."""
        old, new = (self.images.mapped(self.anchor, record) for record in ("OLD", "NEW"))
        gone = (
            f"SELECT a.* FROM {old} o JOIN {self.anchor.table.name.sql} a ON {same_key(self.anchor, 'a', 'o')} "
            f"WHERE NOT EXISTS (SELECT FROM {new} n WHERE {same_key(self.anchor, 'n', 'o')}) "
            f"AND EXISTS (SELECT FROM {new} n)"
        )
        told = ""
        if self.images.concerns(member):
            rows = self.images.mapped(member, "OLD")
            told = f" WHERE NOT EXISTS (SELECT FROM {rows} s WHERE {same_key(member, 's', 'm')})"
        return f"SELECT FROM ({gone}) a JOIN {member.table.name.sql} m ON {member.join}{told}"

    def restore(self, member: Member) -> Iterator[str]:
        """Put back what went with the anchor that it hung on, with what changes of it."""
        if member not in self.hanging:
            return
        old, new = self.images.mapped(member, "OLD"), self.images.mapped(member, "NEW")
        columns = [c for c in member.table.columns if c.written]
        mapped = set(member.columns)
        values = ", ".join(becomes(c) if c.name in mapped else f"t.{ident(c.name)}" for c in columns)
        table = member.table.name.sql
        yield (
            f"INSERT INTO {table} ({column_list(tuple(c.name for c in columns))}) OVERRIDING SYSTEM VALUE "
            f"SELECT {values} FROM unnest(saved_{self.hanging.index(member)}) t "
            f"JOIN {old} o ON {same_key(member, 't', 'o')} JOIN {new} n ON {same_key(member, 't', 'n')} "
            f"WHERE NOT EXISTS (SELECT FROM {table} x WHERE {same_key(member, 'x', 't')});"
        )

    def missing(self) -> str:
        """Whether old rows of the units are not shown as they should be, or are shown and should not be."""
        found = []
        for old in self.images.flow.old.members:
            stored = f"({self.images.seen(old)})"
            should = self.images.image(old, "NEW")
            for one, other in ((stored, should), (should, stored)):
                found.append(
                    f"EXISTS (SELECT FROM {one} v WHERE NOT EXISTS (SELECT FROM {other} w "
                    f"WHERE {same_key(old, 'v', 'w')}))"
                )
            if not self.triggers:
                found.append(f"EXISTS ({self._disturbed(old, stored)})")
        return " OR ".join(found)

    def _disturbed(self, old: Member, stored: str) -> str:
        """Rows that nobody writes, and that are not seen any more as they were.

        A value that is not there may come to be: a mapping may make one of others, for the row that leads its unit.
        """
        differ = " OR ".join(
            f"(w.{ident(c.name)} IS NOT NULL AND {differs(c, f'v.{ident(c.name)}', f'w.{ident(c.name)}')})"
            for c in old.table.columns
        )
        mine = " AND ".join(f"v.{ident(key)} IS NOT DISTINCT FROM NEW.{ident(key)}" for key in old.key)
        others = f"NOT ({mine}) AND " if old is self.images.member else ""
        both = f"{stored} v JOIN {self.images.image(old, 'OLD')} w ON {same_key(old, 'v', 'w')}"
        return f"SELECT FROM {both} WHERE {others}({differ})"

    @property
    def triggers(self) -> bool:
        """Whether a trigger may make of new rows what it likes."""
        return any(t.row and t.before for m in self.images.flow.new.members if m.placed for t in m.table.triggers)
