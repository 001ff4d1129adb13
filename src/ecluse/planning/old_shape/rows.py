"""The new rows that an old row is mapped onto, and those that are there for them. Pure text."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.flow import Flow, Member, places
from ecluse.model.names import Name, ident, short
from ecluse.model.plan import Plan
from ecluse.planning import flow_sql
from ecluse.planning.old_shape.differs import differs
from ecluse.planning.old_shape.given import refuse
from ecluse.planning.old_shape.images import Images
from ecluse.planning.old_shape.place import INVOKER, as_invoker, view_name
from ecluse.planning.old_shape.place import places as old_places


class Rows:
    """The rows of one view's writer. `run` is the number of the run."""

    def __init__(self, plan: Plan, flow: Flow, member: Member, run: int) -> None:
        self.plan, self.flow, self.member = plan, flow, member
        self.table = member.table
        self.view = view_name(plan, member.table)
        self.at = old_places(plan)
        self.images = Images(plan, flow, member, run)
        self.invoker = as_invoker(member.table) and plan.server_version >= INVOKER
        # What joins a table that stays is referred to by what is placed.
        ordered = sorted(flow.new.members, key=lambda m: m.role != "joins")
        self.concerned = [m for m in ordered if self.images.concerns(m)]

    def looks_up(self, member: Member) -> bool:
        """Whether a mapping reads more than the row itself."""
        return set(places(member.select)) != {self.member.alias}

    def mapped(self, member: Member, record: str) -> str:
        """The rows of a new member of OLD or NEW; by a function where the writer may not read what the mapping does."""
        if self.invoker and member.placed and self.looks_up(member):
            return f"(SELECT * FROM {self._rows_name(member).sql}({record}))"
        return self.images.mapped(member, record)

    def _rows_name(self, member: Member) -> Name:
        return Name(self.plan.before_schema, short(f"ecluse_rows_{self.member.alias}_{member.alias}"))

    def function(self, member: Member) -> Iterator[str]:
        """The rows of a mapping that reads what the writer may not."""
        name = self._rows_name(member)
        types = {c.name: c.type for c in member.table.columns}
        returned = ", ".join(f"{ident(c)} {types[c]}" for c in member.columns)
        query = self.images.mapped(member, "given")
        listed = flow_sql.column_list(member.columns, "q.")
        yield (
            f"CREATE FUNCTION {name.sql}(given {self.view.sql}) RETURNS TABLE ({returned}) LANGUAGE plpgsql STABLE "
            f"SECURITY DEFINER SET search_path = '' AS $rows$\n#variable_conflict use_column\n"
            f"BEGIN RETURN QUERY SELECT {listed} FROM {query} q; END $rows$"
        )

    def one_to_one(self, member: Member) -> bool:
        """Whether an old row makes at most one row of a new member."""
        return not self.images.unit and (member is self.flow.new.anchor or member.role == "aside")

    def apart(self, member: Member) -> bool:
        """Whether a member holds what the new columns cannot tell of this row alone."""
        return member.role == "aside" and not self.images.unit and self.images.concerns(self.flow.new.anchor)

    def there(self, member: Member, rows: str) -> str:
        """Mapped rows, with the keys of the rows that are there for them."""
        if not member.counterpart:
            return rows
        like = " AND ".join(f"s.{ident(c)} = q.{ident(c)}" for c in member.counterpart)
        named = ", ".join(f"s.{ident(key)} AS {_found(n)}" for n, key in enumerate(member.key))
        order = flow_sql.column_list(member.key, "s.")
        found = f"SELECT {named} FROM {self.at.sql(member.alias)} s WHERE {like} ORDER BY {order} LIMIT 1"
        return f"(SELECT q.*, f.* FROM {rows} q CROSS JOIN LATERAL ({found}) f)"

    def actual(self, member: Member) -> str:
        """The condition between `t`, a row that is there, and `o`, one of `there`."""
        if not member.counterpart:
            return flow_sql.same_key(member, "t", "o")
        return " AND ".join(f"t.{ident(key)} = o.{_found(n)}" for n, key in enumerate(member.key))

    def changes_of(self, members: list[Member]) -> str:
        """Whether a column changes of which these are made; empty where that is not known."""
        read = [c for c in self.table.columns if any(f"m.{ident(c.name)}" in member.select for member in members)]
        return " OR ".join(differs(c, f"OLD.{ident(c.name)}", f"NEW.{ident(c.name)}") for c in read)

    @property
    def simple(self) -> bool:
        """Whether all that the application sees of a row is one new row."""
        seen = [m for m in self.concerned if m.role != "aside"]
        return not self.invoker and not self.images.unit and seen == [self.flow.new.anchor]

    def misplaced(self, condition: str) -> str:
        """Refuse a change that the new shape has no place for."""
        message = f'the new shape has no place for this change of a row of "{self.table.name.name}"'
        return refuse(self.table, condition, "check_violation", message)


def _found(number: int) -> str:
    return f"ecluse_{number}"
