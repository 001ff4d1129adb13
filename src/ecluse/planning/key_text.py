"""Foreign keys in one way of writing: those of a migration are its author's words, those of a server its own. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pglast import ast, parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream

from ecluse.model.catalog import Constraint, Table


def same_words(table: Table) -> Table:
    """The table with each foreign key defined in those words."""
    return replace(table, constraints=tuple(map(_in_our_words, table.constraints)))


def _in_our_words(constraint: Constraint) -> Constraint:
    if constraint.kind != "f":
        return constraint
    try:
        statement: Any = parse_sql(f"ALTER TABLE x ADD {constraint.definition}")[0].stmt
    except ParseError:
        return constraint  # newer than the parser: the server's own words, on both sides
    node = statement.cmds[0].def_
    node.pk_attrs = node.pk_attrs or tuple(ast.String(name) for name in constraint.referenced_columns)
    # `valid` says it.
    node.skip_validation, node.initially_valid = False, True
    return replace(constraint, definition=str(RawStream()(node)))
