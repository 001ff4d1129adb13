"""Expressions of the catalog that read converted columns, said again in the new types.

A converted column means its old value, `(user_id)::text`: always of the right type, and no index on the column serves
it. So where both sides of an equality are, or can be, of the new type, they are compared in it: `user_id = auth.uid()`.
Texts are edited and not printed anew, so that what reads no such column stays as it is, to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pglast import ast
from pglast.parser import scan

from ecluse.model.catalog import Catalog
from ecluse.model.names import Name
from ecluse.model.uuid_sql import parse_uuid
from ecluse.operations.draft import Conversion, Draft
from ecluse.operations.expressions import is_a, statement
from ecluse.operations.inside import Documents
from ecluse.operations.labels import Labels
from ecluse.operations.rules import Rule

_RETURNS_UUID = re.compile(r"\)\s+RETURNS uuid\s")
_BUILT_IN = frozenset({"gen_random_uuid", "uuidv4", "uuidv7"})
_EQUAL = frozenset({"=", "<>"})
_COMPARING = frozenset({"AEXPR_OP", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT"})

Scopes = tuple[Mapping[str, Name | None], ...]  # the innermost last; "" is the table of a bare column


@dataclass(frozen=True, slots=True)
class Retyped:
    """An expression in the new types. `by_text`: columns that are read as their old value in it."""

    text: str
    by_text: tuple[tuple[Name, str], ...] = ()
    regenerated: bool = False  # a column is compared whose values are not what they were


@dataclass
class Retyper:
    """Says expressions again for the tables that the drafts make."""

    drafts: Mapping[Name, Draft]
    catalog: Catalog

    def __call__(self, text: str, own: Name, head: str = "SELECT (\n", tail: str = "\n)") -> Retyped:
        """`text` as it is in the new shape; `head` and `tail` make a statement of it."""
        sql = f"{head}{text}{tail}"
        reading = _Reading(self, sql)
        reading.visit(statement(sql, "it is not one statement"), ({"": own, own.name: own, "new": own, "old": own},))
        for start, end, piece in sorted(reading.edits, reverse=True):
            sql = sql[:start] + piece + sql[end:]
        found = tuple(dict.fromkeys(reading.by_text))
        return Retyped(sql[len(head) : len(sql) - len(tail)], found, reading.regenerated)

    def conversion(self, table: Name | None, column: str) -> Conversion | None:
        """How a column is converted; None where its type stays."""
        draft = self.drafts.get(table) if table is not None else None
        found = draft.conversions.get(column) if draft is not None else None
        stays = found is None or isinstance(found.rule, Documents) or found.rule.to == found.column.type
        return None if stays else found

    def is_uuid(self, table: Name | None, column: str) -> bool:
        """Whether a column is a uuid in the new shape."""
        conversion = self.conversion(table, column)
        if conversion is not None:
            return conversion.rule.to == "uuid"
        known = self.catalog.tables.get(table) if table is not None else None
        found = known.column(column) if known is not None else None
        return found is not None and found.type == "uuid"

    def gives_uuid(self, function: Name) -> bool:
        """Whether a function is known to return uuid, whatever its arguments."""
        if function.schema == "pg_catalog":
            return function.name in _BUILT_IN
        known = [f for f in self.catalog.functions if f.name == function]
        return bool(known) and all(_RETURNS_UUID.search(f.definition) for f in known)


@dataclass
class _Reading:
    """One walk through the syntax tree of a statement."""

    of: Retyper
    sql: str
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    by_text: list[tuple[Name, str]] = field(default_factory=list)
    regenerated: bool = False

    def __post_init__(self) -> None:
        self._tokens = list(scan(self.sql))
        self._at = {token.start: number for number, token in enumerate(self._tokens)}

    def visit(self, node: Any, scopes: Scopes) -> None:
        """Edit what is below a node."""
        if is_a(node, "SelectStmt"):
            scopes = (*scopes, dict(_named(node.fromClause or ())))
        if is_a(node, "ColumnRef"):
            self._as_before(node, scopes)
        elif not (self._is_test(node, scopes) or self._is_equality(node, scopes)):
            for child in _children(node):
                self.visit(child, scopes)

    # --- where nothing has to be changed, or little ----------------------------------------------

    def _is_test(self, node: Any, scopes: Scopes) -> bool:
        """`id IS NULL`, and a cast: `(id)::text` says already what is meant."""
        if not is_a(getattr(node, "arg", None), "ColumnRef"):
            return False
        if is_a(node, "NullTest"):
            return True
        found = self._column(node.arg, scopes)
        if not is_a(node, "TypeCast") or found is None or not _plain_uuid(found):
            return False
        table, column = self._resolve(node.arg, scopes)
        self.by_text += [(table, column)] if table is not None and _is_text(node) else []
        self.regenerated |= _other_value(found)
        return True

    def _is_equality(self, node: Any, scopes: Scopes) -> bool:
        """An equality, or `IN (SELECT …)`, both sides of which can be of the new type."""
        if is_a(node, "A_Expr") and node.kind.name in _COMPARING and node.name[-1].sval in _EQUAL:
            sides = (node.lexpr, node.rexpr)
        elif is_a(node, "SubLink") and node.subLinkType.name == "ANY_SUBLINK" and not node.operName:
            sides = (node.testexpr, node)
        else:
            return False
        if not any(self._converted(side, scopes) for side in sides):
            return False
        ways = [self._as_uuid(side, scopes) for side in sides]
        if any(way is None for way in ways):
            return False
        for side, way in zip(sides, ways, strict=True):
            self.edits += way or []
            self._below(side, scopes)
        return True

    def _below(self, node: Any, scopes: Scopes) -> None:
        """Edit what is below a side of an equality that is a uuid."""
        if is_a(node, "SubLink"):
            select, target = node.subselect, _target(node.subselect)
            inner = (*scopes, dict(_named(select.fromClause or ())))
            for child in _children(select):
                if child is not target:
                    self.visit(child, inner)
            self._below(target.val, inner)
        elif is_a(node, "TypeCast"):
            self._below(node.arg, scopes)
        elif is_a(node, "ColumnRef"):
            conversion = self._column(node, scopes)
            self.regenerated |= conversion is not None and _other_value(conversion)
        else:
            for child in _children(node):
                self.visit(child, scopes)

    def _converted(self, node: Any, scopes: Scopes) -> bool:
        """Whether a side of an equality is a converted column, its text, or a query for one."""
        if is_a(node, "SubLink"):
            select = node.subselect
            inner = (*scopes, dict(_named(select.fromClause or ())))
            return (target := _target(select)) is not None and self._converted(target.val, inner)
        if is_a(node, "TypeCast") and _is_text(node):
            node = node.arg
        found = self._column(node, scopes)
        return found is not None and _plain_uuid(found)

    def _as_uuid(self, node: Any, scopes: Scopes) -> list[tuple[int, int, str]] | None:
        """The edits that make an expression a uuid of the same meaning; None where there are none."""
        if is_a(node, "SubLink"):
            target = _target(node.subselect)
            if target is None or node.subLinkType.name not in ("EXPR_SUBLINK", "ANY_SUBLINK"):
                return None
            return self._as_uuid(target.val, (*scopes, dict(_named(node.subselect.fromClause or ()))))
        if self._gives_uuid(node, scopes):
            return []
        if not (is_a(node, "TypeCast") and _is_text(node)):
            return None
        cast = self._at[node.location]
        if is_a(node.arg, "A_Const"):
            text = getattr(node.arg.val, "sval", None)
            word = self._tokens[cast + 1]
            return [(word.start, word.end + 1, "uuid")] if isinstance(text, str) and parse_uuid(text) else None
        if not self._gives_uuid(node.arg, scopes):
            return None
        return [(node.location, self._tokens[cast + 1].end + 1, "")]

    def _gives_uuid(self, node: Any, scopes: Scopes) -> bool:
        if is_a(node, "ColumnRef"):
            return self.of.is_uuid(*self._resolve(node, scopes))
        if is_a(node, "TypeCast"):
            return bool(node.typeName.names[-1].sval == "uuid" and not node.typeName.arrayBounds)
        if is_a(node, "FuncCall"):
            words = [part.sval for part in node.funcname]
            # The server prints functions of pg_catalog without their schema.
            return self.of.gives_uuid(Name(words[0] if len(words) > 1 else "pg_catalog", words[-1]))
        if is_a(node, "SubLink") and node.subLinkType.name == "EXPR_SUBLINK":
            target = _target(node.subselect)
            inner = (*scopes, dict(_named(node.subselect.fromClause or ())))
            return target is not None and self._gives_uuid(target.val, inner)
        return False

    # --- else the column is what it was ----------------------------------------------------------

    def _as_before(self, node: Any, scopes: Scopes) -> None:
        conversion = self._column(node, scopes)
        table, column = self._resolve(node, scopes)
        if conversion is None or table is None:
            return
        start = node.location
        end = self._tokens[self._at[start] + 2 * len(node.fields) - 2].end + 1
        written, type_ = self.sql[start:end], conversion.column.type
        rule = conversion.rule
        text = rule.backward(f"({written})", type_) if isinstance(rule, Rule) else f"({written})::{type_}"
        self.edits.append((start, end, f"({text})"))
        self.by_text.append((table, column))
        self.regenerated |= _other_value(conversion)

    def _column(self, node: Any, scopes: Scopes) -> Conversion | None:
        return self.of.conversion(*self._resolve(node, scopes)) if is_a(node, "ColumnRef") else None

    def _resolve(self, node: Any, scopes: Scopes) -> tuple[Name | None, str]:
        words = [part.sval for part in node.fields if is_a(part, "String")]
        if len(words) == len(node.fields) and len(words) <= 2:
            wanted = words[0] if len(words) == 2 else ""
            for scope in reversed(scopes):
                if wanted in scope:
                    return scope[wanted], words[-1]
        return None, ""


def _named(items: Any) -> Iterator[tuple[str, Name | None]]:
    """What the FROM clause of a query that the server printed names; None for what is no table."""
    for item in items:
        if is_a(item, "JoinExpr"):
            yield from _named((item.larg, item.rarg))
        elif is_a(item, "RangeVar"):
            alias = item.alias.aliasname if item.alias else item.relname
            # Under the empty search_path only a WITH query is named without a schema.
            yield alias, Name(item.schemaname, item.relname) if item.schemaname else None
        elif getattr(item, "alias", None):
            yield item.alias.aliasname, None


def _children(node: Any) -> list[Any]:
    """The nodes right below a node."""
    if isinstance(node, ast.Node):
        return [child for name in list(node) for child in _within(getattr(node, str(name)))]
    return []


def _within(value: Any) -> list[Any]:
    if type(value) in (tuple, list):
        return [child for each in value for child in _within(each)]
    return [value] if isinstance(value, ast.Node) else []


def _target(select: Any) -> Any:
    """The one thing that a query selects; None where there are more, or it is no simple query."""
    targets = list(select.targetList or ())
    return targets[0] if len(targets) == 1 and is_a(targets[0], "ResTarget") else None


def _is_text(cast: Any) -> bool:
    return bool(cast.typeName.names[-1].sval == "text" and not cast.typeName.arrayBounds)


def _plain_uuid(conversion: Conversion) -> bool:
    return isinstance(conversion.rule, Rule) and not conversion.rule.using


def _other_value(conversion: Conversion) -> bool:
    rule = conversion.rule
    return isinstance(rule, Labels) or (
        isinstance(rule, Rule) and (rule.invalid == "regenerate" or rule.map is not None)
    )
