"""The difference that a write makes to one new member: what is inserted, changed and deleted. Pure text."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.flow import Member
from ecluse.model.names import ident
from ecluse.planning import flow_sql
from ecluse.planning.old_shape import aside, races
from ecluse.planning.old_shape.differs import becomes, differs
from ecluse.planning.old_shape.given import refuse
from ecluse.planning.old_shape.rows import Rows


class Difference:
    """The statements for the new members of one view's writer."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.flow, self.table, self.at, self.images = rows.flow, rows.table, rows.at, rows.images

    def insert(self, member: Member) -> Iterator[str]:
        """Insert what the row makes."""
        if self.rows.apart(member):
            yield from aside.put(self.rows, member)
            return
        yield from self._joined(member)
        new = self.rows.mapped(member, "NEW")
        known = ""
        if self.images.unit or not self.rows.one_to_one(member):
            known = self._without_old(member, "INSERT")
        fixed = dict(member.fixed)
        columns = flow_sql.column_list(member.columns + tuple(fixed))
        values = ", ".join([flow_sql.column_list(member.columns, "n."), *fixed.values()])
        yield (
            f"INSERT INTO {self.at.sql(member.alias)} ({columns}) OVERRIDING SYSTEM VALUE "
            f"SELECT {values} FROM {new} n{known};"
        )
        if member is self.flow.new.anchor and not self.images.unit:
            yield "GET DIAGNOSTICS touched = ROW_COUNT;"
            yield refuse(
                self.table,
                "touched = 0",
                "check_violation",
                f'the new shape has no place for this row of "{self.table.name.name}"',
            )

    def _joined(self, member: Member) -> Iterator[str]:
        """Note beside what joins a table that stays: a rollback takes just that away again."""
        if member.role == "joins":
            beside, columns = member.table.name.within(self.rows.plan.next_schema), flow_sql.column_list(member.columns)
            rows = f"SELECT {columns} FROM {self.rows.mapped(member, 'NEW')} n"
            yield f"INSERT INTO {beside.sql} ({columns}) {rows} ON CONFLICT DO NOTHING;"

    def _without_old(self, member: Member, operation: str) -> str:
        if operation == "INSERT" and not self.images.unit:
            return ""
        old = self.rows.mapped(member, "OLD")
        return f" WHERE NOT EXISTS (SELECT FROM {old} o WHERE {flow_sql.same_key(member, 'o', 'n')})"

    def overruled(self, member: Member) -> Iterator[str]:
        """Refuse to write over a value of which the old rows tell another one: what they are changed to, it is not.

        A sum that the new application has changed is no sum of the old rows any more, and adding to one of them says
        nothing of it. Of documents only the keys that change are written.
        """
        alike = {name for name, _ in member.alike}
        columns = [
            c
            for c in member.table.columns
            if c.written and c.name not in {*member.key, *alike} and c.type != "jsonb" and c.identity != "a"
        ]
        lost = [
            f"({differs(c, f'o.{ident(c.name)}', f'n.{ident(c.name)}')} "
            f"AND {differs(c, f't.{ident(c.name)}', f'o.{ident(c.name)}')} "
            f"AND {differs(c, f't.{ident(c.name)}', f'n.{ident(c.name)}')})"
            for c in columns
        ]
        if lost:
            old, new = self.rows.there(member, self.rows.mapped(member, "OLD")), self.rows.mapped(member, "NEW")
            yield self.rows.misplaced(
                f"EXISTS (SELECT FROM {self.at.sql(member.alias)} t JOIN {old} o ON {self.rows.actual(member)} "
                f"JOIN {new} n ON {flow_sql.same_key(member, 'o', 'n')} WHERE {' OR '.join(lost)})"
            )

    def gone(self, member: Member) -> Iterator[str]:
        """Rows that the row made and makes no more."""
        if self.rows.apart(member) or (self.rows.one_to_one(member) and member.role != "aside"):
            return
        old, new = self.rows.there(member, self.rows.mapped(member, "OLD")), self.rows.mapped(member, "NEW")
        yield (
            f"DELETE FROM {self.at.sql(member.alias)} t USING {old} o WHERE {self.rows.actual(member)} "
            f"AND NOT EXISTS (SELECT FROM {new} n WHERE {flow_sql.same_key(member, 'n', 'o')});"
        )

    def update(self, member: Member) -> Iterator[str]:
        """Change what the row makes now otherwise than before, and insert what it makes besides."""
        if self.rows.apart(member):
            yield from aside.put(self.rows, member)
            return
        old, new = self.rows.there(member, self.rows.mapped(member, "OLD")), self.rows.mapped(member, "NEW")
        one = self.rows.one_to_one(member) and member.role != "aside"
        both = "true" if one else flow_sql.same_key(member, "o", "n")
        columns = [c for c in member.table.columns if c.written and c.identity != "a"]
        if not one:
            columns = [c for c in columns if c.name not in member.key]
        changed = {c.name: differs(c, f"o.{ident(c.name)}", f"n.{ident(c.name)}") for c in columns}
        sets = ", ".join(f"{ident(c.name)} = {becomes(c)}" for c in columns)
        any_ = " OR ".join(changed.values())
        # Its triggers fire for each row of an UPDATE, also where nothing of it changes.
        fires = one and any(t.row and "update" in t.events for t in member.table.triggers)
        if sets:
            update = (
                # Each value is worked out once: it is compared, and then perhaps written.
                f"WITH o AS MATERIALIZED (SELECT * FROM {old} q), n AS MATERIALIZED (SELECT * FROM {new} q) "
                f"UPDATE {self.at.sql(member.alias)} t SET {sets} FROM o JOIN n ON {both} "
                f"WHERE {self.rows.actual(member)}{'' if fires else f' AND ({any_})'}"
            )
            yield from races.raced(self.rows, member, update) if one and self.rows.simple else [f"{update};"]
            if one:
                yield from self._unwritten(f"EXISTS (SELECT FROM {old} o, {new} n WHERE {any_})")
        yield from self._joined(member)
        if not one:
            columns_ = flow_sql.column_list(member.columns + tuple(dict(member.fixed)))
            values = ", ".join([flow_sql.column_list(member.columns, "n."), *dict(member.fixed).values()])
            yield (
                f"INSERT INTO {self.at.sql(member.alias)} ({columns_}) OVERRIDING SYSTEM VALUE "
                f"SELECT {values} FROM {new} n{self._without_old(member, 'UPDATE')};"
            )

    def _unwritten(self, changes: str) -> Iterator[str]:
        """A trigger may keep the anchor as it was, and the row with it; else the row that is seen has no anchor."""
        if not self.rows.simple:
            yield "GET DIAGNOSTICS touched = ROW_COUNT;"
        anchor = self.flow.new.anchor
        beside = self.rows.changes_of([m for m in self.rows.concerned if m is not anchor])
        if any(m.placed for m in self.rows.concerned if m is not anchor) or not _kept_by_triggers(anchor):
            beside = "true"
        yield f"IF touched = 0 THEN IF {changes} THEN"
        if beside:
            yield self.rows.misplaced(beside)
        yield "RETURN NULL;\nEND IF; END IF;"

    def delete(self, member: Member) -> Iterator[str]:
        """Delete what the row made."""
        if self.rows.apart(member):
            return  # as where the new application deletes a row
        table, anchor = self.at.sql(member.alias), self.flow.new.anchor
        whole = member.role in ("new", "aside") and member is not anchor and self.rows.member is self.flow.old.anchor
        if whole and not self.images.unit:
            old = self.rows.mapped(anchor, "OLD")
            same = flow_sql.same_key(anchor, "t", "o")
            mine = f"(SELECT t.* FROM {self.at.sql(anchor.alias)} t JOIN {old} o ON {same})"
            yield f"DELETE FROM {table} m USING {mine} a WHERE {member.join};"
            return
        left = ""
        if self.images.unit:
            new = self.rows.mapped(member, "NEW")
            left = f" AND NOT EXISTS (SELECT FROM {new} n WHERE {flow_sql.same_key(member, 'n', 'o')})"
        there = self.rows.there(member, self.rows.mapped(member, "OLD"))
        delete = f"DELETE FROM {table} t USING {there} o WHERE {self.rows.actual(member)}{left}"
        raced = self.rows.simple and member is anchor
        yield from races.raced(self.rows, member, delete) if raced else [f"{delete};"]


def _kept_by_triggers(member: Member) -> bool:
    return any(t.row and t.before and "update" in t.events for t in member.table.triggers)
