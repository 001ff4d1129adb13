"""The two ends of a move: a session in its origin, and one in the database of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ecluse.engine import prepare
from ecluse.engine.context import Connection, Run
from ecluse.engine.moving.relay import relay
from ecluse.model.flow import Member
from ecluse.model.plan import Move
from ecluse.planning.flow_sql import UNITS


@dataclass(frozen=True, slots=True)
class Ends:
    """`there`: the origin, where the old table stands; `here`: where the new one is."""

    there: Connection
    here: Connection

    def units_here(self) -> None:
        """Take the units in hand there in hand here as well."""
        _send_units(self.there, self.here)

    def units_there(self) -> None:
        """Take the units in hand here in hand there as well."""
        _send_units(self.here, self.there)


def types_of(member: Member) -> tuple[str, ...]:
    """The types of the columns that are written."""
    return tuple(column.type for column in member.table.columns if column.written)


def _send_units(source: Connection, target: Connection) -> None:
    target.execute(f"DELETE FROM {UNITS}")
    relay(source, f"SELECT unit FROM {UNITS}", target, f"{UNITS} (unit)", ("text",))


def execute_there(run: Run, move: Move, what: str, statements: Iterable[str]) -> None:
    """Run statements that take locks, all in one transaction in the origin."""

    def attempt(there: Connection) -> None:
        for statement in statements:
            there.execute(statement)

    with run.session(what, move.origin) as there:
        prepare.with_locks(run, there, what, attempt)


@contextmanager
def both(run: Run, here: Connection, move: Move, what: str) -> Iterator[Ends]:
    """A session in the origin, beside one that is open here."""
    with run.session(what, move.origin) as there:
        yield Ends(there, here)
