"""Mapping expressions and templates: parsed, checked, rewritten. What the server would say, said before it is asked.

A mapping must give the same value each time it is computed from the same row: the proof computes it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pglast import parse_sql
from pglast.parser import ParseError, scan
from pglast.visitors import Visitor

from ecluse.model.flow import fill, places
from ecluse.model.names import ident

_VOLATILE_NAMES = """
now random random_normal clock_timestamp statement_timestamp transaction_timestamp timeofday gen_random_uuid
uuidv4 uuidv7 uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 nextval currval lastval setval txid_current
pg_current_xact_id pg_sleep setseed gen_random_bytes gen_salt pg_backend_pid inet_client_addr
"""
_AGGREGATE_NAMES = """
count sum avg min max array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg bool_and bool_or
every bit_and bit_or bit_xor stddev variance xmlagg any_value mode percentile_cont percentile_disc
"""
VOLATILE = frozenset(_VOLATILE_NAMES.split())
_AGGREGATES = frozenset(_AGGREGATE_NAMES.split())
_PREFIX = "ecluse_place_"
_HEAD = "SELECT (\n"


class InvalidSql(ValueError):
    """What is wrong with a piece of SQL, for a message; the caller knows the file and line."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A column named in an expression: `qualifier` is empty for a bare name; `start` and `end` are in its text."""

    qualifier: str
    column: str
    start: int
    end: int


class _Reader(Visitor):
    """Collects what a checker wants to know of a syntax tree."""

    def __init__(self) -> None:
        self.columns: list[Any] = []
        self.functions: list[Any] = []
        self.tables: list[Any] = []
        self.ctes: set[str] = set()
        self.sublinks = 0
        self.clock: list[Any] = []
        self.parameters = 0

    def visit_ColumnRef(self, ancestors: Any, node: Any) -> None:
        self.columns.append(node)

    def visit_FuncCall(self, ancestors: Any, node: Any) -> None:
        self.functions.append(node)

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:
        self.tables.append(node)

    def visit_CommonTableExpr(self, ancestors: Any, node: Any) -> None:
        self.ctes.add(node.ctename)

    def visit_SubLink(self, ancestors: Any, node: Any) -> None:
        self.sublinks += 1

    def visit_SQLValueFunction(self, ancestors: Any, node: Any) -> None:
        self.clock.append(node)

    def visit_ParamRef(self, ancestors: Any, node: Any) -> None:
        self.parameters += 1


def parse(sql: str) -> Any:
    """The statements of a text. Raises InvalidSql with the parser's message."""
    try:
        return parse_sql(sql)
    except ParseError as error:
        raise InvalidSql(str(error.args[0])) from error


def statement(sql: str, otherwise: str) -> Any:
    """The one statement of a text. Raises InvalidSql: the parser's message, or `otherwise` where there are more."""
    return sole(parse(sql), otherwise).stmt


def sole(items: Any, otherwise: str) -> Any:
    """The one item of a tuple. Raises InvalidSql(otherwise)."""
    found = list(items or ())
    if len(found) != 1:
        raise InvalidSql(otherwise)
    return found[0]


def is_a(node: object, kind: str) -> bool:
    """Whether a node of a syntax tree is of a kind, by name: narrowing would bring in pglast's loose field types."""
    return type(node).__name__ == kind


def survey(tree: Any) -> _Reader:
    """What stands in a syntax tree."""
    reader = _Reader()
    reader(tree)
    return reader


def _expression(text: str) -> tuple[Any, str]:
    sql = f"{_HEAD}{text}\n)"
    select = statement(sql, "it is not one expression")
    if _closes_early(sql):
        raise InvalidSql("it is not one expression: it closes a bracket that it has not opened")
    target = sole(select.targetList, "it is not one expression")
    if select.fromClause or target.name:
        raise InvalidSql("it is not one expression")
    if is_a(target.val, "RowExpr") and target.val.row_format.name != "COERCE_EXPLICIT_CALL":
        raise InvalidSql("it is not one expression but a list")
    return target.val, sql


def _closes_early(sql: str) -> bool:
    """Whether the bracket around an expression ends before it: wherever it is put, it would be torn apart."""
    depth, open_at = 0, []
    for token in scan(sql):
        depth += {"(": 1, ")": -1}.get(sql[token.start : token.end + 1], 0)
        open_at.append(depth)
    return 0 in open_at[1:-1]


def references(text: str) -> tuple[Reference, ...]:
    """The columns that an expression names, in order of place. Whole rows and stars are not among them."""
    plain = fill(text, lambda alias: _PREFIX + alias)
    tree, sql = _expression(plain)
    return tuple(_references(survey(tree), sql))


def _references(reader: _Reader, sql: str) -> Iterator[Reference]:
    tokens = {token.start: position for position, token in enumerate(scan(sql))}
    ends = [token.end + 1 for token in scan(sql)]
    for node in sorted(reader.columns, key=lambda node: node.location):
        words = [field.sval for field in node.fields if is_a(field, "String")]
        if len(words) != len(node.fields) or len(words) > 2:
            raise InvalidSql(f"'{sql[node.location :].split()[0]}' is not a column of the row")
        end = ends[tokens[node.location] + 2 * len(words) - 2]
        start = node.location - len(_HEAD)
        yield Reference(words[0] if len(words) == 2 else "", words[-1], start, end - len(_HEAD))


def check_mapping(text: str) -> tuple[Reference, ...]:
    """Check that a mapping reads one row and nothing else, and always gives the same; return the columns it names."""
    tree, sql = _expression(text)
    reader = survey(tree)
    if reader.sublinks or reader.tables:
        raise InvalidSql("a mapping sees one row; this one has a subquery, which would refer to another row")
    if reader.parameters:
        raise InvalidSql("a mapping has no parameters")
    _check_calls(reader)
    for call in reader.functions:
        name = call.funcname[-1].sval
        if call.over is not None or call.agg_star or call.agg_distinct or name in _AGGREGATES:
            raise InvalidSql(f"a mapping sees one row; '{name}' reads several and would refer to another row")
    return tuple(_references(reader, sql))


def check_aggregate(text: str) -> tuple[Reference, ...]:
    """Check an aggregate expression over the rows of one unit; return the columns it names."""
    tree, sql = _expression(text)
    reader = survey(tree)
    if reader.sublinks or reader.tables:
        raise InvalidSql("it has a subquery, which would refer to other rows")
    _check_calls(reader)
    return tuple(_references(reader, sql))


def check_ordering(text: str) -> tuple[Reference, ...]:
    """Check what stands after ORDER BY; return the columns it names."""
    sql = f"SELECT FROM x ORDER BY {text}\n"
    select = statement(sql, "it is not one ordering")
    reader = survey(select)
    if reader.sublinks:
        raise InvalidSql("it has a subquery, which would refer to other rows")
    if not select.sortClause or select.limitCount or select.limitOffset or select.lockingClause:
        raise InvalidSql("it is not one ordering")
    _check_calls(reader)
    return tuple(_references(reader, sql))


def _check_calls(reader: _Reader) -> None:
    if reader.clock:
        raise InvalidSql("the time and the user of the session differ each time; a mapping must always give the same")
    for call in reader.functions:
        if call.funcname[-1].sval in VOLATILE:
            raise InvalidSql(f"'{call.funcname[-1].sval}' differs each time; a mapping must always give the same")


def volatile(text: str) -> bool:
    """Whether an expression is known to differ each time it is computed."""
    reader = survey(_expression(text)[0])
    return bool(reader.clock) or any(call.funcname[-1].sval in VOLATILE for call in reader.functions)


def constant(text: str) -> bool:
    """Whether an expression is a literal, perhaps cast."""
    tree = _expression(text)[0]
    while is_a(tree, "TypeCast"):
        tree = tree.arg
    return is_a(tree, "A_Const")


def literal_text(text: str) -> str | None:
    """The text of a string literal, perhaps cast; None for any other expression."""
    tree = _expression(text)[0]
    while is_a(tree, "TypeCast"):
        tree = tree.arg
    found = getattr(tree.val, "sval", None) if is_a(tree, "A_Const") else None
    return found if isinstance(found, str) else None


def rewrite(text: str, replace: Callable[[Reference], str]) -> str:
    """The expression with each column replaced by the SQL that `replace` gives."""
    pieces, position = [], 0
    for found in references(text):
        pieces += [text[position : found.start], replace(found)]
        position = found.end
    # A comment at the end must not swallow what is put behind the expression.
    return "".join([*pieces, text[position:]]).strip() + ("\n" if "--" in text else "")


def of_row(text: str, alias: str) -> str:
    """The expression over `m`, over another row; without a name for it where `alias` is empty."""
    row = f"{alias}." if alias else ""

    def column(found: Reference) -> str:
        return f"{row}{ident(found.column)}" if found.qualifier == "m" else text[found.start : found.end]

    return rewrite(text, column)


def plain_column(text: str) -> str:
    """The column that an expression is, empty when it is more than a column."""
    tree, _ = _expression(text)
    if not is_a(tree, "ColumnRef") or not is_a(tree.fields[-1], "String"):
        return ""
    return str(tree.fields[-1].sval)


def check_template(text: str, aliases: frozenset[str]) -> tuple[str, ...]:
    """Check that a `select` is one query that reads placeholders and its own CTEs only; return the placeholders."""
    named = places(text)
    for alias in named:
        if alias not in aliases:
            raise InvalidSql(f"'{{{{{alias}}}}}' is not the alias of a table of this migration")
    query = statement(fill(text, lambda alias: _PREFIX + alias), "it is not one SELECT")
    if not is_a(query, "SelectStmt"):
        raise InvalidSql("it is not one SELECT")
    reader = survey(query)
    for table in reader.tables:
        known = table.relname.startswith(_PREFIX) or table.relname in reader.ctes
        if table.schemaname or not known:
            full = ".".join(filter(None, (table.schemaname, table.relname)))
            raise InvalidSql(f"it reads '{full}'; a mapping reads only the flow's own tables, as {{{{alias}}}}")
    _check_calls(reader)
    return named


def qualified(text: str, alias: str) -> tuple[str, ...]:
    """The columns that an expression, which may hold subqueries over placeholders, names as `alias.column`."""
    plain = fill(text, lambda name: _PREFIX + name)
    statements = parse(f"{_HEAD}{plain}\n)")
    found = []
    for node in survey(statements).columns:
        words = [getattr(field, "sval", "") for field in node.fields]
        if len(words) == 2 and words[0] == alias and words[1]:
            found.append(words[1])
    return tuple(dict.fromkeys(found))


def one_expression(text: str) -> None:
    """Check that a text is one expression; subqueries over placeholders are allowed."""
    _expression(fill(text, lambda name: _PREFIX + name))


_SPACE = re.compile(r"\s+")


def one_line(text: str) -> str:
    """A text for a title or message: blanks and line ends become one blank."""
    return _SPACE.sub(" ", text).strip()
