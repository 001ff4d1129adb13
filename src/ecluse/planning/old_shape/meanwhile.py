"""What somebody else did to a row while a statement waited for it. Pure text.

Of a table, PostgreSQL looks at such a row again: whether the statement still means it, and what `n + 1` is by then.
Of a view it does not: the writer is handed the row as the statement saw it. So what has changed since is refused, as
where transactions are serialised, and what has gone is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ecluse.model.names import ident, literal
from ecluse.planning.old_shape.differs import differs

if TYPE_CHECKING:
    from ecluse.planning.old_shape.writes import Writer

_MESSAGE = "could not serialize access due to concurrent update"


def refuse_changed(writer: Writer) -> Iterator[str]:
    """Lock the new rows of OLD, and see that they still are that row; what this transaction did itself may be.

    Where several old rows are one, nothing is asked: the first of them that a statement writes changes the others.
    """
    if writer.images.unit:
        return
    placed = [member for member in writer.concerned if member.placed]
    locks = (
        f"SELECT t.xmin = pg_current_xact_id_if_assigned()::xid AS ours FROM {writer.at.sql(member.alias)} t, "
        f"{writer.images.mapped(member, 'OLD')} o WHERE {writer.actual(member, 'o')} FOR NO KEY UPDATE OF t"
        for member in placed
    )
    yield "IF TG_OP <> 'INSERT' THEN\nDECLARE ecluse_own boolean := false; ecluse_changed boolean; BEGIN"
    for lock in locks:
        yield f"SELECT ecluse_own OR coalesce(bool_or(l.ours), false) INTO ecluse_own FROM ({lock}) l;"
    yield f"SELECT NOT ecluse_own AND ({_differs(writer)}) INTO ecluse_changed FROM ({_now(writer)}) v;"
    yield "IF NOT FOUND THEN RETURN NULL; END IF;"
    raised = f"RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = {literal(_MESSAGE)};"
    yield f"IF ecluse_changed THEN {raised} END IF;\nEND;\nEND IF;"


def _now(writer: Writer) -> str:
    """The row as it can be read now. By the view itself, which finds it by an index."""
    same = " AND ".join(f"v.{ident(key)} = OLD.{ident(key)}" for key in writer.member.key)
    return f"SELECT v.* FROM {writer.view.sql} v WHERE {same}"


def _differs(writer: Writer) -> str:
    pairs = ((c, f"v.{ident(c.name)}", f"OLD.{ident(c.name)}") for c in writer.table.columns)
    return " OR ".join(differs(*pair) for pair in pairs)
