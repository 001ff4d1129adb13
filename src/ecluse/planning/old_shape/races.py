"""What another session wrote between the statement and its writer. Pure text.

An UPDATE of a table waits for the row and asks its WHERE clause again. A trigger of a view is handed the row as the
statement saw it, and does not know that clause. So the writer waits for the new rows itself, and where the row is no
longer what the statement saw, it raises 40001: else a counter would lose a step, and one task would be taken twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ecluse.model.catalog import Column, Table
from ecluse.model.flow import Member
from ecluse.model.names import ident, literal
from ecluse.planning.flow_sql import Places
from ecluse.planning.old_shape.differs import differs


def still(columns: Iterable[Column]) -> str:
    """Whether a new row `t` still has what the mapping `o` of the old row says."""
    asked = (differs(column, f"t.{ident(column.name)}", f"o.{ident(column.name)}") for column in columns)
    return " AND ".join(f"({each}) IS FALSE" for each in asked) or "true"


def wait(at: Places, member: Member, rows: str, condition: str) -> str:
    """Lock the new rows of a member that the mapped rows `o` are."""
    return f"PERFORM FROM {at.sql(member.alias)} t JOIN {rows} o ON {condition} FOR UPDATE OF t;"


def look_again(table: Table, shown: str, own: str, *, several: bool) -> Iterator[str]:
    """Compare the row as it is now with what the statement saw, by `shown`, the query that gives it.

    A row that is gone is left alone, as in a table, and so is one that this very statement has written before (`own`).
    Where `several` old rows are one, the first that a statement writes changes the others, and they are written too.
    """
    yield f"IF NOT EXISTS ({shown}) THEN RETURN NULL; END IF;"
    changed = [differs(c, f"v.{ident(c.name)}", f"OLD.{ident(c.name)}") for c in table.columns if c.written]
    message = f'could not serialize access due to concurrent update of "{table.name.name}"'
    ours = "" if several else f"IF {own} THEN RETURN NULL; END IF;\n"
    theirs = f" AND NOT ({own})" if several else ""
    yield (
        f"IF EXISTS ({shown} AND ({' OR '.join(changed)})){theirs} THEN\n{ours}"
        f"RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = {literal(message)}, "
        f"HINT = 'try the transaction again', TABLE = {literal(table.name.name)};\nEND IF;"
    )


def own(at: Places, member: Member, rows: str, condition: str) -> str:
    """Whether this transaction wrote the new row last."""
    return (
        f"EXISTS (SELECT FROM {at.sql(member.alias)} t JOIN {rows} o ON {condition} "
        "WHERE t.xmin::text = pg_current_xact_id()::xid::text)"
    )
