"""What stands on an enum: its columns, the rows that use some labels, and what is in the way of a type without them.

Read from `pg_depend`. What `Standing` does not know how to carry over to the new type is in the way, by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ecluse.engine.context import Connection
from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import EnumColumn, Plan
from ecluse.planning.switch_sql import visible

_TYPES = "SELECT x FROM pg_catalog.pg_type t, unnest(ARRAY[t.oid, t.typarray]) x WHERE t.oid = %(oid)s AND x <> 0"

_COLUMNS = f"""
SELECT n.nspname::text, c.relname::text, a.attname::text, a.atttypid <> %(oid)s, c.relkind::text,
       a.attinhcount, c.relpersistence::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p
                WHERE p.partrelid = c.oid AND a.attnum = ANY (p.partattrs)),
       (SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, u.attrelid, u.attnum)
          FROM pg_catalog.pg_attribute u JOIN pg_catalog.pg_type r ON r.oid = u.atttypid
          JOIN pg_catalog.pg_class h ON h.oid = u.attrelid AND h.relkind IN ('r', 'p', 'm', 'f', 'c')
         WHERE (r.typrelid = c.oid OR r.typelem = c.reltype) AND NOT u.attisdropped LIMIT 1)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.atttypid IN ({_TYPES}) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'c')
ORDER BY 1, 2, a.attnum
"""

# What depends on the type, and of what depends on its columns that which ALTER COLUMN TYPE does not make again itself.
_EDGES = f"""
WITH types (oid) AS ({_TYPES}), edges (classid, objid, objsubid) AS (
    SELECT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (SELECT oid FROM types)
      AND d.deptype IN ('n', 'a')
    UNION
    SELECT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND a.atttypid IN (SELECT oid FROM types)
      AND d.deptype IN ('n', 'a') AND d.classid NOT IN ('pg_catalog.pg_class'::regclass,
          'pg_catalog.pg_statistic_ext'::regclass)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
          WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid AND k.contype <> 'f')
    UNION -- a generated column: until version 14 it is the column that depends, and not its expression
    SELECT 'pg_catalog.pg_attrdef'::regclass, ad.oid, 0 FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    JOIN pg_catalog.pg_attribute g ON g.attrelid = d.objid AND g.attnum = d.objsubid AND g.attgenerated <> ''
    JOIN pg_catalog.pg_attrdef ad ON ad.adrelid = g.attrelid AND ad.adnum = g.attnum
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = d.classid
      AND a.atttypid IN (SELECT oid FROM types))
SELECT CASE WHEN ad.oid IS NOT NULL THEN CASE a.attgenerated WHEN '' THEN 'default' ELSE 'generated' END
            WHEN k.oid IS NOT NULL THEN 'constraint ' || k.contype::text
            WHEN x.indexrelid IS NOT NULL THEN 'index' WHEN r.oid IS NOT NULL THEN 'rule ' || c.relkind::text
            WHEN p.oid IS NOT NULL THEN 'policy' WHEN g.oid IS NOT NULL THEN 'trigger'
            WHEN i.oid IS NOT NULL THEN 'relation ' || i.relkind::text ELSE 'other' END,
       n.nspname::text, coalesce(c.relname, f.proname)::text,
       coalesce(a.attname, k.conname, i.relname, p.polname, g.tgname)::text,
       pg_catalog.pg_get_expr(ad.adbin, ad.adrelid), e.objsubid,
       coalesce(c.relispartition OR c.relkind = 'p', false),
       coalesce(k.coninhcount > 0 OR k.conparentid <> 0 OR g.tgisinternal OR g.tgparentid <> 0, false),
       coalesce(c.relkind::text, ''), pg_catalog.pg_describe_object(e.classid, e.objid, e.objsubid)
FROM edges e
LEFT JOIN pg_catalog.pg_attrdef ad ON e.classid = 'pg_catalog.pg_attrdef'::regclass AND ad.oid = e.objid
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
LEFT JOIN pg_catalog.pg_constraint k ON e.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = e.objid
LEFT JOIN pg_catalog.pg_class i ON e.classid = 'pg_catalog.pg_class'::regclass AND i.oid = e.objid
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = i.oid
LEFT JOIN pg_catalog.pg_rewrite r ON e.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = e.objid
LEFT JOIN pg_catalog.pg_policy p ON e.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = e.objid
LEFT JOIN pg_catalog.pg_trigger g ON e.classid = 'pg_catalog.pg_trigger'::regclass AND g.oid = e.objid
LEFT JOIN pg_catalog.pg_proc f ON e.classid = 'pg_catalog.pg_proc'::regclass AND f.oid = e.objid
LEFT JOIN pg_catalog.pg_class c ON c.oid = coalesce(ad.adrelid, nullif(k.conrelid, 0), x.indrelid, r.ev_class,
    p.polrelid, g.tgrelid, i.oid)
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(c.relnamespace, f.pronamespace)
ORDER BY 1, 2, 3, 4, 10
"""

_ON_VIEWS = """
SELECT 'rule ' || c.relkind::text, n.nspname::text, c.relname::text,
       pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
FROM unnest(%s::text[]) v (name) JOIN pg_catalog.pg_class s ON s.oid = v.name::regclass
JOIN pg_catalog.pg_type t ON t.oid = s.reltype
JOIN pg_catalog.pg_depend d ON d.deptype = 'n'
 AND (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.oid
  OR d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray))
LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_class c ON c.oid = r.ev_class LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE r.ev_class IS DISTINCT FROM s.oid ORDER BY 1, 2, 3
"""

_USERS = """
SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::regclass
AND d.refobjid IN (t.oid, t.typarray) AND d.deptype <> 'i' WHERE t.oid = %s::regtype ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An enum with labels that a rollback takes off again: `stays` is what it has then, in order."""

    name: Name
    oid: int
    stays: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """What is not there any more when a rollback is done: whole schemas, tables, views, functions, and columns."""

    schemas: frozenset[str] = frozenset()
    names: frozenset[Name] = frozenset()
    columns: frozenset[tuple[Name, str]] = frozenset()

    def has(self, name: Name, column: str = "") -> bool:
        """Whether it goes, with its table or alone."""
        return name.schema in self.schemas or name in self.names or (name, column) in self.columns


@dataclass(frozen=True, slots=True)
class Held:
    """Why labels cannot be taken off, and what may be pasted to see or to change that."""

    reasons: tuple[str, ...]
    hints: tuple[str, ...]


@dataclass(slots=True)
class Standing:
    """What stands on an enum. All but columns and obstacles is dropped before the type is made anew, and made again."""

    columns: list[EnumColumn] = field(default_factory=list)
    defaults: list[tuple[Name, str, str]] = field(default_factory=list)  # table, column, expression
    constraints: list[tuple[Name, str]] = field(default_factory=list)
    indexes: list[tuple[Name, str]] = field(default_factory=list)
    policies: list[tuple[Name, str]] = field(default_factory=list)
    triggers: list[tuple[Name, str]] = field(default_factory=list)
    views: list[Name] = field(default_factory=list)  # the ones stood upon first
    obstacles: list[str] = field(default_factory=list)

    @property
    def tables(self) -> list[Name]:
        """The tables that are rewritten or altered."""
        carried = (*self.constraints, *self.indexes, *self.policies, *self.triggers)
        return sorted({c.table for c in self.columns} | {d[0] for d in self.defaults} | {table for table, _ in carried})


def gone(plan: Plan, *, switched: bool, home: bool) -> Gone:
    """What a rollback takes away besides. `home`: the new writes are in the kept tables, which can be judged then."""
    schemas = frozenset({plan.next_schema, "ecluse"})
    if not switched:
        return Gone(schemas)
    if not home:
        schemas |= {plan.kept_schema}
    names = {m.table.name for m in visible(plan)} | {v.name for v in plan.views} | {f.name for f in plan.functions}
    names |= {thing.name for define in plan.defines for thing in define.objects if thing.kind != "trigger"}
    columns = {(added.table, column.name) for added in plan.added for column in added.columns}
    return Gone(schemas, frozenset(names), frozenset(columns))


def users(conn: Connection, name: Name) -> list[str]:
    """What uses a type, in the server's words."""
    return [row[0] for row in conn.execute(_USERS, (name.sql,))]


def held_by(conn: Connection, enum: Labelled, leaving: Gone) -> Held | None:
    """The rows and the objects for which the labels have to stay; None where there are none."""
    found = standing(conn, enum, leaving)
    reasons, hints = [], []
    for obstacle in found.obstacles:
        reasons.append(f"{obstacle} stands on the type, and would have to be made anew by hand")
    if reasons:
        hints.append("drop these, or let them do without the type, and roll back again")
    for column, label, rows in _used(conn, enum, found.columns) if not reasons else ():
        reasons.append(f"{rows:,} rows of {column.table} have {literal(label)} in {column.name}")
        hints.append(
            f"decide what they become: SELECT * FROM {column.table.sql} WHERE {_has(column, label, enum.name)}"
        )
    return Held(tuple(reasons), tuple(hints)) if reasons else None


def _has(column: EnumColumn, label: str, name: Name) -> str:
    return f"{literal(label)}::{name.sql} = " + (f"ANY ({ident(column.name)})" if column.array else ident(column.name))


def _used(conn: Connection, enum: Labelled, columns: list[EnumColumn]) -> Iterator[tuple[EnumColumn, str, int]]:
    for column in columns:
        counts = ", ".join(f"count(*) FILTER (WHERE {_has(column, label, enum.name)})" for label in enum.added)
        row = conn.execute(f"SELECT {counts} FROM {column.table.sql}").fetchone() or ()
        yield from ((column, label, rows) for label, rows in zip(enum.added, row, strict=True) if rows)


def standing(conn: Connection, enum: Labelled, leaving: Gone) -> Standing:
    """What stands on the enum, without what leaves anyway."""
    found = Standing()
    for row in conn.execute(_COLUMNS, {"oid": enum.oid}).fetchall():
        name = Name(row[0], row[1])
        if not leaving.has(name, row[2]):
            _column(found, name, row)
    for row in conn.execute(_EDGES, {"oid": enum.oid}).fetchall():
        if row[1] is None or not leaving.has(Name(row[1], row[2]), row[3] or ""):
            _edge(found, row)
    _views(conn, found, leaving)
    return found


def _column(found: Standing, name: Name, row: tuple[Any, ...]) -> None:
    _, _, column, array, kind, inherited, persistence, mine, in_key, row_type = row
    place = f"column {column} of {name}"
    if kind in ("f", "c"):
        found.obstacles.append(f"{place} (a {'foreign table' if kind == 'f' else 'composite type'})")
        return
    whys = (
        (persistence == "t", "a temporary table"),
        (not mine, "a table of another owner"),
        (in_key, "part of the partition key"),
        (inherited > 1, "inherited from several tables"),
        (row_type is not None, f"whose row type {row_type} has"),
    )
    found.obstacles += [f"{place} ({why})" for holds, why in whys if holds]
    if not inherited:
        found.columns.append(EnumColumn(name, column, array))


def _edge(found: Standing, row: tuple[Any, ...]) -> None:
    kind, schema, relation, thing, text, part, partitioned, follows, relkind, words = row
    name = Name(schema, relation) if schema and relation else None
    carried = {
        "constraint c": found.constraints,
        "constraint x": found.constraints,
        "constraint f": found.constraints,
        "policy": found.policies,
        "trigger": found.triggers,
    }
    if kind in ("relation r", "relation p", "relation f", "relation c", "relation v", "relation m") and part:
        return  # a column, told by itself or with its view
    if follows or (relkind in ("v", "m") and not kind.startswith("rule")):
        return  # it goes with what it was made for: a parent's, or a view
    if name is None:
        found.obstacles.append(words)
    elif kind == "default":
        found.defaults.append((name, thing, text))
    elif kind in carried:
        carried[kind].append((name, thing))
    elif kind == "index" and not partitioned:
        found.indexes.append((name, thing))
    elif kind in ("rule v", "rule m"):
        found.views += [name] if name not in found.views else []
    else:
        found.obstacles.append(words)


def _views(conn: Connection, found: Standing, leaving: Gone) -> None:
    """The views that stand on these views; a view that stands on another comes after it."""
    layer = [view for view in found.views if not leaving.has(view)]
    found.views = list(layer)
    while layer:
        rows = conn.execute(_ON_VIEWS, ([view.sql for view in layer],)).fetchall()
        layer = []
        for kind, schema, relation, words in rows:
            if kind not in ("rule v", "rule m"):
                found.obstacles.append(words)
            elif not leaving.has(name := Name(schema, relation)) and name not in layer:
                layer.append(name)
        found.views = [view for view in found.views if view not in layer] + layer
