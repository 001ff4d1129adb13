"""The watch over definitions: what is made on an old table after the plan would be missing in the new shape.

What is changed on a table that a script secures would be missing after a rollback.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecluse.engine.context import Connection, Run
from ecluse.errors import DatabaseChanged
from ecluse.model.catalog import Catalog, Dependent, Role, Table
from ecluse.model.names import ident
from ecluse.model.plan import Plan
from ecluse.planning import switch_sql
from ecluse.planning.structure import difference
from ecluse.postgres.catalog import read_catalog

_OURS = ("zz_ecluse_capture", "aa_ecluse_closed", "ecluse_unit_", "ecluse_before_")

# Everything of a table but its size and statistics has a catalogue row whose xmin changes with it.
_SIGNATURE = """
WITH old AS (SELECT name::regclass::oid AS oid FROM unnest(%s::text[]) AS name)
SELECT pg_catalog.md5(pg_catalog.string_agg(part, ',' ORDER BY part)) FROM (
    SELECT 'a' || attrelid || ' ' || attnum || ' ' || xmin FROM pg_catalog.pg_attribute
        WHERE attrelid IN (SELECT oid FROM old)
    UNION ALL SELECT 'd' || classid || ' ' || objid || ' ' || objsubid || ' ' || refobjsubid
        FROM pg_catalog.pg_depend WHERE refobjid IN (SELECT oid FROM old)
    UNION ALL SELECT 'c' || oid || ' ' || xmin FROM pg_catalog.pg_constraint WHERE conrelid IN (SELECT oid FROM old)
    UNION ALL SELECT 'i' || indexrelid || ' ' || xmin FROM pg_catalog.pg_index WHERE indrelid IN (SELECT oid FROM old)
    UNION ALL SELECT 'p' || oid || ' ' || xmin FROM pg_catalog.pg_policy WHERE polrelid IN (SELECT oid FROM old)
    UNION ALL SELECT 't' || oid || ' ' || xmin FROM pg_catalog.pg_trigger WHERE tgrelid IN (SELECT oid FROM old)
    UNION ALL SELECT 'f' || adrelid || ' ' || adnum || ' ' || xmin FROM pg_catalog.pg_attrdef
        WHERE adrelid IN (SELECT oid FROM old)
    UNION ALL SELECT 'r' || oid || ' ' || relowner || ' ' || coalesce(relacl::text, '') || relrowsecurity
        || relforcerowsecurity || relreplident::text || coalesce(reloptions::text, '') FROM pg_catalog.pg_class
        WHERE oid IN (SELECT oid FROM old)
) AS parts (part)
"""


def signature(run: Run, conn: Connection) -> str:
    """Changes whenever a definition that is watched may have changed; cheap enough to be asked under lock."""
    return signature_of(conn, switch_sql.watched(run.plan))


def signature_of(conn: Connection, tables: tuple[Table, ...]) -> str:
    """The same for these tables of this session's database."""
    names = [table.name.sql for table in tables]
    row = conn.execute(_SIGNATURE, (names,)).fetchone()
    return str(row[0]) if row else ""


def check(run: Run, conn: Connection) -> str:
    """Raise DatabaseChanged, naming each change, where tables are not those of the plan; gives the signature."""
    seen = signature(run, conn)
    tables = switch_sql.watched(run.plan)
    if not tables:
        return seen
    now = read_catalog(conn, measure=False)
    found = [*altered(run.plan, tables, now), *standing(switch_sql.old_tables(run.plan), run.plan.dependents, now)]
    if found:
        raise DatabaseChanged(
            f"{len(found)} definitions that '{run.plan.migration}' was planned for have changed since",
            details="\n".join(found),
            hint=f"ecluse rollback {run.plan.migration}, then plan and apply again; or undo the change",
            state="the old shape is in place and in use; nothing was switched",
        )
    return seen


def altered(plan: Plan, tables: tuple[Table, ...], now: Catalog) -> list[str]:
    """How these tables differ from what the plan found."""
    here = {t.name: _bare(now.tables[t.name]) for t in tables if t.name in now.tables}
    return [str(d) for d in difference(_catalog(plan, tables), _catalog(plan, tuple(here.values())))]


def _bare(table: Table) -> Table:
    """The table without what the run itself put there."""
    return replace(
        table,
        triggers=tuple(t for t in table.triggers if not t.name.startswith(_OURS)),
        indexes=tuple(i for i in table.indexes if not i.name.startswith(_OURS)),
    )


def _catalog(plan: Plan, tables: tuple[Table, ...]) -> Catalog:
    role = Role("", superuser=False, bypass_rls=False)
    return Catalog(plan.database, plan.server_version, role, tables={t.name: t for t in tables})


def standing(tables: tuple[Table, ...], dependents: tuple[Dependent, ...], now: Catalog) -> Iterator[str]:
    """What came to stand on these tables since, or went: views, keys of other tables, functions."""
    old = {table.name for table in tables}
    was, is_ = _edges(dependents), _edges(tuple(d for d in now.dependents if d.table in old))
    own = {"constraint", "index", "trigger", "policy", "default", "rule", "statistics", "publication"}
    for kind, thing, owned in sorted(was ^ is_):
        if kind in own and owned:
            continue  # it is part of a table, and was compared there
        yield f"{thing}: {'is gone' if (kind, thing, owned) in was else 'is new'}"


def _edges(dependents: tuple[Dependent, ...]) -> set[tuple[str, str, bool]]:
    return {
        (d.kind, d.object, d.owner is None or d.owner == d.table)
        for d in dependents
        if not any(f" {ours}" in d.object or f".{ours}" in d.object for ours in _OURS)
    }


_STRANGERS = """
SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, v.oid, 0)
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
WHERE t.relnamespace = to_regnamespace(%(next)s) AND v.relnamespace <> t.relnamespace
UNION SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0)
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
WHERE t.relnamespace = to_regnamespace(%(next)s) AND d.classid = 'pg_proc'::regclass
UNION SELECT pg_catalog.pg_describe_object('pg_catalog.pg_constraint'::regclass, k.oid, 0)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
JOIN pg_catalog.pg_class o ON o.oid = k.conrelid
WHERE t.relnamespace = to_regnamespace(%(next)s) AND o.relnamespace <> t.relnamespace
UNION SELECT 'column ' || a.attname || ' of table ' || t.relname FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
WHERE t.relnamespace = to_regnamespace(%(next)s) AND t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
AND NOT t.relname || '.' || a.attname = ANY (%(planned)s::text[])
"""


def strangers(run: Run, conn: Connection) -> list[str]:
    """What was made on the new tables after the switch, and would be dropped with them.

    To be asked when the new tables are back in the next schema and all that the plan made on them is gone.
    """
    members = [member for flow in run.plan.builds for member in flow.new.members]
    planned = [f"{m.table.name.name}.{column.name}" for m in members for column in m.table.columns]
    rows = conn.execute(_STRANGERS, {"next": ident(run.plan.next_schema), "planned": planned}).fetchall()
    return sorted(row[0] for row in rows)
