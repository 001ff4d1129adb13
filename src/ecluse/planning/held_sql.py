"""The SQL of what is set aside: quarantine on the way forward, parking on the way back. Pure text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ecluse.model.catalog import Constraint, Table
from ecluse.model.flow import Flow, Member, fill
from ecluse.model.names import ident, literal
from ecluse.operations.expressions import of_row
from ecluse.planning.flow_sql import (
    JOURNAL,
    UNITS,
    Places,
    accepted,
    key_text,
    mapped,
    reason,
    rejected,
    rows_of_units,
)
from ecluse.planning.unique_sql import exclusions

_CHECK = re.compile(r"CHECK (\(.*\))(?: NO INHERIT)?(?: NOT VALID)?\Z", re.S)

# --- quarantine -------------------------------------------------------------------------------------


def row_as_json(member: Member) -> str:
    """The row `m` as one jsonb object, each column's canonical text under its name: exact for every type."""
    columns = tuple(c.name for c in member.table.columns)
    # jsonb_build_object takes at most 100 arguments; wider tables are put together from pieces.
    pieces = [columns[i : i + 50] for i in range(0, len(columns), 50)]
    objects = (
        "jsonb_build_object(" + ", ".join(f"{literal(c)}, m.{ident(c)}::text" for c in piece) + ")" for piece in pieces
    )
    return " || ".join(objects)


def quarantine_anchor(run: int, flow: Flow, at: Places, rows: str) -> str:
    """Put the rejected rows among `rows` (a relation of anchor rows) into quarantine."""
    member = flow.old.anchor
    unit = fill(flow.old.unit, at.sql)
    return (
        f"INSERT INTO {JOURNAL}.quarantine (run, flow, alias, source, unit, key, reason, row) "
        f"SELECT {run}, {literal(flow.name)}, {literal(member.alias)}, {literal(str(member.table.name))}, {unit}, "
        f"{key_text(member)}, {reason(member, at)}, {row_as_json(member)} "
        f"FROM {rows} m WHERE {rejected(member, at)}"
    )


def quarantine_satellite(run: int, flow: Flow, member: Member, at: Places, rows: str) -> str:
    """Put the satellites of `rows` into quarantine that are rejected themselves or whose anchor is."""
    why, held = satellites_held(flow, member, at, rows)
    return (
        f"INSERT INTO {JOURNAL}.quarantine (run, flow, alias, source, unit, key, reason, row) "
        f"SELECT {run}, {literal(flow.name)}, {literal(member.alias)}, {literal(str(member.table.name))}, "
        f"a.ecluse_unit, {key_text(member)}, {why}, {row_as_json(member)} {held}"
    )


def satellites_held(flow: Flow, member: Member, at: Places, rows: str) -> tuple[str, str]:
    """Why a satellite `m` of `rows` goes to quarantine, and what follows SELECT: those that do."""
    anchor = flow.old.anchor
    why = f"coalesce({reason(member, at)}, {literal(f'its row in {anchor.table.name} is in quarantine')})"
    unit = fill(flow.old.unit, at.sql)
    anchors = f"(SELECT m.*, ({rejected(anchor, at)}) AS ecluse_rejected, ({unit}) AS ecluse_unit FROM {rows} m)"
    return why, (
        f"FROM {anchors} a JOIN {at.sql(member.alias)} m ON {member.join} "
        f"WHERE a.ecluse_rejected OR {rejected(member, at)}"
    )


def quarantine_orphans(run: int, flow: Flow, member: Member, at: Places) -> tuple[str, ...]:
    """Satellite rows that hang on no anchor at all; taken anew each time, since nothing logs them by unit."""
    why, alone = orphans_held(flow, member, at)
    return (
        f"DELETE FROM {JOURNAL}.quarantine WHERE run = {run} AND alias = {literal(member.alias)} AND unit IS NULL",
        f"INSERT INTO {JOURNAL}.quarantine (run, flow, alias, source, unit, key, reason, row) "
        f"SELECT {run}, {literal(flow.name)}, {literal(member.alias)}, {literal(str(member.table.name))}, NULL, "
        f"{key_text(member)}, {why}, {row_as_json(member)} {alone}",
    )


def orphans_held(flow: Flow, member: Member, at: Places) -> tuple[str, str]:
    """Why satellites `m` that hang on no anchor go to quarantine, and what follows SELECT: those that do."""
    anchor = flow.old.anchor
    return literal(f"it hangs on no row of {anchor.table.name}"), (
        f"FROM {at.sql(member.alias)} m WHERE NOT EXISTS (SELECT 1 FROM {at.sql(anchor.alias)} a WHERE {member.join})"
    )


def quarantines(flow: Flow) -> bool:
    """Whether anything of this flow can go to quarantine with its unit."""
    return any(m.rejects for m in flow.old.members)


def clear_quarantine(run: int, flow: Flow) -> str:
    """Forget the quarantine of the units in hand, before they are looked at again."""
    return (
        f"DELETE FROM {JOURNAL}.quarantine q USING {UNITS} u "
        f"WHERE q.run = {run} AND q.flow = {literal(flow.name)} AND q.unit = u.unit"
    )


# --- parking ----------------------------------------------------------------------------------------


def unpark(run: int, flow: Flow) -> str:
    """Forget what was parked of the units in hand, before they are looked at again."""
    return (
        f"DELETE FROM {JOURNAL}.parked p USING {UNITS} u "
        f"WHERE p.run = {run} AND p.flow = {literal(flow.name)} AND p.unit = u.unit"
    )


def park_unheld(run: int, flow: Flow, member: Member, at: Places, again: str = "") -> str:
    """Park the new side's rows of the units in hand that a second forward mapping would not give back.

    `again`: the query of that mapping's rows, where the old side is in another database.

    It is run after the old side has been rebuilt: what forward(inverse(row)) reproduces, the old shape holds.
    """
    unit = fill(flow.new.unit, at.sql)
    anchors = rows_of_units(flow.new, at)
    here = f"(SELECT m.*, ({unit}) AS ecluse_unit FROM {anchors} m)"
    if member is not flow.new.anchor:
        here = f"(SELECT m.*, a.ecluse_unit FROM {here} a JOIN {at.sql(member.alias)} m ON {member.join})"
    back = again or mapped(member, flow.old, at, rows_of_units(flow.old, at))
    return (
        f"INSERT INTO {JOURNAL}.parked (run, flow, alias, source, unit, key, reason, row) "
        f"SELECT {run}, {literal(flow.name)}, {literal(member.alias)}, {literal(str(member.table.name))}, "
        f"m.ecluse_unit, {key_text(member)}, {literal('the old shape cannot hold this row as it is')}, "
        f"{row_as_json(member)} FROM {here} m "
        # Not NOT IN: where the server takes the list for larger than its memory, it reads it once for each row.
        f"WHERE NOT EXISTS (SELECT 1 FROM ({back}) q WHERE {_as_held(member, 'q')} = {_as_held(member, 'm')})"
    )


def _as_held(member: Member, alias: str) -> str:
    """The row as the old shape tells it from others."""
    alike = {name: of_row(text, alias) for name, text in member.alike}
    values = (alike.get(name, f"{alias}.{ident(name)}") for name in member.columns)
    return f'ROW({", ".join(values)})::text COLLATE "C"'


def park_orphans(run: int, flow: Flow, member: Member, at: Places) -> str:
    """Park the new side's satellites that hang on no anchor: no unit reaches them."""
    return (
        f"INSERT INTO {JOURNAL}.parked (run, flow, alias, source, unit, key, reason, row) "
        f"SELECT {run}, {literal(flow.name)}, {literal(member.alias)}, {literal(str(member.table.name))}, NULL, "
        f"{key_text(member)}, {literal(f'it hangs on no row of {flow.new.anchor.table.name}')}, {row_as_json(member)} "
        f"FROM {at.sql(member.alias)} m "
        f"WHERE NOT EXISTS (SELECT 1 FROM {at.sql(flow.new.anchor.alias)} a WHERE {member.join})"
    )


def blocked_units(run: int, flow: Flow, at: Places) -> str:
    """Those of the units in hand whose old rows cannot be beside a row in quarantine, which is not theirs.

    The application does not see rows in quarantine, so it may give their keys, and whatever else is unique in them, to
    others. The whole unit is blocked: its rows must not come to hang on a row of somebody else.
    """
    return _units_home(flow, at, lambda member: _taken(run, flow, member, at))


def refused_units(flow: Flow, at: Places) -> str:
    """Those of the units in hand with an old row that the old table itself would refuse; empty where it takes any.

    The new application may know nothing of what the old shape asks for.
    """
    asked = {member.alias: demands(member.table, member.columns) for member in flow.old.members}
    if not any(asked.values()):
        return ""
    return _units_home(flow, at, lambda member: f"NOT ({' AND '.join(asked[member.alias]) or 'true'})")


def demands(table: Table, columns: Iterable[str]) -> list[str]:
    """Conditions over a row `m`, of these columns, without which the table refuses it by itself."""
    known = set(columns)
    asked = [f"m.{ident(c.name)} IS NOT NULL" for c in table.columns if c.not_null and c.written]
    for constraint in table.constraints:
        condition = check_of(constraint)
        if condition and known.issuperset(constraint.columns):
            asked.append(f"{condition} IS NOT FALSE")
    return asked


def check_of(constraint: Constraint) -> str:
    """The condition of a CHECK over the columns of a row; empty for any other constraint."""
    found = _CHECK.match(constraint.definition) if constraint.kind == "c" else None
    return found[1] if found else ""


def _units_home(flow: Flow, at: Places, blocked: Callable[[Member], str]) -> str:
    """The units in hand with an old row for which the condition over `m` holds that is asked of its member."""
    news = rows_of_units(flow.new, at)
    anchors = f"({mapped(flow.old.anchor, flow.new, at, news)})"
    unit = fill(flow.old.unit, at.sql)
    looks = [f"SELECT {unit} FROM {anchors} m WHERE {blocked(flow.old.anchor)}"]
    for member in flow.old.satellites:
        rows = f"(SELECT m.* FROM ({mapped(member, flow.new, at, news)}) m WHERE {blocked(member)})"
        looks.append(f"SELECT (SELECT {unit} FROM (SELECT a.*) m) FROM {rows} m JOIN {anchors} a ON {member.join}")
    return " UNION ".join(looks)


def homeless_units(flow: Flow, at: Places) -> str:
    """Those of the units in hand that have a new anchor and no old one: the mapping leaves them out."""
    news, olds = (
        f"SELECT {fill(side.unit, at.sql)} AS unit FROM {rows_of_units(side, at)} m" for side in (flow.new, flow.old)
    )
    return f"SELECT n.unit FROM ({news}) n WHERE NOT EXISTS (SELECT FROM ({olds}) o WHERE o.unit = n.unit)"


def _taken(run: int, flow: Flow, member: Member, at: Places) -> str:
    held = (
        f"SELECT FROM {JOURNAL}.quarantine q WHERE q.run = {run} AND q.flow = {literal(flow.name)} "
        f"AND q.alias = {literal(member.alias)} AND q.state <> 'carried' AND q.key ="
    )
    ways = [f"EXISTS ({held} {key_text(member)})"]
    for condition in exclusions(member):
        same = f"{condition} AND EXISTS ({held} {key_text(member, 'h')})"
        ways.append(f"EXISTS (SELECT FROM {at.sql(member.alias)} h WHERE {same})")
    return f"({' OR '.join(ways)})"


def orphaned_units(flow: Flow, member: Member, key: Constraint, parent: Member, at: Places) -> str:
    """The units of old rows that refer, by `key`, to a row of another flow that did not come home."""
    unit = fill(flow.old.unit, at.sql)
    pairs = list(zip(key.columns, key.referenced_columns, strict=True))
    full = " AND ".join(f"m.{ident(ours)} IS NOT NULL" for ours, _ in pairs)
    same = " AND ".join(f"p.{ident(theirs)} = m.{ident(ours)}" for ours, theirs in pairs)
    orphan = f"{full} AND NOT EXISTS (SELECT FROM {at.sql(parent.alias)} p WHERE {same}){accepted(member, at)}"
    rows = f"(SELECT m.* FROM {at.sql(member.alias)} m WHERE {orphan})"
    if member is flow.old.anchor:
        return f"SELECT {unit} FROM {rows} m"
    anchors = at.sql(flow.old.anchor.alias)
    return f"SELECT (SELECT {unit} FROM (SELECT a.*) m) FROM {rows} m JOIN {anchors} a ON {member.join}"
