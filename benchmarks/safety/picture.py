"""What a database holds: the rows of both tables by key, and every object that hangs on them. Read by a superuser."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from benchmarks.ground import Connection, connect
from benchmarks.safety.tables import READER
from ecluse.model.names import ident

Rows = dict[str, list[tuple[str | None, ...]]]
"""The further values of the rows of each key; more than one where a row is doubled."""

TABLES = {
    "conversations": ("id", "session_id", "user_id", "question", "response", "status", "created_at"),
    "tags": ("id", "conversation_id", "tag"),
}

# Each gives lines; a line that is there no more was lost, whatever the object is called.
_OBJECTS = {
    "columns": """
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || CASE WHEN a.attidentity <> '' THEN ' identity' ELSE '' END
    || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": """
SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = ANY (%s) AND contype <> 'n'""",
    "indexes": """
SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END FROM pg_index
WHERE indrelid = ANY (%s) AND indexrelid::regclass::text <> 'left_over'""",
    "policies": """
SELECT polrelid::regclass || ' ' || polname || ' ' || polcmd::text
    || CASE WHEN polpermissive THEN '' ELSE ' restrictive' END || ' to ' || polroles::regrole[]::text
FROM pg_policy WHERE polrelid = ANY (%s)""",
    "row level security": """
SELECT oid::regclass || CASE WHEN relforcerowsecurity THEN ' forced' ELSE ' enabled' END FROM pg_class
WHERE oid = ANY (%s) AND relrowsecurity""",
    "publications": """
SELECT p.pubname || ' ' || r.prrelid::regclass || ' ' || coalesce((SELECT string_agg(attname, ', ' ORDER BY attname)
    FROM pg_attribute WHERE attrelid = r.prrelid AND attnum = ANY (r.prattrs::int2[])), 'all columns')
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = ANY (%s)""",
    "grants": """
SELECT c.relname || ' ' || a.privilege_type || ' to ' || a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
WHERE c.oid = ANY (%s) AND a.grantee <> c.relowner""",
    "owner": "SELECT oid::regclass || ' ' || relowner::regrole FROM pg_class WHERE oid = ANY (%s)",
    "triggers": """
SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE tgrelid = ANY (%s) AND NOT tgisinternal""",
    "views": """
SELECT DISTINCT r.ev_class::regclass || ' on ' || d.refobjid::regclass FROM pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = ANY (%s)
AND r.ev_class <> d.refobjid""",
}

_INDEX_NAME = re.compile(r"INDEX \S+ ON")


@dataclass(frozen=True, slots=True)
class Picture:
    """A database at a moment. `objects`: what there is, as lines by kind; a table that is not there has no rows."""

    rows: dict[str, Rows] = field(default_factory=dict)
    objects: dict[str, Counter[str]] = field(default_factory=dict)
    backups: dict[str, int] = field(default_factory=dict)  # rows of what a script put aside first, by table


def look(conninfo: str) -> Picture:
    """Read everything. Row level security does not apply: the session is a superuser's."""
    with connect(conninfo) as conn:
        conn.execute("SET timezone = 'UTC'; SET search_path = public")
        there = [t for t in TABLES if conn.execute("SELECT to_regclass(%s)", (t,)).fetchone() != (None,)]
        oids = [row[0] for row in conn.execute("SELECT oid FROM pg_class WHERE oid = ANY (%s::regclass[])", (there,))]
        objects = {}
        for kind, query in _OBJECTS.items():
            lines = (_INDEX_NAME.sub("INDEX ON", row[0]) for row in conn.execute(query.encode(), (oids,)))
            objects[kind] = Counter(lines)
        objects["views"] += Counter(_view_rows(conn))
        objects["behaviour"] = Counter(_behaviour(conn))
        return Picture({table: _rows(conn, table) for table in there}, objects, _backups(conn))


def _rows(conn: Connection, table: str) -> Rows:
    columns = ", ".join(f"{column}::text" for column in TABLES[table])
    found: Rows = {}
    try:
        answer = conn.execute(f"SELECT {columns} FROM {table}".encode())
    except psycopg.errors.UndefinedColumn:
        return found
    for key, *rest in answer:
        found.setdefault(key, []).append(tuple(rest))
    return found


def _backups(conn: Connection) -> dict[str, int]:
    names = [
        name for name in TABLES if conn.execute("SELECT to_regclass(%s)", (f"{name}_backup",)).fetchone() != (None,)
    ]
    return {name: int(_ask(conn, f"SELECT count(*) FROM {name}_backup")) for name in names}


def _view_rows(conn: Connection) -> list[str]:
    """How many rows each view shows."""
    views = conn.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return [f"{name} shows {_ask(conn, f'SELECT count(*) FROM {ident(name)}')} rows" for (name,) in views]


def _behaviour(conn: Connection) -> list[str]:
    """What a reader who is one user reaches of the old rows, and whether the application can write."""
    with conn.transaction(force_rollback=True):
        sample = _ask(conn, "SELECT md5('conversation 7')::uuid")
        conn.execute(
            "SELECT set_config('app.user', 'user-7', true), set_config('app.conversation', %s, true)", (sample,)
        )
        conn.execute(f"SET LOCAL ROLE {READER}".encode())
        reached = _ask(conn, "SELECT count(*) FROM conversations WHERE created_at < '2025-01-01Z'")
        write = "INSERT INTO {} VALUES ('{}', '{}') RETURNING 'done'"
        one = _ask(conn, write.format("conversations (session_id, user_id)", "probe", "user-7"))
        tag = _ask(conn, write.format("tags (conversation_id, tag)", sample, "probe"))
        lost = _ask(conn, write.format("tags (conversation_id, tag)", "00000000-0000-0000-0000-00000000dead", "probe"))
    return [
        f"{READER} reaches {reached} old conversations",
        f"{READER} adds a conversation: {one}",
        f"{READER} adds a tag: {tag}",
        f"{READER} adds a tag of no conversation: {lost}",
    ]


def _ask(conn: Connection, query: str) -> str:
    """One value, or the SQLSTATE of the refusal."""
    try:
        with conn.transaction(force_rollback=True):
            row = conn.execute(query.encode()).fetchone()
    except psycopg.Error as error:
        return f"error {error.sqlstate}"
    return str(row[0]) if row else ""
