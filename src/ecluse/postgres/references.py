"""Columns that look like references without being foreign keys: by name, by type, and by the values they share.

A sample of each column's values is looked up in the keys of the other tables. Values inside jsonb and arrays count
as well. What is found is a hint for a person; nothing is converted because of it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from ecluse.model.catalog import Catalog, Column, Table
from ecluse.model.names import Name, ident
from ecluse.model.uuid_sql import to_uuid

_LONGEST = 80  # a reference is short; longer values are texts
_LEAST = 0.02
_DEPTH = 5
_USUAL = 'pg_catalog."default"'  # collation
_V = "seen.v"  # qualified, for the table of the key may have a column of that name
_TEXT = re.compile(r"(text|character varying|character|uuid)\b(?!.*\[\])")
_LIST = re.compile(r"(text|character varying|uuid)\b.*\[\]\Z")
_WHOLE = re.compile(r"(smallint|integer|bigint)\Z")
_PLAIN_KEY = r'^[^][[:space:]."]+$'


@dataclass(frozen=True, slots=True)
class LikelyReference:
    """A column, or a place inside one, whose values are keys of another table.

    `values_sampled` are distinct; `found` of them are keys, `found_otherwise` of these only in another spelling
    (upper or lower case, a UUID with braces or without dashes). `share` is found / values_sampled.
    """

    table: Name
    column: str
    path: str  # inside jsonb, as `references` of convert_column takes it: "user.id", "tags[*]"; "[*]" in an array
    type: str
    key_table: Name
    key_column: str
    key_type: str
    values_sampled: int
    found: int
    found_otherwise: int
    share: float
    by_name: bool


@dataclass(frozen=True, slots=True)
class _Key:
    table: Table
    column: Column

    @property
    def whole(self) -> bool:
        return bool(_WHOLE.match(self.column.type))

    def meant_by(self, column: str) -> bool:
        return alike(column, self.table.name, self.column.name)


def likely_references(
    conn: psycopg.Connection[Any],
    catalog: Catalog,
    *,
    sample: int = 10_000,
    only: Container[tuple[Name, str]] | None = None,
) -> tuple[LikelyReference, ...]:
    """Look at every column of every table: at most `sample` distinct values of each, and no lock that anyone minds.

    `only` are the keys to look for, all of them where it is not given. Tables that may not be read are left out.
    """
    keys = [key for key in _keys(catalog) if only is None or (key.table.name, key.column.name) in only]
    found: list[LikelyReference] = []
    for table in catalog.tables.values():
        if table.kind == "f" or table.extension:
            continue
        declared = {name for key in table.foreign_keys for name in key.columns}
        for column in table.columns:
            if column.name not in declared:
                with suppress(psycopg.errors.InsufficientPrivilege):
                    found += _of_column(conn, table, column, keys, sample)
    return tuple(sorted(found, key=lambda one: (one.table, one.column, one.path, -one.share, one.key_table)))


def sample_of(
    conn: psycopg.Connection[Any], table: Table, column: Column, *, whole: bool = False, sample: int = 1000
) -> dict[str, list[str]]:
    """Values of a column that could be references, by the place inside it; small numbers only where `whole`."""
    kinds = (_TEXT, _LIST, _WHOLE) if whole else (_TEXT, _LIST)
    if column.type not in ("jsonb", "json") and not any(kind.match(column.type) for kind in kinds):
        return {}
    found: dict[str, list[str]] = {}
    query = f"WITH RECURSIVE {_values(table, column, sample)} SELECT path, v FROM seen ORDER BY path, v"
    for path, value in conn.execute(query.encode()):
        found.setdefault(path, []).append(value)
    return found


def _keys(catalog: Catalog) -> Iterator[_Key]:
    for table in catalog.tables.values():
        if table.kind == "f" or table.extension:
            continue
        single = {c.columns[0] for c in table.constraints if c.kind in "pu" and len(c.columns) == 1}
        for name in sorted(single):
            column = table.column(name)
            if column and (_TEXT.match(column.type) or _WHOLE.match(column.type)):
                yield _Key(table, column)


def _of_column(
    conn: psycopg.Connection[Any], table: Table, column: Column, keys: list[_Key], sample: int
) -> Iterator[LikelyReference]:
    others = [key for key in keys if (key.table.name, key.column.name) != (table.name, column.name)]
    # Small numbers are found in every table; only a name makes them a reference.
    numbers = [key for key in others if key.whole and key.meant_by(column.name)]
    if _TEXT.match(column.type):
        wanted = [key for key in others if not key.whole] + numbers
    elif _WHOLE.match(column.type):
        wanted = numbers
    elif column.type in ("jsonb", "json") or _LIST.match(column.type):
        wanted = [key for key in keys if not key.whole]
    else:
        return
    if wanted:
        yield from _overlaps(conn, table, column, wanted, sample)


def _overlaps(
    conn: psycopg.Connection[Any], table: Table, column: Column, keys: list[_Key], sample: int
) -> Iterator[LikelyReference]:
    looks = [
        f"SELECT path, {number}, count(*), count(*) FILTER (WHERE same OR otherwise), "
        "count(*) FILTER (WHERE otherwise AND NOT same) FROM "
        f"(SELECT path, {_known(key, column)} FROM seen) t GROUP BY path"
        for number, key in enumerate(keys)
    ]
    query = f"WITH RECURSIVE {_values(table, column, sample)} {' UNION ALL '.join(looks)}"
    for path, number, values, found, otherwise in conn.execute(query.encode()):
        key = keys[number]
        last = path.removesuffix("[*]").rpartition(".")[2].strip('"')
        named = key.meant_by(last or column.name)
        share = found / values
        # One shared value may be chance, unless the name says the same.
        if share >= _LEAST and (named or found > 1 or values == found):
            yield LikelyReference(
                table=table.name,
                column=column.name,
                path=path,
                type=column.type,
                key_table=key.table.name,
                key_column=key.column.name,
                key_type=key.column.type,
                values_sampled=values,
                found=found,
                found_otherwise=otherwise,
                share=share,
                by_name=named,
            )


def _known(key: _Key, column: Column) -> str:
    """Whether the value `v` is one of the key's, as it is or written otherwise; for the key's own index to answer."""
    if key.whole:
        number = f"CASE WHEN {_V} ~ '^-?[0-9]{{1,18}}$' THEN {_V}::bigint END"
        found = _among(key, f"= {number}")
        return f"{found} AS same, false AS otherwise"
    uuid = to_uuid(_V)
    if key.column.type == "uuid":
        found = _among(key, f"= {uuid}")
        return f"{found} AND {_V} = {uuid}::text AS same, {found} AS otherwise"
    forms = f"ARRAY[lower({_V}), upper({_V})]"
    if column.type != "uuid":
        plain = f"{uuid}::text"
        bare = f"replace({plain}, '-', '')"
        braced = f"'{{' || {plain} || '}}'"
        forms = f"ARRAY[lower({_V}), upper({_V}), {plain}, upper({plain}), {bare}, upper({bare}), {braced}]"
    # The column's own collation may be another than the key's; the key's is that of the index.
    like = f"COLLATE {key.column.collation or _USUAL}"
    return f"{_among(key, f'= {_V} {like}')} AS same, {_among(key, f'= ANY ({forms} {like})')} AS otherwise"


def _among(key: _Key, condition: str) -> str:
    return f"EXISTS (SELECT FROM {key.table.name.sql} k WHERE k.{ident(key.column.name)} {condition})"


def _values(table: Table, column: Column, sample: int) -> str:
    """Common table expressions that end in `seen(path, v)`: distinct values, with their place inside the column."""
    name = ident(column.name)
    share = min(100.0, 100.0 * max(400, sample // 5) / max(1, table.pages))
    # The same sample each time, so that two looks at the same data say the same.
    part = f" TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE (1)" if share < 100 else ""
    rows = f"(SELECT {name} AS c FROM {table.name.sql}{part} WHERE {name} IS NOT NULL LIMIT {sample * 4}) s"
    if column.type in ("jsonb", "json"):
        return _inside(rows, sample)
    if column.type.endswith("[]"):
        found = f"SELECT '[*]'::text AS path, v COLLATE {_USUAL} AS v FROM {rows}, unnest(s.c::text[]) v"
    else:
        found = f"SELECT ''::text AS path, s.c::text COLLATE {_USUAL} AS v FROM {rows}"
    return (
        f"seen AS MATERIALIZED (SELECT DISTINCT path, v FROM ({found}) t "
        f"WHERE length(v) BETWEEN 1 AND {_LONGEST} LIMIT {sample})"
    )


def _inside(rows: str, sample: int) -> str:
    """The texts inside documents, each with the path at which it stands."""
    key = f"""CASE WHEN e.key ~ '{_PLAIN_KEY}' THEN e.key ELSE '"' || replace(e.key, '"', '""') || '"' END"""
    return f"""walk(path, j, depth) AS (
  SELECT '', s.c::jsonb, 0 FROM {rows}
  UNION ALL
  SELECT n.path, n.j, w.depth + 1 FROM walk w CROSS JOIN LATERAL (
    SELECT w.path || CASE WHEN w.path = '' THEN '' ELSE '.' END || {key}, e.value
      FROM jsonb_each(CASE WHEN jsonb_typeof(w.j) = 'object' THEN w.j ELSE '{{}}' END) e
    UNION ALL
    SELECT w.path || '[*]', a.value
      FROM jsonb_array_elements(CASE WHEN jsonb_typeof(w.j) = 'array' THEN w.j ELSE '[]' END) a
  ) n(path, j) WHERE w.depth < {_DEPTH}
), texts AS (
  SELECT path, j #>> '{{}}' AS v FROM walk WHERE jsonb_typeof(j) = 'string' LIMIT {sample * 4}
), seen AS MATERIALIZED (SELECT DISTINCT path, v FROM texts WHERE length(v) BETWEEN 1 AND {_LONGEST})"""


def alike(column: str, table: Name, key: str) -> bool:
    """Whether a column's name says that it refers to that table: user_id, userid, user_uuid, user for users.id."""
    plain = column.lower().replace("_", "")
    owner = table.name.lower().replace("_", "")
    owners = {owner, owner.removesuffix("s"), owner.removesuffix("es"), re.sub(r"ies\Z", "y", owner)}
    tails = ("", "id", "uuid", "key", "ref", "s", "ids", key.lower().replace("_", ""))
    if key.lower() not in ("id", "uuid", "key", "name") and column.lower() == key.lower():
        return True
    return any(plain == word + tail or (plain.endswith(word + tail) and tail) for word in owners for tail in tails)
