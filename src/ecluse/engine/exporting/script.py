"""An exported migration: what the engine would do, in one transaction under lock, for whoever must run it otherwise.

Nothing is captured, because nobody writes: the old tables are locked first of all. So there is one copy instead of
copy, repair and drain; and the checks (counts, and sums of hashes both ways) stand in the same transaction, before the
switch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pglast

from ecluse.engine import build, rollback
from ecluse.engine.archive import drop_name
from ecluse.engine.context import Connection, Run
from ecluse.engine.exporting import checks
from ecluse.errors import CannotExport
from ecluse.model.flow import Flow, Member
from ecluse.model.names import ident, literal
from ecluse.model.plan import Define, Plan, SqlChange
from ecluse.planning import ddl_objects, ddl_table, dry_run_sql, enum_sql, flow_sql, roster_sql, switch_sql
from ecluse.planning.elsewhere import prebuilt
from ecluse.postgres.connect import session_pins
from ecluse.proof.pairs import Scope, pairs

_LOCK_TIMEOUT = "10s"  # longer than the engine's: nothing is tried again
# Of a session and not of a transaction, or not known to every version.
_NOT_OURS = (
    "client_encoding",
    "default_transaction_isolation",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
_JOURNAL = re.compile(rf"""\b{flow_sql.JOURNAL}"?\s*\.\s*"?\w""")


@dataclass(frozen=True, slots=True)
class Piece:
    """Statements that belong into one transaction, and no other with them."""

    name: str  # a word for file names
    title: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """The pieces in order; the way back in one transaction, None where there is none; and the end of the old shape."""

    pieces: tuple[Piece, ...]
    rollback: Piece | None
    finish: Piece | None


def export(plan: Plan, conn: Connection) -> Exported:
    """The script of a plan. `conn` is asked what the tables are, word for word, and for nothing else.

    Raises CannotExport, naming all that no script can do.
    """
    _refuse(plan)
    question = checks.defined(plan)
    parts = [str(part) for (part,) in conn.execute(question.encode())] if question else []
    maker = _Maker(plan, {**session_pins(plan.server_version), "lock_timeout": _LOCK_TIMEOUT})
    labels = tuple(sql for enum in plan.enums if enum.added for sql in enum_sql.extend(enum))
    pieces = [Piece("labels", "add labels to enums: no transaction can use a label that it adds", labels)]
    pieces.append(maker.main(parts))
    for number, script in enumerate((s for s in plan.scripts if s.phase == "after"), 1):
        statements = (maker.pin, *maker.own([script.up]), *maker.probes((), (script,)))
        pieces.append(Piece(f"after_{number}", script.title, statements))
    return Exported(tuple(p for p in pieces if p.statements), maker.rollback(), maker.finish())


def _refuse(plan: Plan) -> None:
    found = [f"{move.old.table.name} comes from '{move.origin}': no script reaches two servers" for move in plan.moves]
    found += [
        f"rows join {m.table.name}, which is another's and is written to meanwhile: that needs a capture"
        for m in plan.joining
    ]
    found += [f"'{t.alias}' is read from the database when a run begins" for t in plan.inputs if t.query]
    scripts = [(d.title, d.up + d.verify + d.down) for d in plan.defines]
    scripts += [(s.title, s.up + s.verify + (s.down or "")) for s in plan.scripts]
    found += [f"'{title}' asks the journal, which a script has not" for title, text in scripts if _JOURNAL.search(text)]
    if plan.old_shape_for:
        roles = ", ".join(plan.old_shape_for)
        found.append(
            f"{roles} would go on using the old shape: its views need the engine to be made, counted and retired"
        )
    if found:
        raise CannotExport(
            f"'{plan.migration}' cannot be exported, for {len(found)} reason" + ("s" if len(found) > 1 else ""),
            details="\n".join(found),
            hint=f"ecluse apply {plan.migration}",
            state="nothing was changed, and nothing was written",
        )


@dataclass(frozen=True, slots=True)
class _Maker:
    plan: Plan
    pins: dict[str, str]

    @property
    def pin(self) -> str:
        return checks.pin({name: value for name, value in self.pins.items() if name not in _NOT_OURS})

    @property
    def beside(self) -> Plan:
        return dry_run_sql.beside(self.plan)

    @property
    def run(self) -> Run:
        return Run(0, self.beside, _no_session, lambda _: None)

    # --- forward --------------------------------------------------------------------------------------

    def main(self, parts: list[str]) -> Piece:
        plan = self.plan
        _, used = switch_sql.lock_order(plan, switched=False)
        statements = [self.pin]
        statements += [checks.lock(used)] if used else []
        statements += [checks.as_exported(plan, parts)] if parts else []
        statements += [sql for enum in plan.enums if enum.made for sql in enum_sql.create(enum)]
        statements += self.own(s.up for s in plan.scripts if s.phase == "before")
        statements += [f"CREATE SCHEMA {ident(schema)}" for schema in (plan.next_schema, plan.kept_schema)]
        statements += self.looked_up(self.run.building)
        for flow in plan.flows:
            statements += self.built(flow)
        for view in plan.views:
            if view.name in plan.prebuilt:
                statements += ddl_objects.view_sql(prebuilt(plan, view), plan.default_grantees)
        for flow in plan.flows:
            statements += self.proved(flow)
        statements += self.switch()
        return Piece("migrate", "lock, build, check and switch, in one transaction", tuple(statements))

    def looked_up(self, at: flow_sql.Places) -> Iterator[str]:
        """The rosters and id maps, as tables of the session."""
        yield from dry_run_sql.make_tables(self.beside)
        for table in self.beside.inputs:
            columns = flow_sql.column_list(tuple(name for name, _ in table.columns))
            rows = ",\n  ".join(f"({', '.join(map(literal, row))})" for row in table.rows)
            if rows:
                yield f"INSERT INTO {table.name.sql} ({columns}) VALUES\n  {rows}"
        for roster in self.beside.rosters:
            yield roster_sql.refill(roster, at)
            yield f"ANALYZE {roster.name.sql}"

    def built(self, flow: Flow) -> Iterator[str]:
        """The new tables of a flow with their rows, then indexes, constraints and rights."""
        at, plan = self.run.building, self.plan
        rows = flow_sql.rows_all(flow.old.anchor, at)
        for member in flow.new.members:
            yield ddl_table.create_table(member.table, plan.next_schema)
            yield flow_sql.insert(member, at, flow_sql.mapped(member, flow.old, at, rows))
        for member in flow.new.members:
            first, after = build.index_tasks(self.run, member)
            yield from (*first, *after)
            if member.placed:
                yield from ddl_table.table_settings(member.table, plan.next_schema, plan.default_grantees)
                sequences = (member.table, plan.sequences, plan.next_schema, plan.default_grantees)
                yield from ddl_objects.sequences_of(*sequences)
            yield f"ANALYZE {member.table.name.within(plan.next_schema).sql}"

    def proved(self, flow: Flow) -> Iterator[str]:
        """Counts, and both directions, before anything is switched."""
        at = self.run.building
        refusing = {r.reason for f in self.plan.flows for m in f.old.members for r in m.rejects if r.refuse}
        found = pairs(flow, Scope(at, (), {}, 1))
        back = {pair.table: pair.right for pair in found if pair.direction == "inverse"}
        for member in flow.old.members:
            name, held = str(member.table.name), dry_run_sql.held(flow, member, at)
            if held:
                yield checks.tell_held(name, held, refusing)
            yield checks.conserved(name, dry_run_sql.rows_in(member, at), held, back[name])
        yield from map(checks.equal, found)

    def switch(self) -> Iterator[str]:
        plan = self.plan
        yield from _without_capture(switch_sql.leave(plan, 0))
        yield from switch_sql.arrive(plan)
        for was, column, now, becomes in switch_sql.identity_columns(plan):
            yield checks.carry_identity((was.within(plan.kept_schema), column), (now, becomes))
        yield from self.own(d.up for d in plan.defines if d.up)
        yield from self.own(s.up for s in plan.scripts if s.phase == "switch")
        yield from switch_sql.validate_keys((*plan.foreign_keys, *plan.outside_keys))
        yield from self.probes(plan.defines, tuple(s for s in plan.scripts if s.phase != "after"))
        yield from self.dropped_beside()
        yield from self.dropped_next(m for f in plan.flows for m in f.new.members if not m.placed)
        about = f"the old shape of '{plan.migration}', exported by Écluse, plan {plan.fingerprint}"
        yield f"COMMENT ON SCHEMA {ident(plan.kept_schema)} IS {literal(about)}"

    def dropped_beside(self) -> Iterator[str]:
        yield from (f"DROP TABLE {name.sql}" for name in self.beside.loaded)

    def dropped_next(self, members: Iterable[Member]) -> Iterator[str]:
        """The next schema with what is left in it. No CASCADE: what somebody made on it is not ours to drop."""
        names = ", ".join(member.table.name.within(self.plan.next_schema).sql for member in members)
        if names:
            yield f"DROP TABLE {names}"
        yield f"DROP SCHEMA {ident(self.plan.next_schema)}"

    def own(self, scripts: Iterable[str]) -> Iterator[str]:
        """A user's scripts, statement by statement, under the search_path that the database gives them."""
        for script in scripts:
            statements = pglast.split(script)
            if statements:
                yield "SET LOCAL search_path TO DEFAULT"
                yield from statements
                yield "SELECT pg_catalog.set_config('search_path', '', true)"

    def probes(self, defines: tuple[Define, ...], scripts: tuple[SqlChange, ...]) -> Iterator[str]:
        """What the migration says of itself, tried and taken back."""
        found = [checks.probe(d.title, d.verify, answer=False) for d in defines if d.verify]
        found += [checks.probe(s.title, s.verify, answer=True) for s in scripts if s.verify]
        if found:
            yield "SET LOCAL search_path TO DEFAULT"
            yield from found
            yield "SELECT pg_catalog.set_config('search_path', '', true)"

    # --- and back -------------------------------------------------------------------------------------

    def rollback(self) -> Piece | None:
        """Everything as it was, where nothing was written since; what was written since refuses it."""
        plan = self.plan
        if any(s.down is None for s in plan.scripts):
            return None
        at = flow_sql.places(self.beside, switched=True)
        kept, used = switch_sql.lock_order(plan, switched=True)
        statements = [self.pin]
        statements += [checks.lock((*kept, *used))] if kept or used else []
        statements += self.unwritten(at)
        statements.append(f"CREATE SCHEMA {ident(plan.next_schema)}")
        statements += self.own(s.down or "" for s in reversed(plan.scripts) if s.phase == "after")
        statements += _without_capture(switch_sql.withdraw(plan, 0))
        statements += switch_sql.come_back(plan)
        for was, column, now, becomes in switch_sql.identity_columns(plan):
            statements.append(checks.carry_identity((now.within(plan.next_schema), becomes), (was, column)))
        statements += switch_sql.validate_before(plan)
        statements += self.dropped_next(switch_sql.visible(plan))
        statements.append(f"DROP SCHEMA {ident(plan.kept_schema)}")
        statements += self.own(s.down or "" for s in reversed(plan.scripts) if s.phase == "before")
        statements += [enum_sql.drop(enum.name) for enum in reversed(plan.enums) if enum.made]
        return Piece(
            "rollback", "the old shape comes back; refused where the new one has been written to", tuple(statements)
        )

    def unwritten(self, at: flow_sql.Places) -> Iterator[str]:
        """The new tables against the mapping of the kept ones."""
        found = [p for f in self.plan.flows for p in pairs(f, Scope(at, (), {}, 1)) if p.direction == "forward"]
        seen = {str(m.table.name) for m in switch_sql.visible(self.plan)}
        if found:
            yield from self.looked_up(at)
        yield from (checks.unwritten(pair) for pair in found if pair.table in seen)
        for added in self.plan.added:
            yield checks.unwritten_columns(added.table, rollback.written(added))
        if found:
            yield from self.dropped_beside()

    # --- the end --------------------------------------------------------------------------------------

    def finish(self) -> Piece | None:
        """Drop the old shape. Nothing archives it."""
        plan = self.plan
        policies = [
            f"DROP POLICY IF EXISTS {ident(policy.name)} ON {table.name.within(plan.kept_schema).sql}"
            for table in switch_sql.old_tables(plan)
            for policy in table.policies
        ]
        drops = [drop_name(m.kind, m.signature, m.name, plan.kept_schema) for m in plan.moved]
        statements = (self.pin, *policies, *drops, f"DROP SCHEMA {ident(plan.kept_schema)}")
        return Piece("finish", "drop the old shape: there is no way back after it", statements)


def _without_capture(statements: Iterable[str]) -> Iterator[str]:
    return (sql for sql in statements if "zz_ecluse_capture" not in sql)


def _no_session(what: str, origin: str) -> Connection:
    raise AssertionError(f"an export opens no session, not even for '{what}'")
