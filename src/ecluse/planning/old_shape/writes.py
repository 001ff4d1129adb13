"""The writer of a view of the old shape: what a row becomes, by the forward mapping. Pure text.

A write is the difference between two mappings: of the row as it was, and of the row as it shall be. What is in both and
equal is not touched, so what the new application made of it stays, and what the old shape cannot say stays too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident, short
from ecluse.model.plan import Plan
from ecluse.planning import flow_sql
from ecluse.planning.old_shape import aside, keys, races
from ecluse.planning.old_shape.difference import Difference
from ecluse.planning.old_shape.differs import differs
from ecluse.planning.old_shape.given import Given, refuse
from ecluse.planning.old_shape.links import Links
from ecluse.planning.old_shape.rows import Rows
from ecluse.planning.old_shape.together import Together


class Writer:
    """The trigger functions of one view.

    `run` is the number of the run, whose log is told of changes that only the aside tables see.
    """

    def __init__(self, plan: Plan, flow: Flow, member: Member, run: int) -> None:
        self.plan, self.flow, self.member = plan, flow, member
        self.rows = Rows(plan, flow, member, run)
        self.difference = Difference(self.rows)
        self.table, self.view, self.images = self.rows.table, self.rows.view, self.rows.images
        self.invoker, self.concerned = self.rows.invoker, self.rows.concerned
        self.given = Given(plan, run, member, self.images)
        self.links = Links(plan, run, member)
        self.together = Together(self.images, self.rows.misplaced)

    # --- the functions ----------------------------------------------------------------------------

    def statements(self) -> Iterator[str]:
        """Functions and triggers; two of them where the visible rows are written with the writer's own rights."""
        everything = list(self.concerned)
        ours = [m for m in everything if not m.placed] if self.invoker else everything
        yield races.trigger(self.plan, self.view)
        if self.invoker:
            yield from races.reach(self.rows, self._name("ecluse_1"))
        yield from self._function("ecluse_a", ours, first=True, last=not self.invoker, definer=True)
        if self.invoker:
            for member in everything:
                if member.placed and self.rows.looks_up(member):
                    yield from self.rows.function(member)
            rest = [m for m in everything if m.placed]
            yield from self._function("ecluse_b", rest, first=False, last=True, definer=False)

    @property
    def names(self) -> tuple[Name, ...]:
        """The trigger functions."""
        return tuple(self._name(prefix) for prefix in (("ecluse_a", "ecluse_b") if self.invoker else ("ecluse_a",)))

    def _name(self, prefix: str) -> Name:
        return Name(self.plan.before_schema, short(f"{prefix}_{self.member.alias}"))

    def _function(self, prefix: str, members: list[Member], *, first: bool, last: bool, definer: bool) -> Iterator[str]:
        name = self._name(prefix)
        body = "\n".join(self._body(members, first=first, last=last))
        several = (part.declarations() for part in (self.images, self.links, self.together))
        declared = " ".join(["touched bigint;", keys.DECLARATION, *chain.from_iterable(several)])
        rights = "SECURITY DEFINER " if definer else ""
        yield (
            f"CREATE FUNCTION {name.sql}() RETURNS trigger LANGUAGE plpgsql {rights}SET search_path = '' AS $write$\n"
            f"#variable_conflict use_column\nDECLARE {declared}\nBEGIN\n{body}\nEND $write$"
        )
        yield f"REVOKE ALL ON FUNCTION {name.sql}() FROM PUBLIC"
        yield (
            f"CREATE TRIGGER {ident(prefix)} INSTEAD OF INSERT OR UPDATE OR DELETE ON {self.view.sql} "
            f"FOR EACH ROW EXECUTE FUNCTION {name.sql}()"
        )

    def _body(self, members: list[Member], *, first: bool, last: bool) -> Iterator[str]:
        if first:
            yield "IF TG_OP <> 'DELETE' THEN"
            yield from self.given.complete()
            yield "END IF;"
            yield from self.given.judged()
        yield "IF TG_OP = 'INSERT' THEN"
        yield from self._prepared("INSERT", first=first)
        yield from (
            self._unit(members) if self.images.unit else chain.from_iterable(map(self.difference.insert, members))
        )
        yield from self._proved(last, "INSERT")
        yield "RETURN NEW;\nELSIF TG_OP = 'UPDATE' THEN"
        yield from self._prepared("UPDATE", first=first)
        if first and not self.rows.simple:
            yield from races.waited(self.rows)
        yield from self._unit(members) if self.images.unit else self._row(members)
        yield from self._proved(last, "UPDATE")
        yield from self.links.link() if last else ()
        yield "RETURN NEW;\nELSE"
        yield from self._prepared("DELETE", first=first)
        if first and not self.rows.simple:
            yield from races.waited(self.rows)
        yield from self.links.link() if last else ()
        yield from self._unit(members) if self.images.unit else self._row_gone(members)
        yield from self._proved(last, "DELETE")
        yield "RETURN OLD;\nEND IF;"

    def _unit(self, members: list[Member]) -> Iterator[str]:
        """Change a unit as a whole: what is made of its old rows before the write, and after it."""
        yield from self.together.save()
        for member in reversed(members):
            yield from (
                self.difference.gone(member)
                if member.role != "aside"
                else aside.clear(self.rows, member, self.images.news())
            )
        for member in members:
            if member.role == "aside":
                yield from aside.keep(self.rows, member)
                continue
            yield from self.difference.overruled(member)
            yield from self.difference.update(member)
            yield from self.together.restore(member)

    def _row(self, members: list[Member]) -> Iterator[str]:
        for member in reversed(members):
            yield from self._where_changed(member, self.difference.gone(member))
        for member in members:
            yield from self._where_changed(member, self.difference.update(member))

    def _row_gone(self, members: list[Member]) -> Iterator[str]:
        for member in members:
            yield from keys.withhold(self.plan, member, self.images, self.links.columns)
        for member in reversed(members):
            yield from self.difference.delete(member)
            if member is self.flow.new.anchor:
                yield "GET DIAGNOSTICS touched = ROW_COUNT;"
                if sum(m.placed for m in members) > 1:  # the others went already, and a trigger or a policy kept it
                    yield self.rows.misplaced("touched = 0")
                yield "IF touched = 0 THEN RETURN NULL; END IF;"  # gone meanwhile

    def _prepared(self, operation: str, *, first: bool) -> Iterator[str]:
        """What is to be read before anything is written."""
        yield from self.images.gather(operation)
        yield from self.links.gather(operation)
        if not first:
            return
        if operation != "DELETE":
            yield from keys.check(self.plan, self.flow, self.member, self.images, operation)
        if operation == "UPDATE":
            yield from keys.follow(self.plan, self.flow, self.member, self.images)
        asides = [m for m in self.concerned if m.role == "aside"]
        only = self.rows.changes_of(asides) if operation == "UPDATE" and not self.images.unit else ""
        yield from self._only_where(only, self.images.told(operation))

    # --- the difference ---------------------------------------------------------------------------

    def _where_changed(self, member: Member, statements: Iterator[str]) -> Iterator[str]:
        """What stands aside is looked at only where a column that it is made of changes."""
        changed = "" if member.placed or self.images.unit else self.rows.changes_of([member])
        yield from self._only_where(changed, statements)

    def _only_where(self, condition: str, statements: Iterator[str]) -> Iterator[str]:
        yield from [f"IF {condition} THEN", *statements, "END IF;"] if condition else statements

    # --- afterwards -------------------------------------------------------------------------------

    def _proved(self, last: bool, operation: str) -> Iterator[str]:
        """See that the old shape shows what was written."""
        if not last:
            return
        placed = [m for m in self.flow.new.members if m.placed]
        if self.images.unit:
            yield self.rows.misplaced(self.together.missing())
        if operation == "DELETE":
            return
        if self.images.unit or len(placed) > 1:
            yield self.rows.misplaced(self._missed(operation))
        if any(t.row and t.before for m in placed for t in m.table.triggers):
            yield from self._read_again()

    def _missed(self, operation: str) -> str:
        """Whether the row cannot be read as it was written, by its key; triggers may have made more of it."""
        asked: list[str] = []
        written = [(c, ident(c.name)) for c in self.table.columns if c.written]
        if operation == "UPDATE":
            asked = [
                f"(NOT ({differs(c, f'OLD.{n}', f'NEW.{n}')}) OR {differs(c, f'v.{n}', f'OLD.{n}')})"
                for c, n in written
            ]
        elif self.images.unit and not self.together.triggers:
            asked = [f"(NEW.{n} IS NULL OR NOT ({differs(c, f'v.{n}', f'NEW.{n}')}))" for c, n in written]
        return f"NOT EXISTS ({' AND '.join([self._shown(), *asked])})"

    def _read_again(self) -> Iterator[str]:
        """Give RETURNING what triggers made of the row."""
        items = ", ".join(f"NEW.{ident(c.name)}" for c in self.table.columns)
        yield f"SELECT * INTO {items} FROM ({self._shown()}) s;"
        if not self.invoker:  # who may not see what he wrote asks for nothing back
            message = f'a trigger gave a row of "{self.table.name.name}" another key, by which it is not found again'
            yield refuse(self.table, "NOT FOUND", "triggered_data_change_violation", message)

    def _shown(self) -> str:
        """The row as it can be read now; with the writer's own rights by the view, which reads what stands aside."""
        if not self.invoker:
            return self.images.shown()
        return f"SELECT v.* FROM {self.view.sql} v WHERE {flow_sql.same_key(self.member, 'v', 'NEW')}"
