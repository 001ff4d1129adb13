"""The census: how the values of a column fit their rule, asked before anything runs."""

from __future__ import annotations

from dataclasses import replace

from ecluse.model.catalog import Column, Table
from ecluse.model.names import literal
from ecluse.model.uuid_sql import canonical, valid_uuid
from ecluse.operations.inside import Inside
from ecluse.operations.labels import Labels
from ecluse.operations.rules import Rule, as_text, col
from ecluse.operations.work import CensusQuery, Findings

NO_LABEL = "has no label"


def of_column(table: Table, column: Column, rule: Rule) -> CensusQuery:
    """The values of a column: one scan, and a look at the first few that do not fit."""
    rule = _asked(rule)
    mine = col(column.name)
    value = as_text(mine, column.type)
    bad = rule.rejected(mine, column.type) or "false"
    odd = rule.unusual(mine, column.type) if rule.using else _odd(rule, value)
    alone = (column.name,) in {tuple(c.columns) for c in table.constraints if c.kind in "pu"} | {
        tuple(i.columns) for i in table.indexes if i.unique
    }
    # Not the plain cast of `refuse`: a census counts bad values, it does not stumble over them.
    new = rule.forward(mine, column.type) if rule.using else rule.convertible(value)
    rows = f"ONLY {table.name.sql} m"
    # Only a value that is written unusually, or mapped, can become another's equal; else nothing is sorted.
    moved = f"({odd}) OR NOT {valid_uuid(value)}" if rule.map else odd
    again = f"(SELECT count({new}) - count(DISTINCT {new}) FROM {rows})"
    twins = f"CASE WHEN count(*) FILTER (WHERE {moved}) = 0 THEN 0 ELSE {again} END" if alone else "0::bigint"
    sql = _counts(rows, value, bad, odd, twins)
    return CensusQuery(table.name, column.name, rule.invalid, sql, "" if rule.using else "not a UUID")


def of_labels(table: Table, column: Column, rule: Labels) -> CensusQuery:
    """The texts of a column that becomes an enum, those without a label of their own by how many rows have them."""
    mine, rows = col(column.name), f"ONLY {table.name.sql} m"
    bad = "s.value IS NOT NULL AND s.label IS NULL"
    alone = (column.name,) in {tuple(c.columns) for c in table.constraints if c.kind in "pu"}
    rest = literal(rule.other) if rule.other else "s.value"
    twins = f"{_total('s.value IS NOT NULL')} - count(DISTINCT coalesce(s.label, {rest}))" if alone else "0"
    samples = f"array_agg(s.value ORDER BY s.n DESC, s.value) FILTER (WHERE {bad})"
    sql = (
        f'WITH s AS (SELECT {mine}::text COLLATE "C" AS value, {rule.known(mine, column.type)} AS label, count(*) AS n '
        f"FROM {rows} GROUP BY 1, 2)\n"
        f"SELECT {_total('true')} AS rows, {_total(bad)} AS invalid, 0::bigint AS unusual, ({twins})::bigint AS "
        f"collisions, coalesce(({samples})[:5], '{{}}') AS samples FROM s"
    )
    return CensusQuery(table.name, column.name, "other" if rule.other else rule.invalid, sql, NO_LABEL)


def of_labelled_key(table: Table, column: Column, rule: Labels, name: str, columns: tuple[str, ...]) -> Findings:
    """Rows that would be equal by a key of several columns, of which the labelled one is one."""
    values = [rule.label(col(each), column.type) if each == column.name else col(each) for each in columns]
    whole = " AND ".join(f"({value}) IS NOT NULL" for value in values)
    groups = f"SELECT count(*) - 1 AS n FROM ONLY {table.name.sql} m WHERE {whole} GROUP BY {', '.join(values)}"
    said = f" rows of {table.name} would become equal to another one by {name} ({', '.join(columns)})"
    return Findings(
        table.name,
        f"SELECT 'collision', 'refuse', to_char(sum(c.n), 'FM999,999,999,990') || {literal(said)} "
        f"FROM ({groups}) c HAVING sum(c.n) > 0",
    )


def by_label(table: Table, column: Column, rule: Labels) -> Findings:
    """How many rows get each label."""
    mine = col(column.name)
    counts = f"SELECT {rule.label(mine, column.type)} AS label, count(*) AS n FROM ONLY {table.name.sql} m GROUP BY 1"
    told = "string_agg(format('%s %s', to_char(c.n, 'FM999,999,999,990'), c.label), ', ' ORDER BY c.n DESC, c.label)"
    head = literal(f"{table.name}.{column.name} becomes: ")
    return Findings(
        table.name,
        f"SELECT 'labels', 'note', {head} || {told} FROM ({counts}) c WHERE c.label IS NOT NULL HAVING count(*) > 0",
    )


def of_elements(table: Table, column: Column, rule: Rule) -> CensusQuery:
    """The elements of an array column."""
    rule = _asked(rule)
    rows = f"ONLY {table.name.sql} m, unnest({col(column.name)}::text[]) e(v)"
    sql = _counts(f"{rows}", "e.v", rule.rejected("e.v", "text"), _odd(rule, "e.v"))
    return CensusQuery(table.name, f"{column.name}[]", rule.invalid, sql, "not a UUID")


def of_document(table: Table, column: Column, path: str, inside: Inside) -> CensusQuery:
    """What stands at a path of the documents; everything there that is not converted counts as not fitting."""
    rule = _asked(inside.rule)
    value, text = "(l.v #>> '{}')", "jsonb_typeof(l.v) = 'string'"
    rows = f"ONLY {table.name.sql} m, LATERAL {inside.path.leaves(col(column.name))}"
    bad = f"NOT ({text}) OR {rule.convertible(value)} IS NULL"
    sql = _counts(rows, value, bad, f"{text} AND {_odd(rule, value)}")
    policy = "regenerate" if rule.invalid == "regenerate" else "keep"
    return CensusQuery(table.name, f"{column.name}.{path}", policy, sql, "not a UUID")


def of_ids(
    table: Table, where: str, rule: Rule, rows: str, value: str, *, text: str = "true", alone: bool = False
) -> CensusQuery:
    """The ids in a column, or inside it, by the map: the `value` of each of `rows`, an id only where it is a `text`.

    The map is joined to the distinct values at once, so that one of any size costs one scan.
    """
    assert rule.map is not None
    bad = "s.value IS NOT NULL AND i.uuid IS NULL"
    twins = f"{_total('s.value IS NOT NULL')} - count(DISTINCT coalesce(i.uuid, s.value))" if alone else "0"
    samples = f"array_agg(s.value ORDER BY s.n DESC, s.value) FILTER (WHERE {bad})"
    sql = (
        "WITH i AS MATERIALIZED (SELECT e.key AS old_value, e.value AS uuid "
        f"FROM jsonb_each_text({rule.map.json}) e),\n"
        f's AS (SELECT ({value})::text COLLATE "C" AS value, {text} AS is_text, count(*) AS n '
        f"FROM {rows} GROUP BY 1, 2)\n"
        f"SELECT {_total('true')} AS rows, {_total(bad)} AS invalid, 0::bigint AS unusual, "
        f"({twins})::bigint AS collisions, coalesce(({samples})[:5], '{{}}') AS samples, "
        f"{_total('i.uuid <> s.value')} AS mapped\n"
        "FROM s LEFT JOIN i ON i.old_value = s.value AND s.is_text"
    )
    return CensusQuery(table.name, where, rule.invalid, sql, "not in the map")


def _total(condition: str) -> str:
    return f"coalesce(sum(s.n) FILTER (WHERE {condition}), 0)::bigint"


def _asked(rule: Rule) -> Rule:
    """The rule as it can be asked before its map is in the database."""
    return replace(rule, map=rule.map.inlined()) if rule.map else rule


def _odd(rule: Rule, value: str) -> str:
    # In this order what is written as usual, nearly all of it, is looked at once.
    return f"NOT {canonical(value)} AND {valid_uuid(value)}"


def _counts(rows: str, value: str, bad: str, odd: str, twins: str = "0::bigint") -> str:
    samples = f"SELECT array_agg(s.value) FROM (SELECT {value} AS value FROM {rows} WHERE {bad} LIMIT 5) s"
    return (
        f"SELECT count(*) AS rows, count(*) FILTER (WHERE {bad}) AS invalid, "
        f"count(*) FILTER (WHERE {odd}) AS unusual, {twins} AS collisions, "
        # Where nothing is bad, a look for samples would read everything again.
        f"CASE WHEN count(*) FILTER (WHERE {bad}) = 0 THEN '{{}}' ELSE coalesce(({samples}), '{{}}') END AS samples\n"
        f"FROM {rows}"
    )
