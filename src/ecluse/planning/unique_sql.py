"""When two rows of a table cannot both be there: its unique indexes and exclusion constraints as conditions. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pglast import ast, parse_sql
from pglast.stream import RawStream
from pglast.visitors import Visitor

from ecluse.model.catalog import Constraint, Index
from ecluse.model.flow import Member
from ecluse.model.names import ident


class _Qualified(Visitor):
    """Puts an alias before the columns of an expression."""

    def __init__(self, alias: str) -> None:
        super().__init__()
        self._alias = alias

    def visit_ColumnRef(self, _: object, node: ast.ColumnRef) -> None:
        node.fields = (ast.String(self._alias), (node.fields or ())[-1])


def exclusions(member: Member, columns: Collection[str] = ()) -> tuple[str, ...]:
    """Conditions between two rows `m` and `h` of a table, for each unique index but the key's own: both cannot be.

    Of `m`, only the columns that are written are known, or the given ones, so an index that reads another, generated
    column is left out. Exclusion constraints are told as well where the columns are given.
    """
    found = []
    if columns:
        found += [" AND ".join(_excludes(c)) for c in member.table.constraints if c.kind == "x"]
    for index in member.table.indexes:
        known = {*index.uses, *filter(None, index.columns)} <= set(columns or member.columns)
        if index.unique and index.valid and known and index.columns != member.key:
            found.append(" AND ".join(_equal(member, index)))
    return tuple(found)


def _excludes(constraint: Constraint) -> Iterator[str]:
    statement: Any = parse_sql(f"ALTER TABLE t ADD {constraint.definition}")[0].stmt
    node = statement.cmds[0].def_
    for element, operator in node.exclusions:
        ours, theirs = (
            f"({_over(element.expr, alias)})" if element.expr is not None else f"{alias}.{ident(element.name)}"
            for alias in "mh"
        )
        *schema, sign = (part.sval for part in operator)
        yield f"{ours} OPERATOR({'.'.join([*map(ident, schema or ['pg_catalog']), sign])}) {theirs}"
    if node.where_clause is not None:
        yield from (f"({_over(node.where_clause, alias)})" for alias in "mh")


def _equal(member: Member, index: Index) -> Iterator[str]:
    equals = "IS NOT DISTINCT FROM" if _statement(index).nulls_not_distinct else "="
    ours, theirs = (list(_terms(member, index, alias)) for alias in "mh")
    yield from (f"{one} {equals} {other}" for one, other in zip(ours, theirs, strict=True))
    for alias in "mh":
        where: Any = _statement(index).whereClause
        if where is not None:
            yield f"({_over(where, alias)})"


def _terms(member: Member, index: Index, alias: str) -> Iterator[str]:
    for element in _statement(index).indexParams:
        if element.expr is not None:
            yield f"({_over(element.expr, alias)})"
            continue
        column = member.table.column(element.name)
        # Where the row is made by a mapping, its column may have another collation than the table's.
        collation = f" COLLATE {column.collation}" if column is not None and column.collation else ""
        yield f"{alias}.{ident(element.name)}{collation}"


def _statement(index: Index) -> Any:
    return parse_sql(f"CREATE INDEX i ON t {index.tail}")[0].stmt


def _over(node: Any, alias: str) -> str:
    if isinstance(node, ast.ColumnRef):  # a visitor does not change the root itself
        return f"{alias}.{ident(str((node.fields or ())[-1].sval))}"
    _Qualified(alias)(node)
    return str(RawStream()(node))
