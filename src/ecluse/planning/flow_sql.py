"""The SQL of flows: what capture, copy, repair, drain, proof and rollback send to the server. Pure text.

Everything here is symmetric: a unit is cleared and rebuilt in the same way on either side, so that rollback is the
drain with the sides exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecluse.errors import MappingError
from ecluse.model.flow import Flow, Member, Side, fill
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.plan import Plan
from ecluse.planning.pages import page_range

UNITS = "pg_temp.ecluse_units"
TAKEN = "pg_temp.ecluse_taken"
JOURNAL = "ecluse"

SESSION_TABLES = (
    "CREATE TEMP TABLE IF NOT EXISTS ecluse_units (unit text PRIMARY KEY)",
    "CREATE TEMP TABLE IF NOT EXISTS ecluse_taken (alias text, seq bigint)",
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where every member and input table stands at a moment: alias -> name.

    `settled` is a run that has been switched: what is rejected is what it holds in quarantine, and nothing else.
    """

    names: Mapping[str, Name]
    settled: int | None = None

    def sql(self, alias: str) -> str:
        """The quoted name. Raises MappingError where no table has that alias."""
        if alias not in self.names:
            known = ", ".join(sorted(self.names))
            raise MappingError(f"a mapping names '{{{{{alias}}}}}', which is no alias of this migration", details=known)
        return self.names[alias].sql


def places(plan: Plan, *, switched: bool, settled: int | None = None) -> Places:
    """Old tables at home and new ones in the next schema, or, once switched, kept and at home.

    A table that moved away stays at home in its own database.
    """
    names: dict[str, Name] = {table.alias: table.name for table in plan.inputs}
    names |= {roster.alias: roster.name for roster in plan.rosters}
    names |= {move.old.alias: move.old.table.name for move in plan.moves}
    for flow in plan.flows:
        for member in flow.old.members:
            names[member.alias] = member.table.name.within(plan.kept_schema) if switched else member.table.name
    for flow in plan.builds:
        for member in flow.new.members:
            stays = member.role == "aside" or not switched
            names[member.alias] = member.table.name.within(plan.next_schema) if stays else member.table.name
    return Places(names, settled)


def column_list(columns: tuple[str, ...], prefix: str = "") -> str:
    """Quoted names, with commas."""
    return ", ".join(prefix + ident(c) for c in columns)


# --- rows of a side ---------------------------------------------------------------------------------


def accepted(member: Member, at: Places) -> str:
    """A condition over `m` that leaves out the rows that go to quarantine; empty where all are accepted."""
    return "".join(f" AND {condition} IS NOT TRUE" for condition in _conditions(member, at))


def rejected(member: Member, at: Places) -> str:
    """The condition over `m` that picks the rows that go to quarantine."""
    return " OR ".join(f"{condition} IS TRUE" for condition in _conditions(member, at)) or "false"


def reason(member: Member, at: Places) -> str:
    """An expression over `m` that says why the row goes to quarantine."""
    cases = "".join(
        f" WHEN {_condition(r.condition, member, at)} IS TRUE THEN {literal(r.reason)}" for r in member.rejects
    )
    return f"CASE{cases} END" if cases else "NULL::text"


def _conditions(member: Member, at: Places) -> list[str]:
    """Conditions over `m` of which one is true where the row goes to quarantine."""
    said = [member.held] if member.held else [reject.condition for reject in member.rejects]
    return [_condition(each, member, at) for each in said]


def _condition(said: str, member: Member, at: Places) -> str:
    condition = fill(said, at.sql)
    if at.settled is None:
        return f"({condition})"
    held = (
        f"SELECT FROM {JOURNAL}.quarantine q WHERE q.run = {at.settled} AND q.alias = {literal(member.alias)} "
        f"AND q.state <> 'carried' AND q.key = {key_text(member)}"
    )
    return f"(({condition}) AND EXISTS ({held}))"


def key_text(member: Member, alias: str = "m") -> str:
    """The row's key as text, for reports, quarantine and parking."""
    return f"ROW({column_list(member.key, alias + '.')})::text"


def same_key(member: Member, one: str, other: str) -> str:
    """The condition that two rows of a member have one key."""
    return " AND ".join(f"{one}.{ident(key)} = {other}.{ident(key)}" for key in member.key)


def find(side: Side, at: Places, *, sloppy: bool = False) -> str:
    """The condition between `m`, a row of the anchor, and `u.unit`. `sloppy`: without `recheck`."""
    unit = fill(side.unit, at.sql)
    if not side.find:
        return f"({unit}) = u.unit"
    found = fill(side.find, at.sql)
    # Not `=`, which the planner would take for a join clause and compute for every row of the table.
    return f"{found} AND ({unit}) IS NOT DISTINCT FROM u.unit" if side.recheck and not sloppy else found


def rows_all(member: Member, at: Places, extra: str = "true") -> str:
    """All accepted rows of a member as a relation; `extra` is a further condition over `m`."""
    conditions = accepted(member, at)
    if not conditions and extra == "true":
        return at.sql(member.alias)
    return f"(SELECT m.* FROM {at.sql(member.alias)} m WHERE {extra}{conditions})"


def rows_range(member: Member, at: Places, lo: int, hi: int) -> str:
    """The accepted rows in the pages lo <= page < hi."""
    return rows_all(member, at, page_range(lo, hi))


def rows_of_units(side: Side, at: Places, *, with_rejected: bool = False) -> str:
    """The anchor's rows that belong to the units in hand."""
    anchor = side.anchor
    conditions = "" if with_rejected else accepted(anchor, at)
    return f"(SELECT m.* FROM {UNITS} u JOIN {at.sql(anchor.alias)} m ON {find(side, at)} WHERE true{conditions})"


def hanging(member: Member, at: Places, anchors: str) -> str:
    """The rows of a satellite that hang on the given anchor rows."""
    conditions = accepted(member, at)
    return f"(SELECT m.* FROM {anchors} a JOIN {at.sql(member.alias)} m ON {member.join} WHERE true{conditions})"


def member_of_units(side: Side, member: Member, at: Places) -> str:
    """The rows of any member of a side that belong to the units in hand."""
    anchors = rows_of_units(side, at)
    return anchors if member is side.anchor else hanging(member, at, anchors)


def mapped(member: Member, other: Side, at: Places, anchors: str) -> str:
    """The query that gives a member's rows from the given anchor rows of the other side.

    The other side's satellites that have rejects are filtered, so a mapping never sees a row that stays behind.
    """

    def place(alias: str) -> str:
        if alias == other.anchor.alias:
            return anchors
        for satellite in other.satellites:
            if satellite.alias == alias:
                return rows_all(satellite, at)
        return at.sql(alias)

    return fill(member.select, place)


def insert(member: Member, at: Places, query: str) -> str:
    """Insert the rows of a query that yields the member's columns by name."""
    columns = column_list(member.columns)
    # Identity ALWAYS columns carry the old values; harmless where there is none.
    return f"INSERT INTO {at.sql(member.alias)} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM ({query}) q"


# --- capture ----------------------------------------------------------------------------------------


def log_name(run: int, member: Member) -> str:
    """The capture log of a member in this run."""
    return f"{JOURNAL}.{ident(short(f'log_{run}_{member.alias}'))}"


def capture_names(run: int, member: Member) -> tuple[str, str]:
    """The trigger function (qualified) and the trigger's name; sorted last, so that user triggers have run."""
    return f"{JOURNAL}.{ident(short(f'capture_{run}_{member.alias}'))}", "zz_ecluse_capture"


def create_log(run: int, member: Member) -> tuple[str, ...]:
    """The log table and the trigger function; the function's owner writes the log, whoever writes the table."""
    log, (function, _) = log_name(run, member), capture_names(run, member)
    columns = "".join(f", {ident(c)} {_type(member, c)}" for c in member.logged)
    names = column_list(member.logged)
    old, new = column_list(member.logged, "OLD."), column_list(member.logged, "NEW.")
    head = f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''"
    return (
        f'CREATE TABLE {log} (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, op "char" NOT NULL{columns})',
        f"""{head} AS $capture$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO {log} (op) VALUES ('T');
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO {log} (op, {names}) VALUES ('n', {new});
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO {log} (op, {names}) VALUES ('o', {old});
  ELSE
    INSERT INTO {log} (op, {names}) VALUES ('o', {old});
    IF ROW({old})::text COLLATE "C" <> ROW({new})::text COLLATE "C" THEN
      INSERT INTO {log} (op, {names}) VALUES ('n', {new});
    END IF;
  END IF;
  RETURN NULL;
END $capture$""",
        f"REVOKE ALL ON FUNCTION {function}() FROM PUBLIC",
    )


def _type(member: Member, column: str) -> str:
    found = member.table.column(column)
    if found is None:
        raise MappingError(f"'{member.table.name}' has no column '{column}', which the flow wants to log")
    return found.type + (f" COLLATE {found.collation}" if found.collation else "")


def create_capture(run: int, member: Member, table: Name) -> tuple[str, ...]:
    """The triggers; SHARE ROW EXCLUSIVE on the table, which waits for writers. ALWAYS: for replicas' sessions too.

    A table that rows join belongs to somebody else, who alone could say ALWAYS; to make a trigger there is a right.
    """
    function, trigger = capture_names(run, member)
    made = (
        f"CREATE TRIGGER {ident(trigger)} AFTER INSERT OR UPDATE OR DELETE ON {table.sql} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()",
        f"CREATE TRIGGER {ident(trigger + '_t')} AFTER TRUNCATE ON {table.sql} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
    )
    if member.role == "joins" and table == member.table.name:
        return made
    return (
        *made,
        f"ALTER TABLE {table.sql} ENABLE ALWAYS TRIGGER {ident(trigger)}",
        f"ALTER TABLE {table.sql} ENABLE ALWAYS TRIGGER {ident(trigger + '_t')}",
    )


def drop_capture(run: int, member: Member, table: Name) -> tuple[str, ...]:
    """Undo of `create_capture`, to be run where the trigger may be gone already."""
    _, trigger = capture_names(run, member)
    return (
        f"DROP TRIGGER IF EXISTS {ident(trigger)} ON {table.sql}",
        f"DROP TRIGGER IF EXISTS {ident(trigger + '_t')} ON {table.sql}",
    )


def release(run: int, member: Member) -> str:
    """Take the triggers off a table that belongs to somebody else: with their function, which is ours."""
    return f"DROP FUNCTION IF EXISTS {capture_names(run, member)[0]}() CASCADE"


def drop_log(run: int, member: Member) -> tuple[str, ...]:
    """Undo of `create_log`."""
    return (
        f"DROP FUNCTION IF EXISTS {capture_names(run, member)[0]}()",
        f"DROP TABLE IF EXISTS {log_name(run, member)}",
    )


def seed_log(run: int, flow: Flow, at: Places) -> str:
    """Log the anchor's rows that share their unit: a ctid range may cut such units, so the drain builds them."""
    member = flow.old.anchor
    names, unit = column_list(member.logged, "m."), fill(flow.old.unit, at.sql)
    table = at.sql(member.alias)
    return (
        f"INSERT INTO {log_name(run, member)} (op, {column_list(member.logged)}) SELECT 'n', {names} FROM {table} m "
        f"WHERE ({unit}) IN (SELECT {unit} FROM {table} m GROUP BY 1 HAVING count(*) > 1)"
    )


def units_of_log(run: int, side: Side, member: Member, at: Places, taken: bool = True, *, once: bool = False) -> str:
    """The units that a capture log names: of the anchor by its logged columns, of a satellite through its anchor.

    `once`: of equal keys of an anchor, which may have several texts (1.0 and 1.00), only one.
    """
    only = f" JOIN {TAKEN} t ON t.alias = {literal(member.alias)} AND t.seq = m.seq" if taken else ""
    log = f"(SELECT m.* FROM {log_name(run, member)} m{only} WHERE m.op <> 'T')"
    unit = fill(side.unit, at.sql)
    if member is side.anchor:
        distinct = f" DISTINCT ON ({column_list(member.logged, 'm.')})" if once else ""
        return f"SELECT{distinct} ({unit}) AS unit FROM {log} m"
    # The anchor's unit is an expression over `m`, so its row takes that name inside.
    return (
        f"SELECT (SELECT {unit} FROM (SELECT a.*) m) AS unit "
        f"FROM {log} m JOIN {at.sql(side.anchor.alias)} a ON {member.join}"
    )


# --- units: clear and rebuild -----------------------------------------------------------------------


def clear_units(side: Side, at: Places, *, sloppy: bool = False) -> str:
    """Delete the rows of the units in hand, all members in one statement.

    `sloppy` after the copy, when a row may be there twice and its unit cannot be computed yet. One statement has
    one snapshot, so no delete can hide from the next the rows by which it finds its own.
    """
    anchor = side.anchor
    parts = [
        f"gone AS MATERIALIZED (SELECT m.*, m.ctid AS ecluse_ctid FROM {UNITS} u "
        f"JOIN {at.sql(anchor.alias)} m ON {find(side, at, sloppy=sloppy)} WHERE true{accepted(anchor, at)})"
    ]
    for number, member in enumerate(side.satellites):
        parts.append(f"d{number} AS (DELETE FROM {at.sql(member.alias)} m USING gone a WHERE {member.join})")
    # By address, for a join would read the whole table where nothing is known of how many units there are.
    found = "ARRAY(SELECT ecluse_ctid FROM gone)"
    return f"WITH {', '.join(parts)} DELETE FROM {at.sql(anchor.alias)} m WHERE m.ctid = ANY ({found})"


def rebuild_units(target: Side, source: Side, at: Places) -> tuple[str, ...]:
    """Insert the units in hand from the other side as it is now, the anchor first."""
    anchors = rows_of_units(source, at)
    return tuple(insert(m, at, mapped(m, source, at, anchors)) for m in target.members)


def all_units(flow: Flow, at: Places) -> tuple[str, ...]:
    """Take every unit of both sides in hand: what a TRUNCATE of the new tables asks for."""
    return tuple(
        f"INSERT INTO {UNITS} SELECT DISTINCT {fill(side.unit, at.sql)} FROM {at.sql(side.anchor.alias)} m "
        "ON CONFLICT DO NOTHING"
        for side in (flow.old, flow.new)
    )


def may_hang_alone(side: Side, member: Member) -> bool:
    """Whether a satellite's row may hang on no anchor: not where a valid foreign key on NOT NULL columns says so."""
    for key in member.table.foreign_keys:
        if key.references == side.anchor.table.name and key.valid:
            columns = [member.table.column(c) for c in key.columns]
            if all(c is not None and c.not_null for c in columns) and all(c in member.join for c in key.columns):
                return False
    return True


def may_orphan(flow: Flow, member: Member) -> bool:
    """Whether an old satellite may have rows that no unit reaches."""
    return may_hang_alone(flow.old, member)
