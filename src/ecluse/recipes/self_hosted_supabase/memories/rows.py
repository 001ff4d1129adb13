"""What the content of a memory says, row by row. Pure: bytes in, rows and faults out.

No reason quotes a value: what people wrote is in the files and in the table, and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, NoReturn

from ecluse.recipes.self_hosted_supabase.memories.moments import NotAMoment, moment

UNDATED, UNFIT = "undated", "unfit"
TEXTS = ("query", "response", "conversation_type", "analysis_type", "business_type")
_KNOWN = frozenset({*TEXTS, "response_summary", "timestamp", "created_at"})
_SHOWN_KEY = re.compile(r"[A-Za-z_]\w{0,62}\Z", re.A)
_DEFAULT_TYPE = "chat"


class NotAMemory(ValueError):
    """The content as a whole cannot be read. Its text is the reason."""


class _Unfit(ValueError):
    """A value that no row can hold."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of the table takes."""

    limit: int | None = None  # characters
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation, as the table will hold it. `index` is its place among the conversations of the file."""

    index: int
    query: str | None
    response: str | None
    conversation_type: str | None
    analysis_type: str | None
    business_type: str | None
    created_at: datetime

    @property
    def values(self) -> tuple[str | None, ...]:
        """The texts, and the moment as `loading` writes it."""
        when = self.created_at.replace(tzinfo=None).isoformat(timespec="microseconds")
        return (*(getattr(self, name) for name in TEXTS), when)

    @property
    def digest(self) -> bytes:
        """What rows are compared by: of the file and of the table."""
        return digest(self.values)


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be imported. `kind`: undated | unfit."""

    index: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a file says: `total` = rows + faults + empty. `further` counts keys that have no column."""

    total: int
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]
    empty: int
    further: Mapping[str, int]
    entries: tuple[object, ...] = field(repr=False)


def digest(values: tuple[str | None, ...]) -> bytes:
    """The hash of a row's values; text and absence never have the same."""
    return hashlib.sha256(json.dumps(values).encode()).digest()


def read_memory(content: bytes, columns: Mapping[str, Column], zone: tzinfo) -> Memory:
    """Read a file's content for a table that has these columns. Raises NotAMemory."""
    whole = _parse(content)
    if not isinstance(whole, dict):
        raise NotAMemory(f"it holds {_kind(whole)}, not an object with conversations")
    entries = whole.get("conversations")
    if not isinstance(entries, list):
        raise NotAMemory("its conversations are not a list" if "conversations" in whole else "it has no conversations")
    rows: list[Row] = []
    faults: list[Fault] = []
    empty = 0
    further = Counter(_shown(key) for key in whole if key != "conversations")
    for index, entry in enumerate(entries):
        found = _read_entry(index, entry, columns, zone)
        if found is None:
            empty += 1
        elif isinstance(found, Row):
            rows.append(found)
            further.update(_further(entry))
        else:
            faults.append(found)
    return Memory(len(entries), tuple(rows), tuple(faults), empty, dict(further), tuple(entries))


# --- the file as a whole ----------------------------------------------------------------------------


def _parse(content: bytes) -> object:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotAMemory("it is UTF-16, not UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotAMemory(f"it is not UTF-8: byte {error.start:,}") from None
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise NotAMemory(f"it is not JSON: line {error.lineno}, column {error.colno}") from None
    except NotAMemory:
        raise
    except ValueError:
        raise NotAMemory("it is not JSON: a number is too long") from None
    except RecursionError:
        raise NotAMemory("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        # Python would take the last and forget the others.
        raise NotAMemory("a key stands twice in one object")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotAMemory("a number is too large")
    return number


def _no_number(_: str) -> NoReturn:
    raise NotAMemory("it is not JSON: NaN and Infinity are no numbers there")


# --- a row ------------------------------------------------------------------------------------------


def _read_entry(index: int, entry: object, columns: Mapping[str, Column], zone: tzinfo) -> Row | Fault | None:
    """The row, what is wrong with it, or None where it is empty."""
    if not isinstance(entry, dict):
        return Fault(index, UNFIT, f"it is {_kind(entry)}, not an object")
    try:
        said = {"query": _text(entry, "query"), "response": _response(entry)}
        if all(text is None or not text.strip() for text in said.values()):
            return None
        said |= {name: _text(entry, name) for name in TEXTS[2:]}
        fitted = {name: _fit(name, said[name], columns.get(name)) for name in TEXTS}
    except _Unfit as problem:
        return Fault(index, UNFIT, str(problem))
    key = "timestamp" if entry.get("timestamp") is not None else "created_at"
    if entry.get(key) is None:
        return Fault(index, UNDATED, "it has no date")
    try:
        when = moment(entry[key], zone)
    except NotAMoment as problem:
        return Fault(index, UNDATED, f"its {key} {problem}")
    return Row(index, created_at=when, **fitted)


def _response(entry: dict[str, Any]) -> str | None:
    """The response, and where there is none its summary."""
    text = _text(entry, "response")
    if text is not None and text.strip():
        return text
    summary = _text(entry, "response_summary")
    return summary if summary is not None and summary.strip() else text


def _text(entry: dict[str, Any], key: str) -> str | None:
    value = entry.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unfit(f"its {key} is {_kind(value)}, not a text")
    if "\0" in value:
        raise _Unfit(f"its {key} has a zero byte, which PostgreSQL cannot hold")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _Unfit(f"its {key} has half a character (a surrogate), which PostgreSQL cannot hold")
    return value


def _fit(name: str, text: str | None, column: Column | None) -> str | None:
    """The text as the column takes it, unchanged wherever there is one."""
    if column is None:
        if text is not None:
            raise _Unfit(f"it has a {name}, and the table has no such column")
        return None
    if text is None and name == "conversation_type":
        text = _DEFAULT_TYPE
    if text is None and not column.nullable:
        if name not in ("query", "response"):
            raise _Unfit(f"it has no {name}, and the table needs one")
        # Half an exchange: the other half is empty where the column does not take NULL.
        text = ""
    if text is not None and column.limit is not None and len(text) > column.limit:
        raise _Unfit(f"its {name} has {len(text):,} characters, and the column takes {column.limit:,}")
    return text


def _further(entry: dict[str, Any]) -> Iterator[str]:
    """The keys whose values stay in the file: those without a column, and those that another took the place of."""
    yield from (_shown(key) for key in entry if key not in _KNOWN)
    for taken, spare in (("response", "response_summary"), ("timestamp", "created_at")):
        first, second = entry.get(taken), entry.get(spare)
        used = first is not None and (taken == "timestamp" or bool(first.strip()))
        if used and second is not None and second != first:
            yield spare


def _shown(key: str) -> str:
    """A key as it may be shown: one that does not look like a name may be content."""
    return key if _SHOWN_KEY.match(key) else "(other)"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    for kind, words in ((str, "a text"), (list, "a list"), (dict, "an object")):
        if isinstance(value, kind):
            return words
    return "a number"
