"""What the old shape itself asks of a row that is written: defaults, its own checks, and a place in the new shape."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Table
from ecluse.model.flow import Member
from ecluse.model.names import ident, literal
from ecluse.model.plan import Plan
from ecluse.operations.expressions import rewrite
from ecluse.planning import held_sql
from ecluse.planning.old_shape import lookups, views
from ecluse.planning.old_shape.images import Images, row


def refuse(table: Table, condition: str, code: str, message: str, column: str = "") -> str:
    """Raise where a condition holds."""
    about = f", COLUMN = {literal(column)}" if column else ""
    return (
        f"IF {condition} THEN RAISE EXCEPTION USING ERRCODE = {literal(code)}, MESSAGE = {literal(message)}, "
        f"SCHEMA = {literal(table.name.schema)}, TABLE = {literal(table.name.name)}{about}; END IF;"
    )


class Given:
    """The row NEW of an old table, before anything is written."""

    def __init__(self, plan: Plan, run: int, member: Member, images: Images) -> None:
        self.plan, self.run, self.member, self.images = plan, run, member, images
        self.table = member.table

    def complete(self) -> Iterator[str]:
        """Complete NEW as the old table would, and refuse what it would refuse."""
        for column in self.table.columns:
            name = ident(column.name)
            if views.numbered(self.plan, self.table, column):
                number = views.next_number(self.plan, self.table, column)
                yield f"IF NEW.{name} IS NULL THEN NEW.{name} := {number}; END IF;"
            if column.generated:
                text = rewrite(column.default or "NULL", lambda found: f"NEW.{ident(found.column)}")
                yield f"NEW.{name} := ({text});"
            if column.identity == "a":
                yield refuse(
                    self.table,
                    f"TG_OP = 'UPDATE' AND OLD.{name} IS DISTINCT FROM NEW.{name}",
                    "generated_always",
                    f'column "{column.name}" can only be updated to DEFAULT, which its view cannot do',
                    column.name,
                )
        for column in self.table.columns:
            if column.not_null and not column.generated:
                yield refuse(
                    self.table,
                    f"NEW.{ident(column.name)} IS NULL",
                    "not_null_violation",
                    f'null value in column "{column.name}" of relation "{self.table.name.name}" '
                    "violates not-null constraint",
                    column.name,
                )
        for constraint in self.table.constraints:
            found = held_sql.check_of(constraint)
            if found and set(constraint.columns) <= {c.name for c in self.table.columns}:
                condition = rewrite(found, lambda found: f"NEW.{ident(found.column)}")
                yield refuse(
                    self.table,
                    f"({condition}) IS FALSE",
                    "check_violation",
                    f'new row for relation "{self.table.name.name}" violates check constraint "{constraint.name}"',
                )

    def judged(self) -> Iterator[str]:
        """Let rosters decide of a row that is new to them, and refuse what the new shape has no place for."""
        image = row(self.table, "NEW")
        for operation in ("INSERT", "UPDATE"):
            if said := list(lookups.decide(self.plan, self.run, self.member, image, operation)):
                yield "\n".join([f"IF TG_OP = {literal(operation)} THEN", *said, "END IF;"])
        if self.member.rejects:
            yield "IF TG_OP <> 'DELETE' THEN"
            for reject in self.member.rejects:
                condition = self.images.judged(reject.condition)
                yield refuse(
                    self.table,
                    f"EXISTS (SELECT FROM {image} m WHERE ({condition}) IS TRUE)",
                    "check_violation",
                    f'the new shape cannot hold this row of "{self.table.name.name}": {reject.reason}',
                    reject.column,
                )
            yield "END IF;"
