"""A view's text with some of its tables taken from another schema, by the parse tree and not by the text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pglast
from pglast import ast
from pglast.enums import ObjectType
from pglast.stream import RawStream
from pglast.visitors import Visitor

from ecluse.model.catalog import View
from ecluse.model.names import Name
from ecluse.model.plan import Plan
from ecluse.planning.switch_sql import visible

# What is named by its table and a word more.
_OF_TABLES = frozenset(
    {
        ObjectType.OBJECT_COLUMN,
        ObjectType.OBJECT_TRIGGER,
        ObjectType.OBJECT_POLICY,
        ObjectType.OBJECT_RULE,
        ObjectType.OBJECT_TABCONSTRAINT,
    }
)


class _Elsewhere(Visitor):
    """Puts the names of some relations and functions into another schema, in a parsed statement."""

    def __init__(self, names: set[Name], schema: str) -> None:
        super().__init__()
        self._names = names
        self._schema = schema

    def visit_RangeVar(self, _: object, node: ast.RangeVar) -> None:
        if Name(node.schemaname or "public", str(node.relname)) in self._names:
            node.schemaname = self._schema

    def visit_CreateFunctionStmt(self, _: object, node: ast.CreateFunctionStmt) -> None:
        node.funcname = self._moved(node.funcname)

    def visit_CreateTrigStmt(self, _: object, node: ast.CreateTrigStmt) -> None:
        node.funcname = self._moved(node.funcname)

    def visit_FuncCall(self, _: object, node: ast.FuncCall) -> None:
        node.funcname = self._moved(node.funcname)

    def visit_ObjectWithArgs(self, _: object, node: ast.ObjectWithArgs) -> None:
        node.objname = self._moved(node.objname)

    def visit_TypeName(self, _: object, node: ast.TypeName) -> None:
        node.names = self._moved(node.names)

    def visit_CommentStmt(self, _: object, node: ast.CommentStmt) -> None:
        if not isinstance(node.object, tuple):
            return  # a function, or a type: it has its own node
        tail = node.object[-1:] if node.objtype in _OF_TABLES else ()
        node.object = (*self._moved(node.object[: len(node.object) - len(tail)]), *tail)

    def _moved(self, parts: Sequence[ast.String] | None) -> tuple[ast.String, ...]:
        words = [str(part.sval) for part in parts or ()]
        if not words:
            return tuple(parts or ())
        name = Name(words[-2] if len(words) > 1 else "public", words[-1])
        if name in self._names:
            return (ast.String(self._schema), ast.String(name.name))
        return tuple(parts or ())


def elsewhere(text: str, names: set[Name], schema: str) -> str:
    """The statement with those tables taken from another schema."""
    parsed = pglast.parse_sql(text)
    _Elsewhere(names, schema)(parsed)
    return str(RawStream()(parsed[0]))


def script_elsewhere(text: str, names: set[Name], schema: str) -> list[str]:
    """The statements of a script, with those relations and functions in another schema. Bodies of functions stay."""
    parsed = pglast.parse_sql(text)
    _Elsewhere(names, schema)(parsed)
    return [str(RawStream()(statement)) for statement in parsed]


# Statements of which `script_elsewhere` sees all that they touch.
_FOLLOWED = (
    ast.CreateFunctionStmt,
    ast.ViewStmt,
    ast.CreateTableAsStmt,
    ast.CreateTrigStmt,
    ast.IndexStmt,
    ast.GrantStmt,
    ast.CommentStmt,
    ast.CreatePolicyStmt,
)


def followed(text: str) -> bool:
    """Whether what a script makes in the next schema is all that it makes in the end. Not so for DO, or dynamic SQL."""
    return all(isinstance(statement.stmt, _FOLLOWED) for statement in pglast.parse_sql(text))


def prebuilt(plan: Plan, view: View) -> View:
    """A materialised view as it is built before the switch: in the next schema, on the next tables.

    The switch moves it into its place; what it reads is bound by then, so no text of it is read again.
    """
    names = {m.table.name for m in visible(plan)}
    name = view.name.within(plan.next_schema)
    statistics = tuple((n, text) for n, text in view.statistics)
    return replace(
        view, name=name, definition=elsewhere(view.definition, names, plan.next_schema), statistics=statistics
    )
