"""What a backup notes of a database besides its rows, each asked in the transaction that the session is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecluse.model.backup import Locale, MigrationThen, RoleThen
from ecluse.model.names import Name, ident
from ecluse.postgres.connect import Session

# Everything that pg_dump writes rows of. What an extension owns is made by CREATE EXTENSION, but for the rows that it
# says are its user's (cron.job, vault.secrets): those of which its condition is true.
_TABLES = """
    SELECT n.nspname, c.relname, c.relkind::text, pg_catalog.pg_table_size(c.oid),
        pg_catalog.has_table_privilege(c.oid, 'SELECT'), pg_catalog.row_security_active(c.oid),
        ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
        coalesce(x.condition, '')
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN (SELECT u.oid, u.condition FROM pg_catalog.pg_extension AS e
        CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS u (oid, condition)) AS x ON x.oid = c.oid
    WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND (x.oid IS NOT NULL OR NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
    ORDER BY pg_catalog.pg_table_size(c.oid) DESC, 1, 2
"""
_SEQUENCES = """
    SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1, 2
"""
# pg_shdepend leaves out the role that initdb made; it is asked for by what it owns.
_ROLES = """
    SELECT r.rolname, pg_catalog.bool_or(f.deptype = 'o'), pg_catalog.bool_or(f.deptype = 'r')
    FROM (
        SELECT d.refobjid AS role, d.deptype FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.dbid = (
            SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        UNION SELECT c.relowner, 'o' FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        UNION SELECT p.proowner, 'o' FROM pg_catalog.pg_proc AS p
            JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
            WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        UNION SELECT n.nspowner, 'o' FROM pg_catalog.pg_namespace AS n
            WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ) AS f JOIN pg_catalog.pg_roles AS r ON r.oid = f.role
    WHERE r.rolname !~ '^pg_' GROUP BY 1 ORDER BY 1
"""
_LOCALE = """
    SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::text, {locale}
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
"""
_LOCALE_COLUMNS = {15: "coalesce(daticulocale, '')", 17: "coalesce(datlocale, '')"}
# Secrets may stand here (`app.settings.jwt_secret`), so they are kept in a file of their own.
_SETTINGS = """
    SELECT pg_catalog.json_build_object(
        'owner', pg_catalog.pg_get_userbyid(d.datdba),
        'comment', pg_catalog.shobj_description(d.oid, 'pg_database'),
        'connection_limit', d.datconnlimit,
        'settings', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'role', r.rolname, 'name', pg_catalog.split_part(c, '=', 1),
                'value', pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1)) ORDER BY r.rolname, c)
            FROM pg_catalog.pg_db_role_setting AS s CROSS JOIN pg_catalog.unnest(s.setconfig) AS c
            LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
            WHERE s.setdatabase = d.oid AND (s.setrole = 0 OR r.oid IS NOT NULL)),
        'grants', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'role', r.rolname, 'privilege', a.privilege_type, 'grantable', a.is_grantable) ORDER BY r.rolname)
            FROM pg_catalog.aclexplode(d.datacl) AS a LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
            WHERE a.grantee = 0 OR r.oid IS NOT NULL),
        'granted', d.datacl IS NOT NULL)
    FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()
"""
_RUNS = "SELECT id, migration, status, stage FROM ecluse.run ORDER BY id"


@dataclass(frozen=True, slots=True)
class Found:
    """A table as it is found: `kind` is r, p (partitioned: no rows of its own) or f (its rows are elsewhere)."""

    name: Name
    kind: str
    octets: int
    readable: bool
    hidden: bool  # row level security hides rows of it from us
    columns: tuple[str, ...]
    condition: str = ""  # of an extension's table: "WHERE …", as it says which of its rows are the user's


def tables(conn: Session) -> tuple[Found, ...]:
    """All tables whose rows are of this database, the largest first."""
    rows = conn.execute(_TABLES.encode()).fetchall()
    return tuple(Found(Name(row[0], row[1]), row[2], row[3], row[4], row[5], tuple(row[6]), row[7]) for row in rows)


def sequences(conn: Session) -> dict[Name, tuple[int, bool]]:
    """Each sequence's last_value and is_called, as it is at this moment."""
    names = [Name(*row) for row in conn.execute(_SEQUENCES.encode()).fetchall()]
    if not names:
        return {}
    each = " UNION ALL ".join(f"SELECT last_value, is_called FROM {name.sql}" for name in names)
    return dict(zip(names, conn.execute(each.encode()).fetchall(), strict=True))


def roles(conn: Session) -> tuple[RoleThen, ...]:
    """The roles that own something here, are granted something, or stand in a policy."""
    return tuple(RoleThen(*row) for row in conn.execute(_ROLES.encode()).fetchall())


def extensions(conn: Session) -> dict[str, str]:
    """Name and version of each."""
    return dict(conn.execute("SELECT extname::text, extversion FROM pg_catalog.pg_extension ORDER BY 1").fetchall())


def locale(conn: Session) -> Locale:
    """How the database keeps text."""
    major = conn.info.server_version // 10000
    column = next((c for since, c in sorted(_LOCALE_COLUMNS.items(), reverse=True) if major >= since), "''")
    text = _LOCALE.format(locale=column)
    if major < 15:
        text = text.replace("datlocprovider::text", "'c'")
    return Locale(*_row(conn, text))


def settings(conn: Session) -> dict[str, Any]:
    """What is set on the database itself: owner, comment, settings, rights."""
    found: dict[str, Any] = _row(conn, _SETTINGS)[0]
    return found


def migrations(conn: Session) -> tuple[MigrationThen, ...]:
    """The runs of the journal."""
    if not _row(conn, "SELECT pg_catalog.to_regclass('ecluse.run') IS NOT NULL")[0]:
        return ()
    return tuple(MigrationThen(*row) for row in conn.execute(_RUNS.encode()).fetchall())


def schemas(conn: Session) -> list[str]:
    """All schemas that are not the system's; Écluse's own are among them."""
    found = conn.execute(
        "SELECT nspname::text FROM pg_catalog.pg_namespace "
        "WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"
    )
    return [row[0] for row in found]


def size(conn: Session) -> int:
    """Bytes of the whole database."""
    return int(_row(conn, "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())")[0])


def called(conn: Session) -> str:
    """The name of the database on its server."""
    return str(_row(conn, "SELECT pg_catalog.current_database()")[0])


def server(conn: Session) -> str:
    """What tells a server from all others, and a copy of its name from it; "" where the role may not ask."""
    if not _row(conn, "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')")[0]:
        return ""
    return str(_row(conn, "SELECT system_identifier FROM pg_catalog.pg_control_system()")[0])


def lock_text(found: tuple[Found, ...]) -> str:
    """LOCK TABLE for all of them, as pg_dump takes it; TRUNCATE and ALTER TABLE wait for its end."""
    names = ", ".join(f"ONLY {each.name.sql}" for each in found if each.kind in ("r", "p"))
    return f"LOCK TABLE {names} IN ACCESS SHARE MODE" if names else ""


def select(found: Found) -> str:
    """Every column of every row of a table and not of its children, under names of our own."""
    columns = ", ".join(f"{ident(column)} AS c{number}" for number, column in enumerate(found.columns))
    return f"SELECT {columns} FROM ONLY {found.name.sql} {found.condition}".rstrip()


def _row(conn: Session, text: str) -> tuple[Any, ...]:
    row = conn.execute(text.encode()).fetchone()
    assert row is not None
    return row
