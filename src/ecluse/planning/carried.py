"""Which columns a mapping hands on as they are."""

from __future__ import annotations

from functools import cache

from pglast import ast, parse_sql
from pglast.enums import JoinType
from pglast.parser import ParseError

from ecluse.model.flow import fill


@cache
def carried(select: str) -> frozenset[str]:
    """The columns of a member's `select` that are, under the same name, columns of the row `m`: `m."c" AS "c"`.

    A hint for reading less; whoever uses it must come to no wrong verdict where it is wrong.
    """
    try:
        parsed = parse_sql(fill(select, lambda alias: f'"{alias}"'))[0].stmt
    except ParseError:
        return frozenset()
    # A UNION has no select list of its own.
    targets = parsed.targetList if isinstance(parsed, ast.SelectStmt) else None
    return frozenset(t.name for t in targets or () if isinstance(t, ast.ResTarget) and t.name and _handed_on(t))


def _handed_on(target: ast.ResTarget) -> bool:
    fields = target.val.fields if isinstance(target.val, ast.ColumnRef) else None
    return [f.sval if isinstance(f, ast.String) else "" for f in fields or ()] == ["m", target.name]


@cache
def keeps_rows(select: str) -> bool:
    """Whether the mapping gives at least one row for each row `m`: it filters nothing, and only adds by LEFT JOIN.

    A hint as well.
    """
    try:
        query = parse_sql(fill(select, lambda alias: f'"{alias}"'))[0].stmt
    except ParseError:
        return False
    clauses = ("whereClause", "groupClause", "havingClause", "distinctClause", "limitCount", "limitOffset", "op")
    tables = list(query.fromClause or ()) if isinstance(query, ast.SelectStmt) else []
    if len(tables) != 1:
        return False
    if any(getattr(query, clause) for clause in clauses):
        return False
    item = tables[0]
    while isinstance(item, ast.JoinExpr):
        if item.jointype != JoinType.JOIN_LEFT:
            return False
        item = item.larg
    return isinstance(item, ast.RangeVar) and item.alias is not None and item.alias.aliasname == "m"


def reads_once(select: str, alias: str) -> bool:
    """Whether the mapping names that table in one place, so that a single row can be put there."""
    named: list[str] = []

    def note(name: str) -> str:
        named.append(name)
        return name

    fill(select, note)
    return named.count(alias) == 1
