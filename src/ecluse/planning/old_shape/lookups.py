"""What a write through the old shape looks up in rosters. Pure text.

A roster that is live says what the old tables are: after the switch that is what their views show, beside the rows in
quarantine, which stay what they were. Any other says what was decided once, and decides of rows that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ecluse.model.flow import ONLY, Flow, Member, Roster, fill
from ecluse.model.names import ident, literal
from ecluse.model.plan import Plan
from ecluse.planning import flow_sql, roster_sql
from ecluse.planning.old_shape import views
from ecluse.planning.old_shape.place import mapped_tables, places


@dataclass(frozen=True, slots=True)
class Written:
    """A write that is looked at as if it had been done: the row that comes, and a condition over `s` that one goes."""

    comes: str = ""
    goes: str = ""


_NOTHING = Written()


def as_they_are(plan: Plan, run: int, flow: Flow, image: Callable[[Member], str]) -> dict[str, str]:
    """The live rosters that a flow follows, as relations, by alias.

    `image` gives the rows of an old member that are written, empty where none are.
    """
    found = {}
    for roster in plan.rosters:
        asked = [
            f"SELECT x.{ident(follow.column)} FROM {rows} x"
            for follow in flow.follows
            if follow.roster == roster.alias and (rows := image(flow.member(follow.member)))
        ]
        if roster.live and asked:
            found[roster.alias] = now(plan, run, roster, " UNION ".join(asked))
    return found


def now(plan: Plan, run: int, roster: Roster, asked: str, written: Written = _NOTHING) -> str:
    """What a live roster says of the keys that a query gives, as a relation."""
    only = f"m.{ident(roster.column)} = ANY (ARRAY({asked}))"
    return _rule(plan, roster, {ONLY: only, roster.source: _rows(plan, run, roster, written)})


def decide(plan: Plan, run: int, member: Member, image: str, operation: str) -> Iterator[str]:
    """Let the rosters of a table decide of a row that they do not know yet, beside all others."""
    for roster in plan.rosters:
        if roster.live or roster.source != member.alias:
            continue
        key, mine = ident(roster.column), ident(roster.key[0])
        goes = f"s.{key} IS NOT DISTINCT FROM OLD.{key}" if operation == "UPDATE" else ""
        relations = {
            ONLY: " OR ".join(
                [f"m.{key} = NEW.{key}", *(f"{kin} IN (SELECT {kin} FROM {image} m)" for kin in roster.kin)]
            ),
            roster.source: _rows(plan, run, roster, Written(image, goes)),
        }
        # What it was given is what was there when the run began; the row is new.
        relations |= {table.alias: f"({table.query})" for table in plan.inputs if table.alias == roster.given}
        names = flow_sql.column_list((roster.key[0], *roster_sql.columns(roster)))
        yield (
            f"IF NOT EXISTS (SELECT FROM {roster.name.sql} r WHERE r.{mine} = NEW.{key}) THEN "
            f"INSERT INTO {roster.name.sql} ({names}) SELECT {names} FROM {_rule(plan, roster, relations)} j "
            f"WHERE j.{mine} = NEW.{key}; END IF;"
        )


def _rows(plan: Plan, run: int, roster: Roster, written: Written) -> str:
    """The rows that a roster is about, as if something had been written: those shown, and the quarantine."""
    flow, source = next((f, m) for f, m in mapped_tables(plan) if m.alias == roster.source)
    listed = flow_sql.column_list(tuple(column.name for column in source.table.columns), "s.")
    held = (
        f"SELECT FROM {flow_sql.JOURNAL}.quarantine q WHERE q.run = {run} AND q.flow = {literal(flow.name)} "
        f"AND q.alias = {literal(source.alias)} AND q.state <> 'carried' AND q.key = {flow_sql.key_text(source, 's')}"
    )
    kept = source.table.name.within(plan.kept_schema).sql
    left = f" WHERE NOT ({written.goes})" if written.goes else ""
    added = f" UNION ALL SELECT {listed} FROM {written.comes} s" if written.comes else ""
    return (
        f"(SELECT {listed} FROM ({views.rows(plan, source)}) s{left} "
        f"UNION ALL SELECT {listed} FROM {kept} s WHERE EXISTS ({held}){added})"
    )


def _rule(plan: Plan, roster: Roster, relations: dict[str, str]) -> str:
    at = places(plan)
    return f"({fill(roster.select, lambda alias: relations.get(alias) or at.sql(alias))})"
