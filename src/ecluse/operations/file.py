"""From the text of a migration file to a `Migration`. All errors of a file are reported at once.

Pure: the caller says how a file beside the migration is read.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ecluse.errors import MigrationFileError, UnknownOperation
from ecluse.model.migration import Migration, Path, Source
from ecluse.operations.base import Operation
from ecluse.operations.registry import OPERATIONS

_TOP = {"name": str, "database": str, "description": str, "drop": list, "old_shape_for": list, "operation": list}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,39}\Z")  # it becomes part of schema names
_SCRIPTS = frozenset({"select", "up", "down", "verify"})
_LINE = re.compile(r"at line (\d+), (?=column)")

Reader = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Problem:
    line: int
    text: str
    hint: str = ""
    kind: type[MigrationFileError] = MigrationFileError


def parse_migration(text: str, file: str, read: Reader) -> Migration:
    """Read a migration file. `read` gives the text of a file named in it and raises OSError where there is none."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise _error(file, [_Problem(line, f"not valid TOML: {_LINE.sub('', str(error)).strip()}")]) from error
    source = Source(file, text)
    problems = list(_check_top(data, source))
    files: dict[str, str] = {}
    operations = []
    tables = data.get("operation", [])
    for index, table in enumerate(tables if isinstance(tables, list) else []):
        problems += _read_files(table, ("operation", index), source, read, files)
        found_operation = _operation(table, index, source)
        if isinstance(found_operation, list):
            problems += found_operation
        else:
            operations.append(found_operation)
    if problems:
        raise _error(file, problems)
    return Migration(
        name=data["name"],
        database=data.get("database", "app"),
        operations=tuple(operations),
        description=data.get("description", ""),
        drop=tuple(data.get("drop", ())),
        old_shape_for=tuple(data.get("old_shape_for", ())),
        source=source,
        files=files,
    )


def nearest(word: str, words: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """The valid word that is most like `word`, empty where none is."""
    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)), "")


def _check_top(data: dict[str, Any], source: Source) -> Iterator[_Problem]:
    for key, value in data.items():
        line = source.line((key,))
        if key not in _TOP:
            yield _unknown(line, key, list(_TOP))
        elif not isinstance(value, _TOP[key]):
            yield _Problem(line, f"'{key}' must be {'a list' if _TOP[key] is list else 'a text'}")
    if not isinstance(data.get("name"), str) or not _NAME.match(data["name"]):
        yield _Problem(
            source.line(("name",)),
            "'name' is missing or not a plain word",
            "name = \"my_migration\": lower case letters, digits and '_', at most 40",
        )
    drop = data.get("drop", [])
    if isinstance(drop, list) and not all(isinstance(item, str) for item in drop):
        yield _Problem(source.line(("drop",)), "'drop' must be a list of names")
    roles = data.get("old_shape_for", [])
    if isinstance(roles, list) and not all(isinstance(role, str) and role for role in roles):
        yield _Problem(source.line(("old_shape_for",)), "'old_shape_for' must be a list of names of roles")
    if not data.get("operation"):
        yield _Problem(1, "there is no [[operation]]", 'add [[operation]] with kind = "…"; see `ecluse operations`')


def _operation(table: object, index: int, source: Source) -> Operation | list[_Problem]:
    path: Path = ("operation", index)
    if not isinstance(table, dict):
        return [_Problem(source.line(path), "'operation' must be a list of tables", "write [[operation]]")]
    kind = table.get("kind")
    if not isinstance(kind, str):
        known = ", ".join(OPERATIONS)
        return [_Problem(source.line(path), "the operation has no 'kind'", f"one of {known}")]
    if kind not in OPERATIONS:
        like = nearest(kind, list(OPERATIONS))
        hint = f"did you mean '{like}'?" if like else f"one of {', '.join(OPERATIONS)}"
        return [_Problem(source.line((*path, "kind")), f"unknown operation '{kind}'", hint, UnknownOperation)]
    try:
        operation = OPERATIONS[kind].model_validate(table)
    except ValidationError as error:
        return [_explain(found, path, OPERATIONS[kind], source) for found in error.errors()]
    operation.place(index)
    return operation


def _explain(found: Any, path: Path, cls: type[Operation], source: Source) -> _Problem:
    """One finding of pydantic in the words of the file."""
    where: Path = tuple(found["loc"])
    last = next((part for part in reversed(where) if isinstance(part, str)), "")
    line = source.line(path + where)
    match found["type"]:
        case "extra_forbidden" if last in _TOP and not nearest(last, _words(cls, where[:-1])):
            return _Problem(line, f"'{last}' is for the whole migration: write it above the first [[operation]]")
        case "extra_forbidden":
            return _unknown(line, last, _words(cls, where[:-1]))
        case "missing":
            return _Problem(
                line, f"'{'.'.join(map(str, where))}' is missing", f"see `ecluse operations {cls.kind_of()}`"
            )
        case "literal_error":
            words = re.findall(r"'([^']*)'", found["ctx"]["expected"])
            like = nearest(str(found["input"]), words)
            hint = f"did you mean '{like}'?" if like else ""
            return _Problem(line, f"'{last}' must be one of {', '.join(words)}", hint)
        case "too_short":
            return _Problem(line, f"'{last}' is empty", f"see `ecluse operations {cls.kind_of()}`")
        case _:
            name = ".".join(str(part) for part in where)
            message = found["msg"].removeprefix("Value error, ")
            return _Problem(line, f"'{name}': {message}" if name else message)


def _words(cls: type[Operation], where: Path) -> list[str]:
    """The words that are valid at a place, read from the JSON Schema of the operation."""
    schema = cls.model_json_schema()
    node: Any = schema
    for part in where:
        node = _follow(node, schema)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(part) or node.get("additionalProperties") or {}
    return list(_follow(node, schema).get("properties", {}))


def _follow(node: Any, schema: dict[str, Any]) -> Any:
    for choice in (node, *node.get("anyOf", ())):
        if "$ref" in choice:
            return schema["$defs"][choice["$ref"].rsplit("/", 1)[-1]]
    return node


def _unknown(line: int, word: str, words: list[str]) -> _Problem:
    like = nearest(word, words)
    return _Problem(line, f"unknown word '{word}'", f"did you mean '{like}'?" if like else f"one of {', '.join(words)}")


def _read_files(node: object, path: Path, source: Source, read: Reader, files: dict[str, str]) -> list[_Problem]:
    """Put the texts of `.sql` files in the place of their names, and keep those of data files."""
    problems = []
    items: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        where = (*path, key)
        if isinstance(value, dict | list):
            problems += _read_files(value, where, source, read, files)
        elif isinstance(value, str) and isinstance(node, dict):
            script = key in _SCRIPTS and value.endswith(".sql") and not re.search(r"\s", value)
            if not script and not _names_data(where):
                continue
            try:
                text = read(value)
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not UTF-8 text"
                problems.append(_Problem(source.line(where), f"cannot read '{value}': {reason}"))
                continue
            if script:
                node[key] = text
            else:
                files[value] = text
    return problems


def _names_data(path: Path) -> bool:
    """Whether a data file is named here: a table may well have a column `file` or `map`."""
    match path:
        case ("operation", _, "map") | ("operation", _, "input", _, "file"):
            return True
    return False


def _error(file: str, problems: list[_Problem]) -> MigrationFileError:
    problems = sorted(problems, key=lambda problem: problem.line)
    first = problems[0]
    if len(problems) == 1:
        return first.kind(f"{file}, line {first.line}: {first.text}", hint=first.hint)
    lines = [f"line {p.line}: {p.text}" + (f" ({p.hint})" if p.hint else "") for p in problems]
    kinds = {problem.kind for problem in problems}
    kind = kinds.pop() if len(kinds) == 1 else MigrationFileError
    return kind(f"{file} has {len(problems)} errors, the first in line {first.line}", details="\n".join(lines))
