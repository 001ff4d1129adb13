"""What a page is made of: sections of blocks, plain values that JSON can hold as well.

A section is `{"id", "title", "lead", "blocks"}`; whoever adds one of his own to a report gives these values in its
`sections`. The blocks:

- `{"kind": "text", "text": ...}`, a paragraph; with `"tone"` good, bad or note, a remark;
- `{"kind": "facts", "items": [[name, value], ...]}`;
- `{"kind": "list", "items": [text, ...]}`;
- `{"kind": "table", "caption": ..., "columns": [title, ...], "rows": [[cell, ...], ...], "right": [1, 2]}`, where the
  columns of `right`, counted from 0, hold figures. A cell is a text or a number, or `{"text", "tone", "mono"}`, or
  `{"bar": share of 1, "text"}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecluse.certificate.words import count, hex_blocks

Block = dict[str, Any]
Cell = Any


def section(name: str, title: str, blocks: Iterable[Block | None], lead: str = "") -> dict[str, Any]:
    """A section; blocks that are None are left out."""
    return {"id": name, "title": title, "lead": lead, "blocks": [block for block in blocks if block]}


def text(words: str, tone: str = "") -> Block:
    """A paragraph."""
    return {"kind": "text", "text": words, "tone": tone}


def facts(items: Iterable[tuple[str, Cell]]) -> Block:
    """Names and what they are; those without a value are left out."""
    found = [(name, cell(value)) for name, value in items if value is not None]
    return {"kind": "facts", "items": [[name, value] for name, value in found if value["text"]]}


def listed(items: Sequence[str]) -> Block | None:
    """A list; nothing where it is empty."""
    return {"kind": "list", "items": list(items)} if items else None


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], right: Iterable[int] = ()
) -> Block | None:
    """A table; nothing where it has no rows."""
    found = [[cell(each) for each in row] for row in rows]
    if not found:
        return None
    return {"kind": "table", "caption": caption, "columns": list(columns), "rows": found, "right": list(right)}


def answer(good: bool, yes: str = "holds", no: str = "does NOT hold") -> Cell:
    """A verdict, whose meaning is in the word and not in its colour."""
    return {"text": yes if good else no, "tone": "good" if good else "bad"}


def mono(words: str) -> Cell:
    """A text in letters of one width: hashes, SQL."""
    return {"text": words, "mono": True}


def hash_cell(digest: str) -> Cell:
    """A hash; nothing where there is none."""
    return mono(hex_blocks(digest)) if digest else ""


def bar(share: float, words: str) -> Cell:
    """A text with a bar under it, for the eye; `share` of the whole."""
    return {"text": words, "bar": min(1.0, max(0.0, share))}


def cell(value: Cell) -> Mapping[str, Any]:
    """Any cell in the one form that the page knows."""
    if isinstance(value, Mapping):
        share = value.get("bar")
        return {
            "text": str(value.get("text", "")),
            "tone": str(value.get("tone", "")),
            "mono": bool(value.get("mono")),
            "bar": float(share) if isinstance(share, int | float) else None,
        }
    if isinstance(value, bool):
        return cell({"text": "yes" if value else "no"})
    return cell({"text": count(value) if isinstance(value, int) else "–" if value is None else value})


def given(sections: Any) -> list[dict[str, Any]]:
    """Sections that came with a report, in the form that the page knows; what is none is left out."""
    found = []
    for each in sections if isinstance(sections, list) else ():
        if isinstance(each, Mapping):
            blocks = [_block(b) for b in each.get("blocks", ()) if isinstance(b, Mapping)]
            found.append(
                section(str(each.get("id", "")), str(each.get("title", "")), blocks, str(each.get("lead", "")))
            )
    return found


def _block(value: Mapping[str, Any]) -> Block | None:
    kind = value.get("kind")
    if kind == "text":
        return text(str(value.get("text", "")), str(value.get("tone", "")))
    if kind == "facts":
        return facts((str(name), what) for name, what in value.get("items", ()))
    if kind == "list":
        return listed([str(item) for item in value.get("items", ())])
    if kind == "table":
        columns = [str(column) for column in value.get("columns", ())]
        return table(str(value.get("caption", "")), columns, value.get("rows", ()), value.get("right", ()))
    return None
