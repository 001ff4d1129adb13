"""One table or view, as whoever reads its rows must know it: columns, key, size, and whether all rows can be read."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from ecluse.errors import MissingRights, NotInDatabase
from ecluse.model.names import Name, ident
from ecluse.model.settings import did_you_mean
from ecluse.postgres.connect import Session
from ecluse.postgres.failures import translate

_READABLE = "rpvmf"  # of pg_class.relkind: tables, partitioned tables, views, materialised views, foreign tables
_STATE = "nothing was changed"

_RELATION = """
SELECT c.oid, c.relkind::text, pg_catalog.row_security_active(c.oid), current_user::text, c.relforcerowsecurity,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_table_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname::text, pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_catalog.pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEY = """
SELECT a.attname::text
FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
     JOIN pg_catalog.pg_attribute a ON a.attnum = k.attnum
WHERE i.indrelid = %s AND i.indisprimary AND a.attrelid = i.indrelid AND k.place <= i.indnkeyatts ORDER BY k.place
"""
# What the rows are stored in: the table itself, its partitions, or those that inherit from it.
_PAGES = """
WITH RECURSIVE tree (oid) AS (
    SELECT %s::oid UNION SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN tree t ON t.oid = h.inhparent)
SELECT COALESCE(pg_catalog.max(pg_catalog.pg_relation_size(c.oid)), 0) / pg_catalog.current_setting('block_size')::int8,
       pg_catalog.bool_and(c.relkind IN ('r', 'p', 'm'))
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
"""
_NAMES = """
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = ANY (%s) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


@dataclass(frozen=True, slots=True)
class StoredRows:
    """A table or view. `unreadable` are columns that this role may not read.

    `pages` is the size of the table, or of its largest partition; 0 where rows cannot be divided by their place: it has
    none, or this role may not see it.
    """

    name: Name
    columns: tuple[str, ...]
    primary_key: tuple[str, ...]
    unreadable: tuple[str, ...]
    pages: int
    role: str


def read_relation(session: Session, name: Name, where: str) -> StoredRows:
    """Look a table or view up; `where` names the database for people.

    Raises NotInDatabase; MissingRights where the schema is closed, or where row level security would keep rows from
    this role: whoever does not see all rows can say nothing about them.
    """
    try:
        row = session.execute(_RELATION.encode(), [name.schema, name.name]).fetchone()
        if row is None or row[1] not in _READABLE:
            raise _absent(session, name, where, there=row is not None)
        oid, _, hidden, role, forced, open_, whole = row
        if not open_:
            raise MissingRights(
                f"'{role}' may not use the schema '{name.schema}' of {where}",
                hint=f"GRANT USAGE ON SCHEMA {ident(name.schema)} TO {ident(role)};",
                state=_STATE,
            )
        if hidden:
            raise _hidden(name, where, role, forced)
        columns = session.execute(_COLUMNS.encode(), [oid]).fetchall()
        key = session.execute(_KEY.encode(), [oid]).fetchall()
        pages, stored = session.execute(_PAGES.encode(), [oid]).fetchone() or (0, False)
    except psycopg.Error as error:
        raise translate(error, _STATE) from None
    return StoredRows(
        name=name,
        columns=tuple(column for column, _ in columns),
        primary_key=tuple(column for (column,) in key),
        unreadable=tuple(column for column, may in columns if not may),
        pages=max(int(pages), 1) if stored and whole else 0,
        role=role,
    )


def _absent(session: Session, name: Name, where: str, *, there: bool) -> NotInDatabase:
    if there:
        return NotInDatabase(f"{name} of {where} is neither a table nor a view", state=_STATE)
    known = [Name(*row) for row in session.execute(_NAMES.encode(), [list(_READABLE)])]
    elsewhere = sorted(str(other) for other in known if other.name == name.name)
    near = did_you_mean(str(name), map(str, known)) if not elsewhere else ""
    hint = f"there is {' and '.join(elsewhere)}" if elsewhere else "ecluse inspect"
    return NotInDatabase(f"{where} has no table or view {name}{near}", hint=hint, state=_STATE)


def _hidden(name: Name, where: str, role: str, forced: bool) -> MissingRights:
    why = "and FORCE ROW LEVEL SECURITY holds for its owner too" if forced else "and its policies hold for this role"
    return MissingRights(
        f"row level security would hide rows of {name} of {where} from '{role}'",
        details=f"{name} has row level security, {why}: rows that are hidden would count as rows that are not there.",
        hint=f"ALTER ROLE {ident(role)} BYPASSRLS;   -- or connect as a role that has it",
        state=_STATE,
    )
