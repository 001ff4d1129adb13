"""What a synthetic application writes, made from the definition of a table alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.model.catalog import Column, Table
from ecluse.model.names import Name, ident, literal
from ecluse.model.plan import Plan

_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_NUMBERS = frozenset({"numeric", "real", "double precision"})
_TEXTS = ("text", "character varying", "character", "public.citext", "extensions.citext", "citext")
_ID = re.compile(r"(?:^|_|[a-z])(?:id|uuid|guid|ref|key)$|I[dD]$")
_UUID = "^[{]?[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}[}]?$"


@dataclass(frozen=True, slots=True)
class Writes:
    """The statements for one table. `key` identifies a row; `source` is how the statements name the table.

    `fresh` has, for each column that a new row must not have in common with another, the expression over the row `r`
    that it is a copy of, with `{n}` for a number that nobody used; `left_out` are columns that the server fills in.
    """

    table: Table
    source: str
    key: tuple[str, ...]
    fresh: dict[str, str]
    left_out: frozenset[str]
    changeable: tuple[str, ...]
    insertable: bool
    oid: int = 0  # of what `source` means; once the name means another table, the statements change nothing

    def keys(self, limit: int) -> str:
        """Some keys, as texts."""
        share = min(100.0, max(0.01, 200.0 * limit / max(self.table.rows, 1.0)))
        said = ", ".join(f"m.{ident(name)}::text" for name in self.key)
        return f"SELECT {said} FROM {self.source} AS m TABLESAMPLE SYSTEM ({share:.4f}) LIMIT {limit}"

    def insert(self, like: tuple[str, ...], number: int) -> str:
        """A new row like that one; gives its key."""
        given = [name for name in self.table.written if name not in self.left_out]
        values = [self.fresh.get(name, f"r.{ident(name)}").replace("{n}", str(number)) for name in given]
        back = ", ".join(f"{ident(name)}::text" for name in self.key)
        return (
            f"INSERT INTO {self.source} ({', '.join(map(ident, given))}) SELECT {', '.join(values)} "
            f"FROM {self.source} AS r WHERE {self._is('r', like)}{self._same()} LIMIT 1 RETURNING {back}"
        )

    def update(self, key: tuple[str, ...], like: tuple[str, ...], names: tuple[str, ...]) -> str:
        """Give a row the values of another one in these columns."""
        left = ", ".join(map(ident, names))
        right = ", ".join(f"r.{ident(name)}" for name in names)
        value = f"SELECT {right} FROM {self.source} AS r WHERE {self._is('r', like)} LIMIT 1"
        # A row that is gone meanwhile would give NULL to all.
        there = f"EXISTS (SELECT FROM {self.source} AS r WHERE {self._is('r', like)})"
        return (
            f"UPDATE {self.source} AS m SET ({left}) = ({value}) WHERE {self._is('m', key)} AND {there}{self._same()}"
        )

    def delete(self, key: tuple[str, ...]) -> str:
        """Delete one row."""
        return f"DELETE FROM {self.source} AS m WHERE {self._is('m', key)}{self._same()}"

    def _same(self) -> str:
        return f" AND {literal(self.source)}::pg_catalog.regclass::oid = {self.oid}"

    def _is(self, alias: str, key: tuple[str, ...]) -> str:
        types = {column.name: column.type for column in self.table.columns}
        pairs = zip(self.key, key, strict=True)
        return " AND ".join(f"{alias}.{ident(name)} = {literal(value)}::{types[name]}" for name, value in pairs)


def writes(table: Table, source: str, distinct: frozenset[str] = frozenset()) -> Writes | None:
    """How the table is written to; None where no key tells its rows apart.

    `distinct` are columns in which no two rows have the same value, though no key says so: a copy must not either.
    """
    not_null = {column.name for column in table.columns if column.not_null}
    keys = [columns for _, columns in table.unique_keys]
    identifying = table.primary_key or next((key for key in keys if set(key) <= not_null), ())
    if not identifying:
        return None
    fresh: dict[str, str] = {}
    left_out: set[str] = {c.name for c in table.columns if c.identity == "a" or not c.written}
    referring = {name for key in table.foreign_keys for name in key.columns}
    insertable = True
    for key in [*keys, *([name] for name in sorted(distinct))]:
        insertable &= _freshen(table, tuple(key), referring, fresh, left_out)
    unique = {name for key in keys for name in key} | distinct
    partly = {name for index in table.indexes if index.unique for name in index.uses}
    # Of what a CHECK speaks, as of the role of a message, the values say what kind of row it is.
    checked = {name for constraint in table.constraints if constraint.kind == "c" for name in constraint.columns}
    fixed = unique | partly | referring | checked
    changeable = tuple(c.name for c in table.columns if c.written and c.name not in fixed and not _meant(c))
    for column in table.columns:
        # A document of another row may hold its key: the new row begins without one, where it may.
        if _document(column) and column.written and column.name not in fresh:
            if column.default is not None:
                left_out.add(column.name)
            elif not column.not_null:
                fresh[column.name] = "NULL"
    return Writes(table, source, tuple(identifying), fresh, frozenset(left_out), changeable, insertable)


def _document(column: Column) -> bool:
    return column.type in ("json", "jsonb") or column.type.endswith("[]")


def _meant(column: Column) -> bool:
    """Whether the value says which other row is meant, by what can be seen of it: no application changes that often."""
    return bool(column.identity) or _document(column) or column.type == "uuid" or bool(_ID.search(column.name))


def _freshen(
    table: Table, key: tuple[str, ...], referring: set[str], fresh: dict[str, str], left_out: set[str]
) -> bool:
    """See to it that a copied row has another value in one column of the key; False where that cannot be."""
    if left_out & set(key) or fresh.keys() & set(key):
        return True
    columns = [column for name in key if (column := table.column(name)) is not None]
    own = [column for column in columns if column.name not in referring]
    for column in own:
        if column.identity or "nextval(" in (column.default or "") or "gen_random_uuid" in (column.default or ""):
            left_out.add(column.name)
            return True
    for column in reversed(own):
        if (expression := _another(column)) is not None:
            fresh[column.name] = expression
            return True
    for column in columns:
        if not column.not_null:
            fresh[column.name] = "NULL"
            return True
    return False


def _another(column: Column) -> str | None:
    """An expression for a value that no other row has, in the form that the values of the column have."""
    base, value = column.type.partition("(")[0].strip(), f"r.{ident(column.name)}"
    if column.type.endswith("[]"):
        return None
    if base == "uuid":
        return "pg_catalog.gen_random_uuid()"
    if base in _INTEGERS | _NUMBERS:
        return "{n}"
    if base in _TEXTS:
        return (
            f"CASE WHEN {value}::text ~ '{_UUID}' THEN pg_catalog.gen_random_uuid()::text "
            f"WHEN {value}::text ~ '^[0-9]+$' THEN '{{n}}' "
            f"WHEN {value} IS NOT NULL THEN pg_catalog.concat('w{{n}}', {value}) END"
        )
    if base.startswith("timestamp") or base == "date":
        return f"{value} + {{n}}" if base == "date" else f"{value} + {{n}} * interval '1 millisecond'"
    return None


def numbered(table: Table, names: Iterator[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Of these columns, those that hold numbers: a fresh number begins above what is there."""
    found = ((name, table.column(name)) for name in names)
    return tuple(name for name, c in found if c and c.type.partition("(")[0] in _INTEGERS | _NUMBERS)


_COLUMN = re.compile(r'\bm\.(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>\w+))')


def told_apart(plan: Plan) -> dict[Name, frozenset[str]]:
    """Columns of old tables by which rosters hold rows for the same thing (one athlete, one address): a copy of a row
    that has them too would be a second one of it, which the application does not write every second."""
    tables = {member.alias: member.table for flow in plan.builds for member in flow.old.members}
    found: dict[Name, set[str]] = {}
    for roster in plan.rosters:
        if roster.source in tables:
            named = (one["quoted"] or one["plain"] for text in roster.kin for one in _COLUMN.finditer(text))
            found.setdefault(tables[roster.source].name, set()).update(named)
    return {name: frozenset(columns) for name, columns in found.items()}
