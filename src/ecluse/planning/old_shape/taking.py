"""A writer takes its row before it writes: it waits for others, and refuses what is no longer what was read. Pure text.

With the rights of whoever wrote the view, one function does all. With the writer's own rights an UPDATE takes the row
in a function of its own, before anything that stands aside is changed: he may see a row, and not be let change it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Table
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident
from ecluse.model.plan import Plan
from ecluse.planning.old_shape import views
from ecluse.planning.old_shape.given import misplaced
from ecluse.planning.old_shape.images import Images
from ecluse.planning.old_shape.meanwhile import Meanwhile
from ecluse.planning.old_shape.place import places, view_name


class Taking:
    """The statements of one view's writer that take OLD. `invoker`: it is written with the writer's own rights.

    `old` is the new anchor's row of OLD, by the mapping.
    """

    def __init__(self, plan: Plan, flow: Flow, member: Member, images: Images, old: str, *, invoker: bool) -> None:
        self.plan, self.flow, self.images, self.invoker = plan, flow, images, invoker
        self.table: Table = member.table
        anchor, at = flow.new.anchor, places(plan)
        same = " AND ".join(f"t.{ident(key)} = o.{ident(key)}" for key in anchor.key)
        anchors = f"{at.sql(anchor.alias)} t JOIN {old} o ON {same}"
        self.again = Meanwhile(plan, flow, member, at, anchors, "t")
        self.member = member

    def take(self, *, first: bool) -> Iterator[str]:
        """Take the row, and refuse to write one that is not what the statement read; units are taken when gathered.

        To DELETE is no right to take a row, so that one is taken for the writer here, and looked at by what he may see.
        """
        if self.images.unit:
            return
        if not self.invoker:
            yield "IF TG_OP <> 'INSERT' THEN"
            yield from self.again.lock(satellites=True)
            yield from self._left()
            yield self.again.written_twice(self._now())
            yield self.again.refuse_changed(asides=True, shown=self._now())
            yield "END IF;"
        elif first:
            yield "IF TG_OP = 'DELETE' THEN"
            yield from self.again.lock(satellites=False)
            yield "END IF;"
        else:
            yield f"IF TG_OP = 'DELETE' THEN {self.again.refuse_changed(asides=False)} END IF;"

    def reach(self, name: Name) -> Iterator[str]:
        """A function that lets nobody write what stands aside of a row that he may see and not change."""
        again = self.again
        body = "\n".join(
            [*again.lock(satellites=False), *self._left(), again.written_twice(), again.refuse_changed(asides=False)]
        )
        yield (
            f"CREATE FUNCTION {name.sql}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $reach$\n"
            f"#variable_conflict use_column\nBEGIN\n{body}\nRETURN NEW;\nEND $reach$"
        )
        yield f"REVOKE ALL ON FUNCTION {name.sql}() FROM PUBLIC"
        yield (
            f"CREATE TRIGGER {ident('ecluse_1')} INSTEAD OF UPDATE ON {view_name(self.plan, self.table).sql} "
            f"FOR EACH ROW EXECUTE FUNCTION {name.sql}()"
        )

    def _left(self) -> Iterator[str]:
        """Do nothing for a row that has gone, as for a table; one that is seen all the same cannot be written."""
        yield "IF NOT FOUND THEN"
        # With his own rights he may see the anchor, and not change it: then it is as if it were not there.
        unseen = f"NOT EXISTS (SELECT FROM {self.again.anchors})"
        yield misplaced(self.table, f"{unseen} AND {self.again.seen()}")
        yield "RETURN NULL;\nEND IF;"

    def _now(self) -> str:
        """The old rows of the anchors, as they are."""
        return f"({views.rows(self.plan, self.member, f'(SELECT t.* FROM {self.again.anchors})', self.flow)})"
