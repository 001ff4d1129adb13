"""What a write through the old shape changes: the rows of the mapping before it, and after it. Pure text.

Where one old row is a unit, these are OLD and NEW themselves. Where several old rows are one (a merge), or rows of
several old tables, the unit is read as the new tables have it, and kept in variables, before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Table
from ecluse.model.flow import Flow, Member, fill, places
from ecluse.model.names import ident
from ecluse.model.plan import Plan
from ecluse.planning import flow_sql
from ecluse.planning.old_shape import lookups, told, views
from ecluse.planning.old_shape.place import needs_unit, view_name
from ecluse.planning.old_shape.place import places as old_places

_RECORDS = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}


def row(table: Table, record: str) -> str:
    """The one row that NEW or OLD is, as a relation.

    OFFSET keeps the planner from putting the values into the mapping: it would compute all that is constant then, also
    behind a CASE that keeps a value from being cast.
    """
    items = ", ".join(f"{record}.{ident(c.name)} AS {ident(c.name)}" for c in table.columns)
    return f"(SELECT {items} OFFSET 0)"


class Images:
    """The old rows that a write of `member` concerns, as relations that a mapping can read."""

    def __init__(self, plan: Plan, flow: Flow, member: Member, run: int) -> None:
        self.plan, self.flow, self.member, self.run = plan, flow, member, run
        self.at = old_places(plan)
        self.unit = needs_unit(flow)

    def mapped(self, target: Member, record: str) -> str:
        """The rows of a new member before the write (OLD) or after it (NEW)."""
        return f"({self.filled(target.select, record)})"

    def filled(self, template: str, record: str) -> str:
        """A template over old rows, with those before the write or after it in their place."""
        images = {old.alias: self.image(old, record) for old in self.flow.old.members}
        images |= lookups.as_they_are(self.plan, self.run, self.flow, lambda old: images[old.alias])
        return fill(template, lambda alias: images.get(alias) or self.at.sql(alias))

    def judged(self, condition: str) -> str:
        """A condition over `m`, the row as it shall be, with what it looks up as things stand."""
        mine = row(self.member.table, "NEW")
        found = lookups.as_they_are(self.plan, self.run, self.flow, lambda old: mine if old is self.member else "")
        return fill(condition, lambda alias: found.get(alias) or self.at.sql(alias))

    def concerns(self, target: Member) -> bool:
        """Whether rows of a new member are made of rows of the old table."""
        return self.member.alias in places(target.select)

    def image(self, old: Member, record: str) -> str:
        """The rows of an old table before or after the write."""
        if not self.unit:
            return row(old.table, record)
        return f"(SELECT * FROM unnest({self._variable(old, record)}))"

    def _variable(self, old: Member, record: str) -> str:
        number = self.flow.old.members.index(old)
        return f"{'was' if record == 'OLD' else 'is'}_{number}"

    # --- units ------------------------------------------------------------------------------------

    def declarations(self) -> Iterator[str]:
        """The variables: rows of each old table before and after, and the units."""
        if self.unit:
            yield "units text[];"
            for old in self.flow.old.members:
                kind = view_name(self.plan, old.table).sql
                yield f"{self._variable(old, 'OLD')} {kind}[];"
                yield f"{self._variable(old, 'NEW')} {kind}[];"

    def gather(self, operation: str) -> Iterator[str]:
        """Statements that fill them, for INSERT, UPDATE or DELETE."""
        if not self.unit:
            return
        named = " UNION ".join(self._units(record) for record in _RECORDS[operation])
        yield f"units := ARRAY({named});"
        yield from self._taken()
        for old in self.flow.old.members:
            was, now = self._variable(old, "OLD"), self._variable(old, "NEW")
            yield f"{was} := ARRAY({self.stored(old)});"
            yield f"{now} := {self._changed(was, operation) if old is self.member else was};"

    def _units(self, record: str) -> str:
        """The units of the rows that OLD or NEW belong to."""
        side = self.flow.old
        unit = fill(side.unit, self.at.sql)
        mine = row(self.member.table, record)
        if self.member is side.anchor:
            return f"SELECT ({unit})::text FROM {mine} m"
        anchors = f"({views.rows(self.plan, side.anchor)})"
        return (
            f"SELECT (SELECT ({unit})::text FROM (SELECT a.*) m) FROM {mine} m JOIN {anchors} a ON {self.member.join}"
        )

    def stored(self, old: Member) -> str:
        """The old rows of these units, as the new tables have them."""
        kind = view_name(self.plan, old.table).sql
        query = self.seen(old)
        items = ", ".join(f"v.{ident(c.name)}" for c in old.table.columns)
        return f"SELECT ROW({items})::{kind} FROM ({query}) v"

    def seen(self, old: Member) -> str:
        """The query of the old rows of these units as the new tables have them now."""
        return views.rows(self.plan, old, self.news(), self.flow)

    def news(self) -> str:
        """The new anchors of these units."""
        return f"(SELECT m.* FROM {self._anchors()})"

    def _anchors(self) -> str:
        """The new anchors of these units, as what follows FROM."""
        side = self.flow.new
        units = "(SELECT DISTINCT t.unit FROM unnest(units) t(unit)) u"
        return f"{units} JOIN {self.at.sql(side.anchor.alias)} m ON {flow_sql.find(side, self.at)}"

    def _hanging(self, member: Member) -> str:
        return f"{self.news()} a JOIN {self.at.sql(member.alias)} m ON {member.join}"

    def _taken(self) -> Iterator[str]:
        """Wait for whoever writes the units, so that what they are made of is read when nobody else changes it."""
        for member in self.flow.new.satellites:
            if member.placed:
                yield f"PERFORM FROM {self._hanging(member)} FOR NO KEY UPDATE OF m;"
        yield f"PERFORM FROM {self._anchors()} FOR NO KEY UPDATE OF m;"

    def written_since(self, since: str) -> str:
        """Whether another transaction wrote the units since the statement read them; `since` asks it of an xmin."""
        rows = [self._anchors(), *(self._hanging(m) for m in self.flow.new.satellites if m.role != "joins")]
        return " OR ".join(f"EXISTS (SELECT FROM {each} WHERE {since}(m.xmin))" for each in rows)

    def _changed(self, was: str, operation: str) -> str:
        kind = view_name(self.plan, self.member.table).sql
        items = ", ".join(f"NEW.{ident(c.name)}" for c in self.member.table.columns)
        added = f"ARRAY[ROW({items})::{kind}]"
        if operation == "INSERT":
            return f"{was} || {added}"
        other = " AND ".join(f"v.{ident(key)} IS NOT DISTINCT FROM OLD.{ident(key)}" for key in self.member.key)
        rest = f"ARRAY(SELECT v FROM unnest({was}) v WHERE NOT ({other}))"
        return rest if operation == "DELETE" else f"{rest} || {added}"

    def told(self, operation: str) -> Iterator[str]:
        """Note the units that the write concerns, where the capture logs would not tell them.

        They do as long as what stands aside of a key stays as it is. To be run before it is changed.
        """
        if not told.needed(self.flow):
            return
        anchor = self.flow.new.anchor
        if self.unit:
            yield told.note(self.run, self.flow, "SELECT unnest(units)")
        elif operation == "INSERT" and self.concerns(anchor):
            yield told.note(self.run, self.flow, self._left_behind())
        elif operation == "UPDATE":
            written = [self._units("OLD"), self._units("NEW")]
            left = [self._left_behind()] if self.concerns(anchor) else []
            yield told.note(self.run, self.flow, " UNION ".join([*written, *left]))

    def _left_behind(self) -> str:
        """The units of the row's new key, by what stands aside of it now: it may be of another writing of that key."""
        side = self.flow.new
        unit = fill(side.unit, self.at.sql)
        asides = [member for member in side.members if member.role == "aside"]
        left = " OR ".join(f"EXISTS (SELECT FROM {self.at.sql(m.alias)} m WHERE {m.join})" for m in asides)
        return (
            f"SELECT (SELECT ({unit})::text FROM (SELECT a.*) m) FROM {self.mapped(side.anchor, 'NEW')} a "
            f"WHERE {left or 'false'}"
        )

    def shown(self, record: str = "NEW") -> str:
        """The query that gives the row as it can be read now, by its key."""
        anchors = self.news() if self.unit else ""
        query = views.rows(self.plan, self.member, anchors, self.flow)
        return f"SELECT v.* FROM ({query}) v WHERE {flow_sql.same_key(self.member, 'v', record)}"
