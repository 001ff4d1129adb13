"""The lines of a migration that would bring a database to an expected schema. Pure.

Everything goes into operations that `plan` takes; what no operation can say is told in comments, for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ecluse.model.catalog import Catalog, Column, Function, Grant, Table, View
from ecluse.model.names import Name, ident
from ecluse.model.toml_text import key, string, strings
from ecluse.planning import bring_sql
from ecluse.planning.bring_sql import Script
from ecluse.planning.ddl_objects import trigger_sql
from ecluse.planning.expectation import EXTRA, Finding

_TEXTS = re.compile(r"text|character varying(\(\d+\))?")
_HANDLED = re.compile(
    r"column [^:]*|column .*: (type|not null|default)|(constraint|index|trigger|policy|publication) .*|grants to .*"
    r"|rls|force rls"
)


def bring(name: str, database: str, found: tuple[Finding, ...], expected: Catalog, actual: Catalog) -> str:
    """A migration file for what is missing and what differs; empty where nothing does."""
    if all(each.state == EXTRA for each in found):
        return ""
    parts = _Parts(expected, actual)
    lines = [f"name = {string(name)}", f"database = {string(database)}"]
    blocks = [*parts.columns(), *parts.conversions(), *parts.functions(), *parts.views(), *parts.triggers()]
    blocks += [_sql(script) for script in bring_sql.scripts(expected, actual, parts.late_functions, parts.late_views)]
    for block in blocks:
        lines += ["", *block]
    by_hand = [str(each) for each in found if each.state != EXTRA and not _brought(each)]
    if by_hand:
        lines += ["", "# To be done by hand:", *(f"#   {text}" for each in by_hand for text in each.splitlines())]
    return "\n".join(lines) + "\n" if blocks else "\n".join(["# No operation brings this.", *lines[3:]]) + "\n"


def _brought(found: Finding) -> bool:
    match found.kind:
        case "table":
            return not found.what or bool(_HANDLED.fullmatch(found.what))
        case "view" | "function" | "schema" | "extension":
            return True
        case "sequence" | "type" | "publication":
            return found.actual == "absent"
    return False


def _operation(kind: str, **fields: str | Iterable[str]) -> list[str]:
    lines = ["[[operation]]", f"kind = {string(kind)}"]
    for word, value in fields.items():
        if value:
            lines.append(f"{word} = {string(value) if isinstance(value, str) else strings(list(value))}")
    return lines


def _script(statements: Iterable[str]) -> str:
    return "\n" + "".join(f"{statement.rstrip().rstrip(';')};\n" for statement in statements)


def _sql(script: Script) -> list[str]:
    lines = [f"# {note}" for note in script.notes]
    return lines + _operation("sql", title=script.title, up=_script(script.up), down=_script(script.down))


class _Parts:
    """Both catalogues, and what is left to scripts because it stands on what only a script makes."""

    def __init__(self, expected: Catalog, actual: Catalog) -> None:
        self._expected, self._actual = expected, actual
        self._views = {n: v for n, v in expected.views.items() if _differs(v, actual.views.get(n))}
        self._functions = [f for f in expected.functions if _differs(f, _function(actual, f))]
        absent = set(expected.tables) - set(actual.tables) | set(expected.types) - set(actual.types)
        held = {edge.table for edge in actual.function_dependents}
        # Replaced in its place, as something holds it; or made by a script, as only that makes what it speaks of.
        self.late_functions = frozenset(
            _key(f)
            for f in self._functions
            if (f.name in held and _function(actual, f)) or _speaks(f.definition, (name.name for name in absent))
        )
        self.late_views: list[View] = []
        for view in self._upon(self._views):
            # The server has qualified every name in it.
            if _speaks(view.definition, map(str, absent)):
                self.late_views.append(view)
                absent.add(view.name)

    def _pairs(self) -> Iterator[tuple[Table, Table]]:
        for name, table in self._expected.tables.items():
            if name in self._actual.tables:
                yield table, self._actual.tables[name]

    def columns(self) -> Iterator[list[str]]:
        for want, have in self._pairs():
            new = [column for column in want.columns if have.column(column.name) is None]
            plain = [column for column in new if not (column.default or "").startswith("nextval(")]
            serial = [c for c in new if c not in plain]
            if not plain and not serial:
                continue
            lines = [
                f"# {c.name}: NOT NULL and no default: say what the rows that exist get."
                for c in plain
                if c.not_null and c.default is None and not c.identity
            ]
            lines += [
                f"# {c.name} takes its values from a sequence: make it an identity column, by hand." for c in serial
            ]
            if plain:
                lines += [*_operation("add_columns", table=str(want.name)), "[operation.columns]"]
                lines += [f"{key(c.name)} = {string(definition(c))}" for c in plain]
            yield lines

    def conversions(self) -> Iterator[list[str]]:
        retyped = {
            (want.name, column.name): (column, now)
            for want, have in self._pairs()
            for column in want.columns
            if (now := have.column(column.name)) and now.type != column.type
        }
        for (table, name), (want, have) in retyped.items():
            keys = self._actual.tables[table].foreign_keys
            if any(name in k.columns and (k.references, _referred(k, name)) in retyped for k in keys):
                yield [f"# {table}.{name} follows the column that it refers to."]
                continue
            fields = {"table": str(table), "column": name, "to": want.type}
            if not (want.type == "uuid" and _TEXTS.fullmatch(have.type)):
                fields |= {"using": f"{ident(name)}::{want.type}", "back": f"{ident(name)}::{have.type}"}
            if want.default is not None:
                fields["default"] = want.default
            yield _operation("convert_column", **fields)

    def functions(self) -> Iterator[list[str]]:
        for function in self._functions:
            if _key(function) in self.late_functions:
                continue
            word = "procedure" if function.kind == "p" else "function"
            objects = f"{word} {function.signature}"
            up = [function.definition, *_function_grants(function)]
            yield _operation("define", title=f"{word} {function.name}", up=_script(up), objects=[objects])

    def views(self) -> Iterator[list[str]]:
        wanted = [view for view in self._upon(self._views) if view not in self.late_views]
        if wanted:
            objects = [f"{'materialized ' if v.materialised else ''}view {v.name.sql}" for v in wanted]
            up = [statement for view in wanted for statement in bring_sql.view_statements(view)]
            yield _operation("define", title="views", up=_script(up), objects=objects)

    def _upon(self, changed: dict[Name, View]) -> list[View]:
        """Those views, and the ones that stand on what is there of them, each after what it stands on."""
        both = (*self._expected.dependents, *self._actual.dependents)
        edges = {(d.name, d.table) for d in both if d.kind in ("view", "matview") and d.name and d.name != d.table}
        every = {**self._actual.views, **self._expected.views}
        names = list(changed)
        for name in names:  # it grows while we walk
            names += sorted(up for up, low in edges if low == name and up not in names and up in every)
        ordered: list[Name] = []
        while len(ordered) < len(names):
            ready = [
                n
                for n in names
                if n not in ordered and not any(up == n and low in names and low not in ordered for up, low in edges)
            ]
            # Two databases may have stood them on each other in opposite ways: then no order is better than another.
            ordered += ready or [name for name in names if name not in ordered]
        return [every[name] for name in ordered]

    def triggers(self) -> Iterator[list[str]]:
        for want, have in self._pairs():
            there = {trigger.name for trigger in have.triggers}
            for trigger in want.triggers:
                if trigger.name not in there:
                    name = f"trigger {ident(trigger.name)} on {want.name.sql}"
                    up = trigger_sql(trigger, want.name, want.name)
                    yield _operation("define", title=f"trigger {trigger.name}", up=_script(up), objects=[name])


def _referred(constraint: object, column: str) -> str:
    columns, referenced = getattr(constraint, "columns", ()), getattr(constraint, "referenced_columns", ())
    return str(dict(zip(columns, referenced, strict=False)).get(column, ""))


def _differs(want: object, have: object) -> bool:
    """In what its definition says; rights are another matter."""
    if have is None:
        return True
    return any(
        getattr(want, f, None) != getattr(have, f, None) for f in ("definition", "options", "materialised", "indexes")
    )


def _speaks(text: str, names: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names)


def _key(function: Function) -> str:
    return f"{function.name}({function.arguments})"


def _function(catalog: Catalog, like: Function) -> Function | None:
    return next((f for f in catalog.functions if _key(f) == _key(like)), None)


def _function_grants(function: Function) -> list[str]:
    return bring_sql.function_grants(function) if function.grants != (Grant("", "EXECUTE"),) else []


def definition(column: Column) -> str:
    """A column as what follows its name in CREATE TABLE."""
    words = [column.type]
    if column.collation:
        words.append(f"collate {column.collation}")
    if column.generated:
        return " ".join([*words, f"generated always as ({column.default}) stored"])
    if column.not_null:
        words.append("not null")
    if column.identity:
        words.append(f"generated {'always' if column.identity == 'a' else 'by default'} as identity")
    elif column.default is not None:
        words.append(f"default {column.default}")
    return " ".join(words)
