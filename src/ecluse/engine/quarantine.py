"""Quarantine: rows that cannot be carried, kept whole with the reason; listed, exported, retried, discarded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import psycopg

from ecluse.engine import drain, journal, prepare
from ecluse.engine.context import Connection, Run
from ecluse.errors import ValueRefused, WrongState
from ecluse.model.flow import Flow, InputTable, Member
from ecluse.model.names import ident, literal
from ecluse.model.report import Event
from ecluse.planning import flow_sql
from ecluse.postgres.failures import translate


@dataclass(frozen=True, slots=True)
class Held:
    """A row that is set aside. `row` is column -> canonical text; it is shown only when values are asked for.

    `place`: quarantine (cannot be carried) or parked (written in the new shape, and the old cannot hold it).
    """

    id: int
    place: str
    migration: str
    run: int
    source: str
    key: str
    reason: str
    state: str
    at: str
    row: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Retried:
    """What a retry came to."""

    tried: int
    carried: int
    still_held: int


_LISTING = """
SELECT q.id, 'quarantine', r.migration, q.run, q.source, q.key, q.reason, q.state, q.at::text, q.row
FROM ecluse.quarantine q JOIN ecluse.run r ON r.id = q.run
WHERE (%(migration)s::text IS NULL OR r.migration = %(migration)s) AND r.status <> 'rolled_back'
UNION ALL
SELECT p.id, 'parked', r.migration, p.run, p.source, p.key, p.reason, 'held', p.at::text, p.row
FROM ecluse.parked p JOIN ecluse.run r ON r.id = p.run
WHERE %(migration)s::text IS NULL OR r.migration = %(migration)s
ORDER BY 2, 1
"""


def listing(conn: Connection, migration: str | None = None) -> Iterator[Held]:
    """Everything that is set aside, of one migration or of all, in the order in which it came."""
    for row in conn.execute(_LISTING, {"migration": migration}):
        yield Held(*row)


_OF_RUN = """
SELECT q.id, 'quarantine', r.migration, q.run, q.source, q.key, q.reason, q.state, q.at::text, q.row
FROM ecluse.quarantine q JOIN ecluse.run r ON r.id = q.run WHERE q.run = %(run)s
UNION ALL
SELECT p.id, 'parked', r.migration, p.run, p.source, p.key, p.reason, 'held', p.at::text, p.row
FROM ecluse.parked p JOIN ecluse.run r ON r.id = p.run WHERE p.run = %(run)s
ORDER BY 2, 1 LIMIT %(most)s
"""


def of_run(conn: Connection, run: int, most: int) -> Iterator[Held]:
    """The first rows that one run set aside, also where it was rolled back since."""
    for row in conn.execute(_OF_RUN, {"run": run, "most": most}):
        yield Held(*row)


def export(conn: Connection, out: TextIO, migration: str | None = None) -> int:
    """Write one JSON object a line, values included; returns how many."""
    count = 0
    for held in listing(conn, migration):
        entry = {
            "id": held.id,
            "place": held.place,
            "migration": held.migration,
            "table": held.source,
            "key": held.key,
            "reason": held.reason,
            "state": held.state,
            "at": held.at,
            "row": held.row,
        }
        out.write(json.dumps(entry, ensure_ascii=False) + "\n")
        count += 1
    return count


def discard(conn: Connection, run: int, ids: Sequence[int]) -> int:
    """Mark rows as given up: they stay in the account and in the archive, and are not tried again.

    Raises WrongState where one of them is not held.
    """
    _require_held(conn, run, ids)
    return conn.execute(
        "UPDATE ecluse.quarantine SET state = 'discarded' WHERE run = %s AND id = ANY(%s::bigint[]) AND state = 'held'",
        (run, list(ids)),
    ).rowcount


def refuse_held(run: Run, conn: Connection) -> None:
    """Raise ValueRefused where rows are held that the migration does not agree to leave behind."""
    members = {m.alias: m for flow in run.plan.flows for m in flow.old.members}
    reasons = [reject.reason for member in members.values() for reject in member.rejects if reject.refuse]
    if not reasons:
        return
    rows = conn.execute(
        "SELECT source, reason, count(*) FROM ecluse.quarantine WHERE run = %s AND state = 'held' "
        "AND reason = ANY (%s) GROUP BY 1, 2 ORDER BY 1, 2",
        (run.id, reasons),
    ).fetchall()
    if rows:
        migration = run.plan.migration
        raise ValueRefused(
            "rows that were written since the plan have values that it refuses",
            details="\n".join(f"{count:,} rows of {source}: {reason}" for source, reason, count in rows),
            hint=f"correct the rows, or add their values to the map and: ecluse quarantine retry {migration}\n"
            f"then: ecluse apply {migration}",
        )


def tell_growth(run: Run, conn: Connection, step: str) -> None:
    """Warn of rows that went to quarantine since the last proof counted them: somebody may have sent them there."""
    counted = {account.table: account.quarantined for account in journal.last_accounts(conn, run.id)}
    rows = conn.execute(
        "SELECT source, count(*) FROM ecluse.quarantine WHERE run = %s AND state <> 'carried' GROUP BY 1 ORDER BY 1",
        (run.id,),
    )
    for source, count in rows.fetchall():
        more = int(count) - counted.get(source, 0)
        if counted and more > 0:
            told = f"{more:,} more rows of {source} are in quarantine than the last proof counted"
            run.emit(Event("warn", step, f"{told}: ecluse quarantine list {run.plan.migration}"))


def _require_held(conn: Connection, run: int, ids: Sequence[int]) -> None:
    """Raise WrongState, naming each, where rows that were asked for by number are not held."""
    rows = conn.execute("SELECT id, state FROM ecluse.quarantine WHERE run = %s AND id = ANY (%s)", (run, list(ids)))
    states = dict(rows.fetchall())
    wrong = [
        f"{number}: {states.get(number, 'there is no such row')}" for number in ids if states.get(number) != "held"
    ]
    if wrong:
        raise WrongState(
            f"{len(wrong)} of the rows that were asked for are not held",
            details="\n".join(wrong),
            hint="which are: ecluse quarantine list",
            state="nothing was changed",
        )


# --- retry ------------------------------------------------------------------------------------------


def retry(
    run: Run, conn: Connection, status: str, ids: Sequence[int] | None = None, inputs: Sequence[InputTable] = ()
) -> Retried:
    """Try the held rows again, as the old table and the id maps are now; rows of `inputs` are added to these first.

    Before the switch their units are simply drained again. After it, a row of the kept table that has become
    acceptable is mapped on its own into the new tables, where the reverse capture sees it like any other write.
    Raises WrongState where one that was asked for by number is not held.
    """
    _require_held(conn, run.id, ids or ())
    with conn.transaction():
        for table in inputs:
            prepare.add_input(conn, table)
    tried = _held(conn, run, ids)
    if status == "switched":
        _refuse_settled(run, {name for name, _, _ in tried})
    elif run.plan.rosters and status == "ready":
        # A row that was corrected is judged again by the drain, with those whose fate depends on it.
        drain.drain(run, conn, drain.FORWARD, run.building)
    for flow in run.plan.flows:
        units = sorted({unit for name, unit, _ in tried if name == flow.name and unit is not None})
        if not units:
            continue
        if status == "switched":
            _after(run, conn, flow, units)
        else:
            _before(run, conn, flow, units)
    left = len(_held(conn, run, ids, among=[key for _, _, key in tried]))
    return Retried(len(tried), len(tried) - left, left)


def _refuse_settled(run: Run, held: set[str]) -> None:
    """Raise WrongState where all that is held hangs on who became whom, which is settled with the switch."""
    given = {roster.alias for roster in run.plan.rosters if roster.given}
    if held and held <= {flow.name for flow in run.plan.flows if any(f.roster in given for f in flow.follows)}:
        raise WrongState(
            "what became of each user was settled by the switch: users in quarantine, and their rows, stay there",
            hint=f"make their accounts with the auth service; or: ecluse rollback {run.plan.migration}, correct them, "
            "and apply again",
            state="nothing was changed",
        )


def _held(
    conn: Connection, run: Run, ids: Sequence[int] | None, among: list[str] | None = None
) -> list[tuple[str, str | None, str]]:
    rows = conn.execute(
        "SELECT flow, unit, alias || ' ' || key FROM ecluse.quarantine WHERE run = %(run)s AND state = 'held' "
        "AND (%(among)s::text[] IS NOT NULL OR %(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[])) "
        "AND (%(among)s::text[] IS NULL OR alias || ' ' || key = ANY(%(among)s::text[]))",
        {"run": run.id, "ids": list(ids) if ids is not None else None, "among": among},
    )
    return [(flow, unit, key) for flow, unit, key in rows]


def _take_units(conn: Connection, units: list[str]) -> None:
    conn.execute(f"DELETE FROM {flow_sql.UNITS}")
    conn.execute(f"INSERT INTO {flow_sql.UNITS} SELECT unnest(%s::text[])", (units,))


def _before(run: Run, conn: Connection, flow: Flow, units: list[str]) -> None:
    at = run.building
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _take_units(conn, units)
        few = run.prepared.settle(conn, len(units), locked=False)
        drain.rebuild(run, conn, flow, at, drain.FORWARD, few=few)


def _after(run: Run, conn: Connection, flow: Flow, units: list[str]) -> None:
    """Insert what the mapping makes of the held rows that are acceptable now; a unit that collides stays held."""
    at = run.switched
    for unit in units:
        try:
            with conn.transaction():
                _take_units(conn, [unit])
                rows = _held_and_accepted(run, flow, flow.old.anchor, at)
                if not conn.execute(f"SELECT 1 FROM {rows} m").fetchone():
                    continue
                for member in flow.new.members:
                    conn.execute(flow_sql.insert(member, at, flow_sql.mapped(member, flow.old, at, rows)))
                conn.execute(
                    "UPDATE ecluse.quarantine SET state = 'carried' WHERE run = %s AND flow = %s AND unit = %s "
                    "AND state = 'held'",
                    (run.id, flow.name, unit),
                )
        except psycopg.errors.IntegrityError as error:
            known = translate(error)
            conn.execute(
                "UPDATE ecluse.quarantine SET reason = reason || %s WHERE run = %s AND flow = %s AND unit = %s",
                (f"; tried again: {known.message}", run.id, flow.name, unit),
            )


def _held_and_accepted(run: Run, flow: Flow, member: Member, at: flow_sql.Places) -> str:
    rows = flow_sql.rows_of_units(flow.old, at)
    return (
        f"(SELECT m.* FROM {rows} m JOIN ecluse.quarantine q ON q.run = {run.id} AND q.flow = {literal(flow.name)} "
        f"AND q.alias = {literal(member.alias)} AND q.state = 'held' AND q.key = {flow_sql.key_text(member)})"
    )


def summary(conn: Connection, run: int) -> dict[str, Any]:
    """How many rows are set aside, by table and reason."""
    found: dict[str, Any] = {"quarantine": {}, "parked": {}}
    for place in found:
        rows = conn.execute(
            f"SELECT source, reason, count(*) FROM ecluse.{ident(place)} WHERE run = %s GROUP BY 1, 2 ORDER BY 1, 2",
            (run,),
        )
        for source, reason, count in rows:
            found[place].setdefault(source, {})[reason] = int(count)
    return found
