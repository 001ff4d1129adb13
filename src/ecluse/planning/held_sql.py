"""The SQL that finds which rows cannot go home because a row in quarantine stands there. Pure text."""

from __future__ import annotations

from ecluse.model.flow import Flow, Member, fill
from ecluse.model.names import literal
from ecluse.planning.flow_sql import JOURNAL, Places, key_text, mapped, rows_of_units


def blocked_units(run: int, flow: Flow, at: Places) -> str:
    """Take those of the units in hand whose old rows would have the key of a row in quarantine, which is not theirs.

    The application does not see rows in quarantine, so it may give their keys to others. The whole unit is blocked:
    its rows must not come to hang on a row of somebody else.
    """
    news = rows_of_units(flow.new, at)
    anchors = f"({mapped(flow.old.anchor, flow.new, at, news)})"
    unit = fill(flow.old.unit, at.sql)
    looks = [f"SELECT {unit} FROM {anchors} m WHERE {_taken(run, flow, flow.old.anchor)}"]
    for member in flow.old.satellites:
        rows = f"({mapped(member, flow.new, at, news)})"
        looks.append(
            f"SELECT (SELECT {unit} FROM (SELECT a.*) m) FROM {rows} m JOIN {anchors} a ON {member.join} "
            f"WHERE {_taken(run, flow, member)}"
        )
    return " UNION ".join(looks)


def _taken(run: int, flow: Flow, member: Member) -> str:
    return (
        f"EXISTS (SELECT FROM {JOURNAL}.quarantine q WHERE q.run = {run} AND q.flow = {literal(flow.name)} "
        f"AND q.alias = {literal(member.alias)} AND q.state <> 'carried' AND q.key = {key_text(member)})"
    )
