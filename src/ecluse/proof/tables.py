"""Two tables, views or queries compared as somebody describes them: by name, on one server or on two.

What is compared are the columns of B, each beside the column of A of the same name or beside an expression over A's
row. A column that only one side has is a difference, and is told by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

import psycopg

from ecluse.errors import CannotCompare, EcluseError, MissingRights, WrongUsage
from ecluse.model.names import Name, ident, literal
from ecluse.model.report import Comparison
from ecluse.planning.pages import page_range, ranges
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.failures import translate
from ecluse.postgres.relation import StoredRows, read_relation
from ecluse.proof.choice import Asked, Choice, Columns, choose, condition
from ecluse.proof.compare import Pair, Relation, compare_all
from ecluse.proof.key_map import KeyMap
from ecluse.proof.readers import Progress, Readers, readers

STATE = "nothing was changed: a comparison only reads"
_KEY = "ecluse_key"
_MAPPED = "in the key map"
_TEXTS = (25, 1042, 1043)
# Types that a text of the key map may be written as: the key of B says which.
_KEY_TYPES = {20: "int8", 21: "int2", 23: "int4", 1700: "numeric", 2950: "uuid"}
# Whose values are the same in every encoding: numbers, times, bytes. All others are letters, or may hold some.
_NO_LETTERS = frozenset({16, 17, 20, 21, 23, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950})


@dataclass(frozen=True, slots=True)
class Place:
    """One side: a database, and in it a table (or view), or a query."""

    database: Database
    table: Name | None = None
    query: str = ""

    @property
    def title(self) -> str:
        """What it is called in reports."""
        return str(self.table) if self.table else "query"


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found. `types` are the columns with another type on either side: name, type in A, type in B."""

    comparison: Comparison
    choice: Choice
    types: tuple[tuple[str, str, str], ...]

    @property
    def equal(self) -> bool:
        """Whether the two hold the same rows of the same columns."""
        return self.comparison.equal and not self.choice.only_in_a and not self.choice.only_in_b


@dataclass(frozen=True, slots=True)
class _Side:
    """A side as it was found: the type of each column, and of a table what is known of it."""

    readers: Readers
    place: Place
    types: dict[str, int]
    stored: StoredRows | None = None

    @property
    def columns(self) -> Columns:
        stored = self.stored
        return Columns(stored.columns, stored.primary_key) if stored else Columns(tuple(self.types))

    def parts(self, select: str, joins: str, where: str, workers: int) -> tuple[str, ...]:
        """The rows, in parts that share the scan: by pages, where there are any."""
        kept = f" AND {where}" if where else ""
        # What is computed of a row is computed of those that the condition leaves only.
        end = " OFFSET 0" if where else ""
        if self.stored is None or not self.stored.pages:
            source = self.stored.name.sql if self.stored else f"({self.place.query}\n)"
            return (f"SELECT {select} FROM {source} m{joins} WHERE true{kept}{end}",)
        cut = ranges(self.stored.pages, workers, bool(joins))
        head = f"SELECT {select} FROM {self.stored.name.sql} m{joins}"
        return tuple(f"{head} WHERE {page_range(lo, hi)}{kept}{end}" for lo, hi in cut)


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to work, and how much to tell."""

    workers: int = 2
    limit: int = 20
    show_values: bool = False
    stop: Event | None = None
    progress: Progress | None = None


def compare_tables(a: Place, b: Place, asked: Asked, effort: Effort, key_map: KeyMap | None = None) -> Compared:
    """Compare A with B, each server at one snapshot; two servers' snapshots are taken one right after the other.

    Raises WrongUsage, NotInDatabase, MappingError and MissingRights for what was asked, CannotCompare for what a
    server refused, Interrupted.
    """
    try:
        with _both(a, b, effort, key_map) as (left, right):
            return _compare(_side(a, left), _side(b, right), asked, effort, key_map)
    except EcluseError as error:
        if error.exit_status != 4:
            raise
        # To a run this is a stop half way; a comparison leaves nothing half done.
        code = error.sqlstate or error.code
        details = "\n".join(part for part in (error.details, f"[{code}]") if part)
        raise CannotCompare(error.message, details=details, hint=error.hint or _hint(code), state=STATE) from None


def _hint(code: str) -> str:
    if code == "42501":
        return "connect as a role that may read all rows"
    if code in ("42883", "42704", "42P01"):
        return "what is not PostgreSQL's own is named with its schema: public.my_function(x)"
    return ""


@contextmanager
def _both(a: Place, b: Place, effort: Effort, key_map: KeyMap | None) -> Iterator[tuple[Readers, Readers]]:
    """The readers of either side; the same ones, at one snapshot, where both are in one database."""

    def open_a() -> Session:
        session = open_session(a.database, role="compare")
        if key_map:
            key_map.load(session)
        return session

    with readers(open_a, effort.workers, stop=effort.stop) as left:
        if a.database.conninfo == b.database.conninfo:
            yield left, left
            return
        with readers(lambda: open_session(b.database, role="compare"), effort.workers, stop=effort.stop) as right:
            yield left, right


def _side(place: Place, where: Readers) -> _Side:
    if not place.table:
        found = where.yields(place.query)
        if len(dict(found)) < len(found):
            raise WrongUsage("a query yields two columns of one name", hint="SELECT a AS one, b AS other", state=STATE)
        return _Side(where, place, dict(found))
    stored = read_relation(where.first, place.table, str(place.database))
    readable = [name for name in stored.columns if name not in stored.unreadable]
    query = f"SELECT {', '.join(map(ident, readable))} FROM {stored.name.sql}"
    return _Side(where, place, dict(where.yields(query)) if readable else {}, stored)


def _compare(a: _Side, b: _Side, asked: Asked, effort: Effort, key_map: KeyMap | None) -> Compared:
    choice = choose(a.columns, b.columns, asked)
    _check_rights(a, [n for n in a.columns.names if n in choice.columns and n not in asked.mapped])
    _check_rights(b, choice.columns)
    mapped = _unused(_MAPPED, (*a.columns.names, *b.columns.names)) if key_map else ""
    left = _left(a, b, choice, asked, effort, key_map, mapped)
    right = _right(b, choice, asked, effort, mapped)
    mine = dict(a.readers.yields(left.parts[0]))
    _check_encodings(a, b, [n for n in choice.columns if not {mine[n], b.types[n]} <= _NO_LETTERS])
    pair = Pair(b.place.title, "compare", left, right)
    (found,) = compare_all(
        [pair],
        a.readers,
        b.readers,
        show_values=effort.show_values,
        limit=effort.limit,
        progress=effort.progress,
    )
    differ = [name for name in choice.columns if mine[name] != b.types[name]]
    types = tuple((n, _type(a.readers, mine[n]), _type(b.readers, b.types[n])) for n in differ)
    return Compared(found, choice, types)


def _check_rights(side: _Side, columns: list[str] | tuple[str, ...]) -> None:
    """All columns are named at once."""
    stored = side.stored
    closed = [name for name in columns if stored and name in stored.unreadable]
    if stored and closed:
        names = ", ".join(map(ident, closed))
        raise MissingRights(
            f"'{stored.role}' may not read {names} of {stored.name} of {side.place.database}",
            hint=f"GRANT SELECT ({names}) ON {stored.name.sql} TO {ident(stored.role)};   -- or --exclude them",
            state=STATE,
        )


def _check_encodings(a: _Side, b: _Side, columns: list[str]) -> None:
    """What is hashed of a text are its bytes: the same bytes are other letters in another encoding."""
    if a.readers is b.readers or not columns:
        return
    one, other = _encoding(a.readers), _encoding(b.readers)
    if one != other:
        raise CannotCompare(
            f"A is in {one} and B is in {other}: the same bytes are other letters there",
            details=f"columns that hold letters: {', '.join(columns)}",
            hint="--query, with such a column as bytes on both sides: SELECT id, convert_to(name, 'UTF8') AS name FROM "
            "...; or --exclude it",
            state=STATE,
        )


def _encoding(where: Readers) -> str:
    row = where.first.execute(b"SELECT pg_catalog.current_setting('server_encoding')").fetchone()
    return str(row[0]) if row else ""


def _unused(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _left(
    a: _Side, b: _Side, choice: Choice, asked: Asked, effort: Effort, key_map: KeyMap | None, mapped: str
) -> Relation:
    """The rows of A as B should have them. A condition is over them too, whatever their columns are made of."""
    fields = dict(choice.of_a)
    joins, key, columns = "", choice.key, choice.columns
    instead = fields
    if key_map:
        if len(key) != 1:
            raise WrongUsage("a key map needs a key of one column", hint="--key id", state=STATE)
        key_map.check(a.readers.first, str(a.place.database))
        (column,) = key
        joins = f' LEFT JOIN ({key_map.rows}) k ON k.old = ({fields[column]})::pg_catalog.text COLLATE pg_catalog."C"'
        # A row whose key is not in the map is told by its old key.
        new = _new_key(a, b, column, key_map)
        shown = f"COALESCE({new}::pg_catalog.text, 'not in the key map: ' || ({fields[column]})::pg_catalog.text)"
        own = _unused(_KEY, fields)
        instead = fields | {column: new}
        # Its new key is NULL, and so may be one of B.
        fields = instead | {own: shown, mapped: "k.new IS NOT NULL"}
        key, columns = (own,), (*columns, mapped)
    wanted = dict.fromkeys((*columns, *key))
    select = ", ".join(f"{fields[name]} AS {ident(name)}" for name in wanted)
    where = condition(a.columns, "A", asked.where, instead)
    if where and key_map:  # of a key that is not known, what asks for it is NULL: such a row is not left out for that
        where = f"({where} OR ({where} IS NULL AND k.new IS NULL))"
    return Relation(a.parts(select, joins, where, effort.workers), columns, key)


def _new_key(a: _Side, b: _Side, column: str, key_map: KeyMap) -> str:
    """The new key in the type of B's key, where a text can be one."""
    mine = a.readers.types(key_map.rows, ["new"])["new"]
    wanted = _KEY_TYPES.get(b.types[column]) if mine in _TEXTS else None
    return f"k.new::pg_catalog.{wanted}" if wanted else "k.new"


def _right(b: _Side, choice: Choice, asked: Asked, effort: Effort, mapped: str) -> Relation:
    where = condition(b.columns, "B", asked.where, {})
    select = ", ".join(f"m.{ident(name)}" for name in choice.columns)
    columns = choice.columns
    if mapped:
        select, columns = f"{select}, true AS {ident(mapped)}", (*columns, mapped)
    return Relation(b.parts(select, "", where, effort.workers), columns, choice.key)


def _type(where: Readers, oid: int) -> str:
    try:
        row = where.first.execute(f"SELECT pg_catalog.format_type({oid}, NULL)".encode()).fetchone()
    except psycopg.Error as error:
        raise translate(error, STATE) from None
    return str(row[0]) if row else literal(str(oid))
