"""Index elements that say how texts are ordered, for columns that are none any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pglast.parser import scan

from ecluse.operations.expressions import statement

_HEAD = "CREATE INDEX i ON t "


def retyped_elements(tail: str, unique: bool, old_type: Callable[[str], str]) -> str:
    """What follows `ON table`, without orders of text on columns for which `old_type` gives the type that they had.

    A class of operators is there for a sort of search, LIKE or similarity: the index goes on serving it on the text
    of the column. A unique index has its uniqueness to keep instead, and a collation alone orders nothing any more.
    """
    sql = _HEAD + tail
    edits: list[tuple[int, int, str]] = []
    elements = statement(sql, "it is not the definition of one index").indexParams
    for element, tokens in zip(elements, _elements(sql), strict=True):
        type_ = old_type(element.name) if element.name else ""
        if not type_ or not (element.opclass or element.collation):
            continue
        column, rest = tokens[0], tokens[1:]
        words = [sql[t.start : t.end + 1].lower() for t in rest]
        end = next((n for n, word in enumerate(words) if word in ("asc", "desc", "nulls")), len(rest))
        if element.opclass and not unique:
            written = sql[column.start : column.end + 1]
            edits.append((column.start, column.end + 1, f"((({written})::{type_}))"))
        elif end:
            edits.append((column.end + 1, rest[end - 1].end + 1, ""))
    for start, finish, piece in reversed(edits):
        sql = sql[:start] + piece + sql[finish:]
    return sql[len(_HEAD) :]


def _elements(sql: str) -> Iterator[list[Any]]:
    """The tokens of each element, between the commas of the first list in parentheses."""
    depth = 0
    element: list[Any] = []
    for token in scan(sql):
        word = sql[token.start : token.end + 1]
        depth += (word == "(") - (word == ")")
        if depth == 0 and element:
            yield element
            return
        if depth == 1 and word == ",":
            yield element
            element = []
        elif depth > 1 or (depth == 1 and word != "("):
            element.append(token)
