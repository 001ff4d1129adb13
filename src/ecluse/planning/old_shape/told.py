"""Units that the old application wrote, noted by their text. Pure text.

A capture log holds keys of new rows, and the unit of such a row is looked up in what stands aside when it is drained.
The old application may have changed by then what stands aside, and with it the unit: another writing of the same key
is another unit. So its writes note the units themselves, as they were before and as they are now.
"""

from __future__ import annotations

from ecluse.model.flow import Flow, places
from ecluse.model.names import literal
from ecluse.planning.flow_sql import JOURNAL, TAKEN


def table(run: int) -> str:
    """The table of a run in which they are noted."""
    return f"{JOURNAL}.told_{run}"


def create(run: int) -> str:
    """Make it."""
    columns = "seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, flow text NOT NULL, unit text NOT NULL"
    return f"CREATE TABLE {table(run)} ({columns})"


def drop(run: int) -> str:
    """Undo of `create`, where it was made at all."""
    return f"DROP TABLE IF EXISTS {table(run)}"


def needed(flow: Flow) -> bool:
    """Whether the capture logs of a flow do not tell all units by themselves."""
    return any(member.role == "aside" for member in flow.new.members) or bool(places(flow.new.unit))


def note(run: int, flow: Flow, units: str) -> str:
    """Note the units that a query of one column gives."""
    return (
        f"INSERT INTO {table(run)} (flow, unit) SELECT {literal(flow.name)}, t.unit "
        f"FROM ({units}) t (unit) WHERE t.unit IS NOT NULL;"
    )


def alias(flow: Flow) -> str:
    """What stands for the notes of a flow among the entries in hand; no member has such an alias."""
    return f"told {flow.name}"


def waiting(run: int) -> str:
    """How many notes wait."""
    return f"SELECT count(*) FROM {table(run)}"


def take(run: int, flow: Flow, limit: int | None) -> str:
    """Take notes in hand."""
    cut = f" ORDER BY seq LIMIT {limit}" if limit else ""
    return (
        f"INSERT INTO {TAKEN} SELECT {literal(alias(flow))}, seq FROM {table(run)} "
        f"WHERE flow = {literal(flow.name)}{cut}"
    )


def units(run: int, flow: Flow, *, taken: bool = True) -> str:
    """The units that were noted."""
    only = f" JOIN {TAKEN} t ON t.alias = {literal(alias(flow))} AND t.seq = n.seq" if taken else ""
    return f"SELECT DISTINCT n.unit FROM {table(run)} n{only} WHERE n.flow = {literal(flow.name)}"


def forget(run: int, flow: Flow) -> str:
    """Delete the notes in hand."""
    return f"DELETE FROM {table(run)} n USING {TAKEN} t WHERE t.alias = {literal(alias(flow))} AND t.seq = n.seq"
