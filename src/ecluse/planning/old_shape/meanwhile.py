"""What others did to a row between the moment a statement read it and the moment its writer has it. Pure text.

An UPDATE of a table waits for the row, and then looks at it again. An INSTEAD OF trigger is given the row as the
statement read it, and nobody asks its conditions again: `n = n + 1` would be worked out from an n that is no more, and
a job that two have deleted would be done twice. So the writer takes the row first. One that has gone is not written,
and not counted; one that another transaction has changed is refused as PostgreSQL refuses it where a transaction keeps
its snapshot, and the application tries again. What the transaction itself changed is no reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import Plan
from ecluse.planning.flow_sql import Places
from ecluse.planning.old_shape.differs import differs
from ecluse.planning.old_shape.place import view_name

_READ = "ecluse.read"
_MESSAGE = "could not serialize access due to concurrent update"


def create(plan: Plan) -> Iterator[str]:
    """Make the function that notes what a statement saw, and the one that asks whether a row came to be since."""
    # A function that is stable has the snapshot of the statement that calls it: here of the one that fires triggers.
    yield (
        f"CREATE FUNCTION {_function(plan, 'ecluse_read').sql}() RETURNS trigger LANGUAGE plpgsql STABLE "
        "SET search_path = '' AS $read$\n"
        f"BEGIN PERFORM set_config({literal(_READ)}, pg_current_snapshot()::text, true);\n"
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\nRETURN NEW; END $read$"
    )
    # The xmin of a row has 32 bits: it is the transaction with these that is nearest to ours.
    yield (
        f"CREATE FUNCTION {_function(plan, 'ecluse_since').sql}(changed xid) RETURNS boolean LANGUAGE plpgsql "
        "SET search_path = '' AS $since$\n"
        "DECLARE mine bigint := pg_current_xact_id()::text::bigint;\n"
        "  it bigint := mine - 2147483648 "
        "+ ((changed::text::bigint - (mine & 4294967295) + 6442450944) & 4294967295);\n"
        "BEGIN\n"
        "IF it < 0 OR it >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN RETURN false; END IF;\n"
        f"RETURN NOT pg_visible_in_snapshot(it::text::xid8, current_setting({literal(_READ)})::pg_snapshot) "
        "AND pg_xact_status(it::text::xid8) <> 'in progress';\nEND $since$"
    )


def trigger(plan: Plan, view: Name) -> str:
    """Note what the statement saw, before the writers of the view are called."""
    return (
        f"CREATE TRIGGER {ident('ecluse_0')} INSTEAD OF UPDATE OR DELETE ON {view.sql} "
        f"FOR EACH ROW EXECUTE FUNCTION {_function(plan, 'ecluse_read').sql}()"
    )


def _function(plan: Plan, name: str) -> Name:
    return Name(plan.before_schema, name)


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """The statements of a writer that take the row OLD, and look at it again.

    `anchors` are the new anchors of that row, as what follows FROM, of which `row` is the alias of their table.
    """

    plan: Plan
    flow: Flow
    member: Member
    at: Places
    anchors: str
    row: str

    def lock(self, *, satellites: bool) -> Iterator[str]:
        """Wait for whoever writes these rows; FOUND says whether there are anchors."""
        if satellites:
            for member in self.flow.new.satellites:
                if member.placed:
                    yield f"PERFORM FROM {self._hanging(member)} FOR NO KEY UPDATE OF m;"
        yield f"PERFORM FROM {self.anchors} FOR NO KEY UPDATE OF {self.row};"

    def refuse_changed(self, *, asides: bool, shown: str = "") -> str:
        """Raise where another transaction changed the row so that the old application sees it.

        `shown`: a relation with the old rows as they are; the view where there is none. They are looked at last, for
        nearly always nobody has changed anything.
        """
        same = f"EXISTS (SELECT FROM {shown or self._view} v WHERE {self.same()})"
        table = self.member.table.name
        return (
            f"IF {self._changed(asides)} THEN IF NOT {same} THEN "
            f"RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = {literal(_MESSAGE)}, "
            f"SCHEMA = {literal(table.schema)}, TABLE = {literal(table.name)}; END IF; END IF;"
        )

    def written_twice(self, shown: str = "") -> str:
        """Leave a row alone that this very statement has written before, as in a table: OLD is what it was before."""
        ours = f"EXISTS (SELECT FROM {self.anchors} WHERE {self.row}.xmin = pg_current_xact_id_if_assigned()::xid)"
        same = f"EXISTS (SELECT FROM {shown or self._view} v WHERE {self.same()})"
        return f"IF {ours} THEN IF NOT {same} THEN RETURN NULL; END IF; END IF;"

    def seen(self) -> str:
        """Whether the old application would see the row now, by its key."""
        same = " AND ".join(f"v.{ident(key)} = OLD.{ident(key)}" for key in self.member.key)
        return f"EXISTS (SELECT FROM {self._view} v WHERE {same})"

    def same(self) -> str:
        """Whether `v` is OLD to the letter."""
        columns = self.member.table.columns
        return " AND ".join(f"NOT ({differs(c, f'v.{ident(c.name)}', f'OLD.{ident(c.name)}')})" for c in columns)

    @property
    def _view(self) -> str:
        return view_name(self.plan, self.member.table).sql

    def _changed(self, asides: bool) -> str:
        """Whether another transaction made one of the new rows what it is since the statement read it."""
        since = _function(self.plan, "ecluse_since").sql
        asked = [f"SELECT FROM {self.anchors} WHERE {since}({self.row}.xmin)"]
        for member in self.flow.new.satellites:
            if member.placed or (asides and member.role == "aside"):
                asked.append(f"SELECT FROM {self._hanging(member)} WHERE {since}(m.xmin)")
        return f"({' OR '.join(f'EXISTS ({each})' for each in asked)})"

    def _hanging(self, member: Member) -> str:
        return f"(SELECT {self.row}.* FROM {self.anchors}) a JOIN {self.at.sql(member.alias)} m ON {member.join}"
