"""The trial: the new shape is made on empty tables in a transaction that is rolled back, and every mapping is planned.

What fails here would have failed in the night; it is refused by name instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import psycopg
from pglast.parser import ParseError

from ecluse.engine.build import index_tasks
from ecluse.engine.context import Connection, Run
from ecluse.errors import MappingError
from ecluse.model.catalog import Catalog, Table, View
from ecluse.model.flow import Flow, Member, Side, fill
from ecluse.model.names import ident
from ecluse.model.plan import Define, Hazard, Move, Plan
from ecluse.planning import ddl_objects, ddl_table, enum_sql, flow_sql, roster_sql, switch_sql
from ecluse.planning.elsewhere import elsewhere, script_elsewhere
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.failures import translate

_REDECLARE = "say in the migration what it becomes, or leave it out: [[operation.redeclare]], or in the reshape_table"

_DEFAULT = """say the new default in the operation: default = "gen_random_uuid()", or what fits the new type"""

_LABEL = (
    "a label can be used by what the next migration makes: make two migrations, and finish the first before the second"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the server printed of the new shape: `bare` when only its tables were made, `whole` when everything was."""

    bare: Catalog
    whole: Catalog


def trial(conn: Connection, plan: Plan) -> tuple[list[Hazard], Reading | None]:
    """Everything in the plan that the server will not take, as findings that refuse it; else what it made of it."""
    found: list[Hazard] = []
    reading = None
    with conn.transaction(force_rollback=True):
        conn.execute(f"DROP SCHEMA IF EXISTS {ident(plan.next_schema)} CASCADE")
        conn.execute(f"CREATE SCHEMA {ident(plan.next_schema)}")
        conn.execute(f"CREATE SCHEMA IF NOT EXISTS {flow_sql.JOURNAL}")
        for statement in flow_sql.SESSION_TABLES:
            conn.execute(statement)
        attempt = _Attempts(conn, found, frozenset(label for enum in plan.enums for label in enum.added))
        _enums(plan, attempt)
        for table in plan.inputs:
            # A run that is under way has loaded it already.
            attempt("input", str(table.name), f"CREATE TABLE IF NOT EXISTS {table.name.sql} {table.definition}")
        for roster in plan.rosters:
            attempt("input", str(roster.name), f"CREATE TABLE IF NOT EXISTS {roster.name.sql} {roster.definition}")
        for roster in plan.rosters:
            for statement in roster_sql.try_indexes(roster, roster_sql.source_of(plan, roster)):
                attempt("lookup", str(roster.name), statement)
        _tables(plan, attempt)
        if not found:
            bare = read_catalog(conn, [plan.next_schema], measure=False)
            for flow in plan.flows:
                _mappings(plan, flow, attempt)
            for move in plan.moves:
                _way_home(plan, move, attempt)
            for view in plan.views:
                _view(plan, view, attempt)
            for define in plan.defines:
                _define(plan, define, attempt)
            _joining(plan, attempt)
        if not found:
            reading = Reading(bare, read_catalog(conn, [plan.next_schema], measure=False))
    return found, reading


class _Attempts:
    """Runs statements, each in a savepoint, and notes what fails."""

    def __init__(self, conn: Connection, found: list[Hazard], labels: frozenset[str] = frozenset()) -> None:
        self._conn = conn
        self._found = found
        self._labels = labels  # that are there when the run begins, and not yet

    def __call__(self, what: str, thing: str, statement: str, hint: str = "") -> bool:
        """Whether it was done."""
        before = len(self._found)
        with self._noting(what, thing, hint), self._conn.transaction():
            self._conn.execute(statement.encode())
        return len(self._found) == before

    def works(self, statement: str) -> bool:
        """Whether it can be done; where not, nothing is noted."""
        try:
            with self._conn.transaction():
                self._conn.execute(statement.encode())
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            return False
        return True

    def undone(self, what: str, thing: str, statement: str, hint: str = "") -> None:
        """The same for one whose effect nothing else may see."""
        with self._noting(what, thing, hint), self._conn.transaction(force_rollback=True):
            self._conn.execute(statement.encode())

    def build(self, what: str, thing: str, make: Callable[[], str], hint: str = "") -> None:
        """The same for a statement that may fail to be made at all."""
        with self._noting(what, thing, hint), self._conn.transaction():
            self._conn.execute(make().encode())

    def answers(self, question: str, values: tuple[str, ...]) -> list[str]:
        """The first column of what the server answers."""
        return [str(row[0]) for row in self._conn.execute(question.encode(), values)]

    def note(self, what: str, thing: str, why: str) -> None:
        """A finding that needs no statement."""
        self._found.append(Hazard(f"trial-{what}", "refuse", thing, f"{what} of {thing} does not fit: {why}"))

    @contextmanager
    def _noting(self, what: str, thing: str, hint: str) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            known = translate(error)
            details = f": {known.message}" + (f" ({known.hint})" if known.hint else "")
            hint = self._of_label(error) or hint
            self._found.append(
                Hazard(f"trial-{what}", "refuse", thing, f"{what} of {thing} does not fit{details}", hint)
            )
        except MappingError as error:
            self._found.append(Hazard(f"trial-{what}", "refuse", thing, error.message, hint))

    def _of_label(self, error: psycopg.Error) -> str:
        """The trial cannot have the labels that the run commits before all else: no transaction may use its own."""
        told = error.diag.message_primary or ""
        unknown = isinstance(error, psycopg.errors.InvalidTextRepresentation)
        return _LABEL if unknown and any(f'"{label}"' in told for label in self._labels) else ""


def _enums(plan: Plan, attempt: _Attempts) -> None:
    for enum in plan.enums:
        if enum.made:
            for statement in enum_sql.create(enum):
                attempt("enum", str(enum.name), statement)
        for statement in enum_sql.extend(enum)[:1]:
            attempt.undone("enum", str(enum.name), statement, f"ALTER TYPE {enum.name.sql} OWNER TO CURRENT_USER")


def _tables(plan: Plan, attempt: _Attempts) -> None:
    run = Run(0, plan, _no_session, lambda _: None)
    names = {m.table.name for m in switch_sql.visible(plan)}
    made = {m.alias for flow in plan.builds for m in flow.new.members if _table(plan, m.table, attempt)}
    for table in switch_sql.altered(plan):
        # A stand-in: making a trigger on the table itself would lock out its writers for as long as the trial takes.
        attempt("table", str(table), f"CREATE TABLE {table.within(plan.next_schema).sql} (LIKE {table.sql})")
    for added in plan.added:
        for column in added.columns:
            at = added.table.within(plan.next_schema)
            attempt("column", str(added.table), ddl_table.add_column(at, column))
    for flow in plan.builds:
        # What stands on a table that could not be made is not to blame.
        for member in (m for m in flow.new.members if m.alias in made):
            name = str(member.table.name)
            first, after = index_tasks(run, member)
            for statement in (*first, *after):
                attempt("index or constraint", name, statement, _REDECLARE)
            if not member.placed:
                continue
            settings = ddl_table.table_settings(member.table, plan.next_schema, plan.default_grantees)
            settings += ddl_objects.sequences_of(member.table, plan.sequences, plan.next_schema, plan.default_grantees)
            for statement in settings:
                attempt("setting", name, statement)
            at = member.table.name.within(plan.next_schema)
            for statement in ddl_table.bound_objects(member.table, plan.next_schema):
                # A policy may read another table of the new shape, as one on messages reads conversations.
                moved = elsewhere(statement, names, plan.next_schema)
                attempt("policy", name, moved, _REDECLARE)
            for trigger in member.table.triggers:
                for statement in ddl_objects.trigger_sql(trigger, member.table.name, at):
                    attempt("trigger", f"{trigger.name} on {name}", statement)


def _table(plan: Plan, table: Table, attempt: _Attempts) -> bool:
    """Make it; where that fails, tell which default is to blame: the server names no column."""
    if attempt.works(_bare(plan, table)):
        return True
    for column in table.columns:
        alone = _bare(plan, replace(table, columns=(column,)))
        if column.default is not None and not column.generated and not attempt.works(alone):
            attempt.undone("default", f"{column.name} of {table.name}", alone, _DEFAULT)
            return False
    return attempt("table", str(table.name), _bare(plan, table))


def _bare(plan: Plan, table: Table) -> str:
    return ddl_table.create_table(table, plan.next_schema)


# What a run does with such a table, which is another's: rows come and go, changes are captured, keys refer to it.
_MAY_JOIN = """
SELECT 'this role may not ' || p || ' there'
FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRIGGER']) p
WHERE NOT has_table_privilege(%s::regclass, p)
UNION ALL SELECT 'its row level security hides rows from this role' WHERE row_security_active(%s::regclass)
"""


def _joining(plan: Plan, attempt: _Attempts) -> None:
    """Whether rows may join the tables that stay: rights, and the columns that their version has."""
    for member in plan.joining:
        table = member.table.name
        for why in attempt.answers(_MAY_JOIN, (table.sql,) * 2):
            attempt.note("join", str(table), why)
        if member.silent:
            hint = 'triggers = "fire", or another role: a superuser, or `postgres` of a Supabase'
            attempt("trigger", str(table), "SET LOCAL session_replication_role = replica", hint)
            attempt("trigger", str(table), "SET LOCAL session_replication_role = origin")
        columns = (*member.columns, *(name for name, _ in member.fixed))
        values = [f"s.{ident(name)}" for name in member.columns] + [value for _, value in member.fixed]
        rows = f"SELECT {', '.join(values)} FROM {table.within(plan.next_schema).sql} s"
        attempt("join", str(table), f"EXPLAIN INSERT INTO {table.sql} ({flow_sql.column_list(columns)}) {rows}")


def _no_session(what: str, origin: str) -> Connection:
    raise AssertionError(what)


def _mappings(plan: Plan, flow: Flow, attempt: _Attempts) -> None:
    at = flow_sql.places(plan, switched=False)
    for side, other in ((flow.new, flow.old), (flow.old, flow.new)):
        for member in side.members:
            rows = flow_sql.rows_all(other.anchor, at)
            attempt.build(
                "mapping", f"{member.alias} ({member.table.name})", partial(_mapping, member, other, at, rows)
            )
            if member is not side.anchor:
                anchor = at.sql(side.anchor.alias)
                attempt(
                    "join",
                    member.alias,
                    f"EXPLAIN SELECT 1 FROM {at.sql(member.alias)} m JOIN {anchor} a ON {member.join}",
                )
        attempt.build("unit", flow.name, partial(_unit, side, at))


def _way_home(plan: Plan, move: Move, attempt: _Attempts) -> None:
    """The half of a move's mapping that is read here; the origin was asked for the other one."""
    at = flow_sql.places(plan, switched=False)
    name = str(move.old.table.name)
    rows = flow_sql.mapped(move.old, move.flow.new, at, at.sql(move.new.alias))
    attempt("mapping", name, f"EXPLAIN SELECT {flow_sql.column_list(move.old.columns)} FROM ({rows}) q")
    attempt.build("unit", move.flow.name, partial(_unit, move.flow.new, at))


def _mapping(member: Member, other: Side, at: flow_sql.Places, rows: str) -> str:
    return "EXPLAIN " + flow_sql.insert(member, at, flow_sql.mapped(member, other, at, rows))


def _unit(side: Side, at: flow_sql.Places) -> str:
    unit = fill(side.unit, at.sql)
    anchor = at.sql(side.anchor.alias)
    return (
        f"EXPLAIN SELECT ({unit})::text = u.unit FROM {anchor} m JOIN {flow_sql.UNITS} u ON {flow_sql.find(side, at)}"
    )


# --- views ------------------------------------------------------------------------------------------


def _define(plan: Plan, define: Define, attempt: _Attempts) -> None:
    """Make what the script makes, in the next schema: bodies of functions are not looked into, all else is."""
    names = {m.table.name for m in switch_sql.visible(plan)} | {v.name for v in plan.views}
    names |= {o.name for d in plan.defines for o in d.objects} | set(switch_sql.altered(plan))
    try:
        statements = script_elsewhere(define.up, names, plan.next_schema)
    except ParseError as error:
        attempt.note("script", define.title, str(error))
        return
    attempt("script", define.title, "SET LOCAL check_function_bodies TO off")
    for statement in statements:
        attempt("script", define.title, f"SET LOCAL search_path TO DEFAULT; {statement}; SET LOCAL search_path TO ''")


def _view(plan: Plan, view: View, attempt: _Attempts) -> None:
    names = {m.table.name for m in switch_sql.visible(plan)} | {v.name for v in plan.views}
    names |= set(switch_sql.altered(plan))
    kind = "MATERIALIZED VIEW" if view.materialised else "VIEW"
    tail = " WITH NO DATA" if view.materialised else ""
    target = view.name.within(plan.next_schema).sql

    def create() -> str:
        return f"CREATE {kind} {target} AS {elsewhere(view.definition, names, plan.next_schema)}{tail}"

    hint = f'add above the first [[operation]]: drop = ["{view.name}"], or define it anew'
    attempt.build("view", str(view.name), create, hint)
