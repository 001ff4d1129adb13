"""The dry run: what a run would do with every row, counted by the SQL that would do it. Nothing is changed.

Each database is read in one transaction that is READ ONLY and at one snapshot, so the server itself refuses a write, of
a function that a mapping calls as well. Rosters and id maps are filled in temporary tables of the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from ecluse.engine import prepare
from ecluse.engine.context import Connection
from ecluse.engine.moving.planning import unknown_origin
from ecluse.model.flow import Flow, Member
from ecluse.model.names import Name
from ecluse.model.plan import Plan
from ecluse.model.report import Arrival, Disposition, DryRun, Uncounted
from ecluse.planning import dry_run_sql, flow_sql, roster_sql
from ecluse.planning.elsewhere import elsewhere
from ecluse.planning.flow_sql import Places
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.failures import translate

_NOTHING = "nothing was changed"


def dry_run(database: Database, plan: Plan, origins: Callable[[str], Database] = unknown_origin) -> DryRun:
    """Count what a run of this plan would do with the rows. Takes ACCESS SHARE locks only, for as long as it reads.

    Of a table of which the mapping fails, it is told why. Raises what connecting raises.
    """
    beside = dry_run_sql.beside(plan)
    at = flow_sql.places(beside, switched=False)
    refusing = frozenset(r.reason for f in plan.flows for m in f.old.members for r in m.rejects if r.refuse)
    with _reading(database, beside) as conn:
        asker = _Asker(conn, at, refusing, _ways(plan))
        why = _fill(conn, beside, at)
        found = [asker.flow(flow, why) for flow in plan.flows]
        archived = {str(table.name): asker.one(f"SELECT count(*) FROM {table.name.sql}") for table in plan.archives}
    for origin in dict.fromkeys(move.origin for move in plan.moves):
        with _reading(origins(origin)) as there:
            asker = _Asker(there, at, refusing)
            found += [_from(origin, asker.flow(move.flow)) for move in plan.moves if move.origin == origin]
    return DryRun(
        tuple(d for each in found for d in each.dispositions),
        tuple(a for each in found for a in each.arrivals),
        tuple(u for each in found for u in each.uncounted),
        archived,
    )


def _ways(plan: Plan) -> tuple[frozenset[Name], ...]:
    """The enums that mappings are asked with as types of the session: those that are not there; then, all.

    An old column of a type that gets labels is of the type as it is: only what casts texts can do with another.
    """
    made = frozenset(enum.name for enum in plan.enums if enum.made)
    extended = frozenset(enum.name for enum in plan.enums if enum.added)
    return (made, made | extended) if extended else (made,)


@contextmanager
def _reading(database: Database, plan: Plan | None = None) -> Iterator[Connection]:
    """A session in a read-only transaction at one snapshot, with the empty tables that a plan fills beside."""
    with open_session(database, role="dry run") as conn:
        try:
            for statement in dry_run_sql.make_beside(plan) if plan else ():
                conn.execute(statement.encode())
            conn.execute("SET random_page_cost = 1.1")  # as in the copy: what is looked up has just been written
            with conn.transaction(force_rollback=True):
                conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield conn
        except psycopg.Error as error:
            raise translate(error, _NOTHING) from None


def _fill(conn: Connection, plan: Plan, at: Places) -> str:
    """Fill the inputs and rosters; why that cannot be done, where it cannot: a plan that is refused is counted too."""
    try:
        with conn.transaction():
            for table in plan.inputs:
                prepare.load_input(conn, table)
            for roster in plan.rosters:
                conn.execute(roster_sql.refill(roster, at).encode())
                conn.execute(f"ANALYZE {roster.name.sql}".encode())
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        return translate(error).message
    return ""


# --- one flow -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks the questions of a flow, in a session. `refusing`: reasons for which a row is refused."""

    conn: Connection
    at: Places
    refusing: frozenset[str]
    ways: tuple[frozenset[Name], ...] = (frozenset(),)

    def flow(self, flow: Flow, why: str = "") -> DryRun:
        """`why`: what the mapping looks up could not be made, so that only the rows are counted."""
        there = [self.one(dry_run_sql.rows_in(member, self.at)) for member in flow.old.members]
        for types in self.ways if not why else ():
            try:
                with self.conn.transaction():
                    return self._counted(flow, there, types)
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:
                why = why or translate(error).message
        names = (str(member.table.name) for member in flow.old.members)
        return DryRun(uncounted=tuple(Uncounted(name, rows, why) for name, rows in zip(names, there, strict=True)))

    def _counted(self, flow: Flow, there: list[int], types: frozenset[Name]) -> DryRun:
        arrivals = tuple(self._arrival(flow, member, types) for member in flow.new.members)
        dispositions = tuple(
            self._disposition(flow, member, (rows, arrivals[0].rows), types)
            for member, rows in zip(flow.old.members, there, strict=True)
        )
        seen = (a for a, m in zip(arrivals, flow.new.members, strict=True) if m.role != "aside")
        return DryRun(dispositions, tuple(seen))

    def _arrival(self, flow: Flow, member: Member, types: frozenset[Name]) -> Arrival:
        query, columns = dry_run_sql.arriving(flow, member, self.at)
        ((rows, *nulls),) = self._rows(query, types)
        found = {name: number for name, number in zip(columns, nulls, strict=True) if number}
        return Arrival(str(member.table.name), rows, member.role == "joins", found)

    def _disposition(self, flow: Flow, member: Member, rows: tuple[int, int], types: frozenset[Name]) -> Disposition:
        """`rows` are those of the old table and of the new anchor.

        As in the account of a proof, merged are the rows beyond one for each new anchor row.
        """
        query = dry_run_sql.held(flow, member, self.at)
        held = {str(why): int(number) for why, number in self._rows(query, types)} if query else {}
        refusals = {why: number for why, number in held.items() if why in self.refusing}
        reasons = {why: number for why, number in held.items() if why not in self.refusing}
        given = self.one(dry_run_sql.accepted(flow, member, self.at), types)
        carried = min(given, rows[1]) if member is flow.old.anchor else given
        name, numbers = str(member.table.name), (rows[0], carried, given - carried)
        return Disposition(name, *numbers, sum(reasons.values()), sum(refusals.values()), reasons, refusals)

    def one(self, query: str, types: frozenset[Name] = frozenset()) -> int:
        """The one number that a query gives."""
        return int(self._rows(query, types)[0][0])

    def _rows(self, query: str, types: frozenset[Name]) -> list[tuple[Any, ...]]:
        text = elsewhere(query, set(types), dry_run_sql.SESSION) if types else query
        return self.conn.execute(text.encode()).fetchall()


def _from(origin: str, found: DryRun) -> DryRun:
    return replace(found, dispositions=tuple(replace(d, origin=origin) for d in found.dispositions))
