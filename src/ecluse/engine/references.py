"""Columns that look like references without being foreign keys: by name, by type, and by the values they share.

A sample of each column's values is looked up in the keys of the other tables. Values inside jsonb and arrays count
as well. What is found is a hint for a person; nothing is converted because of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.engine.context import Connection
from ecluse.model.catalog import Catalog, Column, Table
from ecluse.model.names import Name, ident

_SAMPLE = 1000
_PAGES_READ = 400
_LONGEST = 80  # a reference is short; longer values are texts
_LEAST = 0.02
_DEPTH = 5
_TEXT = re.compile(r"(text|character varying|character|uuid)\b(?!.*\[\])")
_LIST = re.compile(r"(text|character varying|uuid)\b.*\[\]\Z")
_WHOLE = re.compile(r"(smallint|integer|bigint)\Z")
_UUID = "^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$"


@dataclass(frozen=True, slots=True)
class Reference:
    """A column, or a place inside one, whose values are keys of another table. `overlap` is between 0 and 1."""

    table: str
    column: str
    path: str  # inside jsonb: "user.id", "tags[]"; "[]" for an array
    type: str
    refers_to: str  # table.column
    refers_to_type: str
    overlap: float
    values: int  # distinct values looked at
    by_name: bool


@dataclass(frozen=True, slots=True)
class _Key:
    table: Table
    column: Column

    @property
    def family(self) -> str:
        return "whole" if _WHOLE.match(self.column.type) else "text"


def find_references(conn: Connection, catalog: Catalog) -> list[Reference]:
    """Look at every column of every table; reads a sample of each and locks nothing."""
    keys = list(_keys(catalog))
    found: list[Reference] = []
    for table in catalog.tables.values():
        if table.kind == "f" or table.extension:
            continue
        declared = {c for key in table.foreign_keys for c in key.columns}
        for column in table.columns:
            if column.name not in declared:
                found += _of_column(conn, table, column, keys)
    return sorted(found, key=lambda r: (r.table, r.column, r.path, -r.overlap))


def _keys(catalog: Catalog) -> Iterator[_Key]:
    for table in catalog.tables.values():
        if table.kind == "f" or table.extension:
            continue
        single = {c.columns[0] for c in table.constraints if c.kind in "pu" and len(c.columns) == 1}
        for name in sorted(single):
            column = table.column(name)
            if column and (_TEXT.match(column.type) or _WHOLE.match(column.type)):
                yield _Key(table, column)


def _of_column(conn: Connection, table: Table, column: Column, keys: list[_Key]) -> Iterator[Reference]:
    own = {(table.name, column.name)}
    others = [k for k in keys if (k.table.name, k.column.name) not in own]
    if _TEXT.match(column.type):
        wanted = [k for k in others if k.family == "text"]
    elif _WHOLE.match(column.type):
        # Small numbers are found in every table; only a name makes them a reference.
        wanted = [k for k in others if k.family == "whole" and alike(column.name, k.table.name, k.column.name)]
    elif column.type in ("jsonb", "json") or _LIST.match(column.type):
        wanted = [k for k in others if k.family == "text"]
        wanted += [k for k in keys if (k.table.name, k.column.name) in own]
    else:
        return
    if wanted:
        yield from _overlaps(conn, table, column, wanted)


def _overlaps(conn: Connection, table: Table, column: Column, keys: list[_Key]) -> Iterator[Reference]:
    looks = [
        f"SELECT path, {number}, count(*), count(*) FILTER (WHERE {_known(key)}) FROM seen GROUP BY path"
        for number, key in enumerate(keys)
    ]
    query = f"WITH RECURSIVE {_values(table, column)} {' UNION ALL '.join(looks)}"
    for path, number, values, known in conn.execute(query.encode()):
        key = keys[number]
        named = alike((path.rstrip("[]").rpartition(".")[2] or column.name), key.table.name, key.column.name)
        overlap = known / values if values else 0.0
        # One shared value may be chance, unless the name says the same.
        if overlap >= _LEAST and (named or known > 1 or values == known):
            yield Reference(
                table=str(table.name),
                column=column.name,
                path=path,
                type=column.type,
                refers_to=f"{key.table.name}.{key.column.name}",
                refers_to_type=key.column.type,
                overlap=overlap,
                values=values,
                by_name=named,
            )


def _known(key: _Key) -> str:
    """Whether the value `v` is one of the key's; in a form that the key's own index can answer."""
    value = "seen.v"
    if key.column.type == "uuid":
        value = f"CASE WHEN seen.v ~ '{_UUID}' THEN seen.v::uuid END"
    elif key.family == "whole":
        value = "seen.v::numeric"
    return f"EXISTS (SELECT 1 FROM {key.table.name.sql} k WHERE k.{ident(key.column.name)} = {value})"


def _values(table: Table, column: Column) -> str:
    """Common table expressions that end in `seen(path, v)`: distinct values, with their place inside the column."""
    name = ident(column.name)
    share = min(100.0, 100.0 * _PAGES_READ / max(1, table.pages))
    part = f" TABLESAMPLE SYSTEM ({share:.6f})" if share < 100 else ""
    rows = f"(SELECT {name} AS c FROM {table.name.sql}{part} WHERE {name} IS NOT NULL LIMIT {_SAMPLE * 4}) s"
    short = f"length(v) BETWEEN 1 AND {_LONGEST}"
    if column.type in ("jsonb", "json"):
        return f"""walk(path, j, depth) AS (
  SELECT '', s.c::jsonb, 0 FROM {rows}
  UNION ALL
  SELECT n.path, n.j, w.depth + 1 FROM walk w CROSS JOIN LATERAL (
    SELECT w.path || CASE WHEN w.path = '' THEN '' ELSE '.' END || e.key, e.value
      FROM jsonb_each(CASE WHEN jsonb_typeof(w.j) = 'object' THEN w.j ELSE '{{}}' END) e
    UNION ALL
    SELECT w.path || '[]', a.value
      FROM jsonb_array_elements(CASE WHEN jsonb_typeof(w.j) = 'array' THEN w.j ELSE '[]' END) a
  ) n(path, j) WHERE w.depth < {_DEPTH}
), seen AS MATERIALIZED (
  SELECT DISTINCT path, v FROM (SELECT path, j #>> '{{}}' AS v FROM walk WHERE jsonb_typeof(j) = 'string' LIMIT 20000) t
  WHERE {short}
)"""
    if column.type.endswith("[]"):
        return (
            f"seen AS MATERIALIZED (SELECT DISTINCT '[]'::text AS path, v FROM {rows}, unnest(s.c::text[]) v "
            f"WHERE {short})"
        )
    return (
        f"seen AS MATERIALIZED (SELECT DISTINCT ''::text AS path, v FROM (SELECT s.c::text AS v FROM {rows}) t "
        f"WHERE {short} LIMIT {_SAMPLE})"
    )


def alike(column: str, table: Name, key: str) -> bool:
    """Whether a column's name says that it refers to that table: user_id, userid, user_uuid, user for users.id."""
    plain = column.lower().replace("_", "")
    owner = table.name.lower().replace("_", "")
    owners = {owner, owner.removesuffix("s"), owner.removesuffix("es"), re.sub(r"ies\Z", "y", owner)}
    tails = ("", "id", "uuid", "key", "ref", "s", "ids", key.lower().replace("_", ""))
    if key.lower() not in ("id", "uuid", "key", "name") and column.lower() == key.lower():
        return True
    return any(plain == word + tail or (plain.endswith(word + tail) and tail) for word in owners for tail in tails)
