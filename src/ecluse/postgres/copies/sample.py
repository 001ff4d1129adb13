"""A sample that keeps references whole: which rows are taken, and which others they need.

A row is chosen by the hash of its key, so the same rows each time, and the same people in every table and database that
knows them by the same text. Children follow a parent: the row is taken where its parent is chosen. What chosen rows
refer to besides is fetched afterwards, round by round, until nothing is missing; so cycles and references of a table to
itself need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident, literal
from ecluse.postgres.connect import Session
from ecluse.postgres.copies.rows import carry, columns

_WHOLE = 1000  # a table of so few rows is a list that others look things up in, and is taken whole
_BATCH = 2000  # keys of one query


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of a table that hold a key of another. `soft`: no foreign key says so; they are compared as texts."""

    child: Name
    columns: tuple[str, ...]
    parent: Name
    referenced: tuple[str, ...]
    soft: bool = False


def foreign_keys(tables: Mapping[Name, Table]) -> Iterator[Reference]:
    """The references that the database knows, each on the table whose rows it is about."""
    for table in tables.values():
        for key in table.foreign_keys:
            if key.references is not None and key.references in tables:
                yield Reference(table.name, key.columns, key.references, key.referenced_columns)


@dataclass(frozen=True)
class Sample:
    """Which rows of a database are taken. `together` names tables whose rows are taken by an expression over `m`
    instead of their key, so that rows which belong together stay together."""

    tables: Mapping[Name, Table]
    references: tuple[Reference, ...]
    percent: float
    together: Mapping[Name, str] = field(default_factory=dict)
    whole_below: int = _WHOLE
    _leads: dict[Name, Reference | None] = field(default_factory=dict)

    def chosen(self, table: Table, alias: str = "m") -> str:
        """A condition that is true of the rows that are taken."""
        if self.whole(table):
            return "true"
        lead = self._lead(table.name)
        if lead is None:
            return self._drawn(self._own(table, alias))
        parent = self.tables[lead.parent]
        inner = f"{alias}p"
        full = " AND ".join(f"{alias}.{ident(c)} IS NOT NULL" for c in lead.columns)
        by_key = self._lead(parent.name) is None and parent.name not in self.together
        if by_key and lead.referenced == parent.primary_key:
            followed = self._drawn(_text(alias, lead.columns))
        else:
            followed = (
                f"EXISTS (SELECT FROM {_from(parent)} AS {inner} WHERE {_matches(lead, alias, inner)} "
                f"AND {self.chosen(parent, inner)})"
            )
        return f"(CASE WHEN {full} THEN {followed} ELSE {self._drawn(self._own(table, alias))} END)"

    def _own(self, table: Table, alias: str) -> str:
        if table.name in self.together:
            return f"(SELECT ({self.together[table.name]})::text FROM (SELECT {alias}.*) AS m)"
        return _text(alias, table.primary_key) if table.primary_key else f"{alias}::text"

    def whole(self, table: Table) -> bool:
        """Whether all rows are taken."""
        return self._rows(table) < self.whole_below

    def _rows(self, table: Table) -> float:
        if table.kind == "p":
            return sum(self._rows(self.tables[child]) for child in table.children if child in self.tables)
        # Never analysed, or long ago: by its pages, which are measured.
        return max(table.rows, table.pages * (50.0 if table.rows < 0 else 5.0))

    def _drawn(self, text: str) -> str:
        bound = round(self.percent * 10_000)
        return f"(abs(pg_catalog.hashtextextended({text}, 0) % 1000000) < {bound})"

    def _lead(self, name: Name) -> Reference | None:
        """The parent that a table's rows follow: the largest, of those through which no circle is closed."""
        if name not in self._leads:
            self._leads[name] = None
            if name in self.together:
                return None
            fitting = [r for r in self.references if r.child == name and self._follows(r)]
            known = [c for c in self.tables[name].columns if c.not_null]
            needed = {c.name for c in known}
            fitting.sort(key=lambda r: (not set(r.columns) <= needed, r.soft, -self._rows(self.tables[r.parent])))
            self._leads[name] = next((r for r in fitting if not self._circle(name, r)), None)
        return self._leads[name]

    def _follows(self, one: Reference) -> bool:
        return one.parent != one.child and one.parent in self.tables and not self.whole(self.tables[one.parent])

    def _circle(self, name: Name, one: Reference) -> bool:
        at: Reference | None = one
        seen = {name}
        while at is not None:
            if at.parent in seen:
                return True
            seen.add(at.parent)
            at = self._lead(at.parent)
        return False

    # --- what chosen rows need ------------------------------------------------------------------------

    def complete(self, there: Session, here: Session) -> int:
        """Fetch the rows that those on the copy refer to, and what these refer to; returns how many."""
        fetched = 0
        asked: set[tuple[Reference, tuple[str, ...]]] = set()
        while True:
            got = 0
            for one in self.references:
                if self.whole(self.tables[one.parent]):
                    continue
                keys = [key for key in self._missing(here, one) if (one, key) not in asked]
                asked.update((one, key) for key in keys)
                got += self._fetch(there, here, one, keys)
            fetched += got
            if not got:
                return fetched

    def _missing(self, here: Session, one: Reference) -> list[tuple[str, ...]]:
        child, parent = self.tables[one.child], self.tables[one.parent]
        held = ", ".join(f"c.{ident(name)}::text" for name in one.columns)
        full = " AND ".join(f"c.{ident(name)} IS NOT NULL" for name in one.columns)
        found = here.execute(
            f"SELECT DISTINCT {held} FROM {_from(child)} AS c WHERE {full} "
            f"AND NOT EXISTS (SELECT FROM {_from(parent)} AS p WHERE {_matches(one, 'c', 'p')})".encode()
        )
        return [tuple(row) for row in found]

    def _fetch(self, there: Session, here: Session, one: Reference, keys: list[tuple[str, ...]]) -> int:
        parent = self.tables[one.parent]
        types = {column.name: column.type for column in parent.columns}
        fetched = 0
        for at in range(0, len(keys), _BATCH):
            batch = keys[at : at + _BATCH]
            lists, held = [], []
            for number, name in enumerate(one.referenced):
                lists.append(f"ARRAY[{', '.join(literal(key[number]) for key in batch)}]::text[]")
                cast = "" if one.soft else f"::{types[name]}"
                left = f"m.{ident(name)}" + ("::text" if one.soft else "")
                held.append(f"{left} = k.c{number}{cast}")
            names = ", ".join(f"c{number}" for number in range(len(lists)))
            query = (
                f"SELECT {columns(parent, 'm')} FROM {_from(parent)} AS m WHERE EXISTS "
                f"(SELECT FROM unnest({', '.join(lists)}) AS k ({names}) WHERE {' AND '.join(held)})"
            )
            fetched += carry(there, here, query, parent)
        return fetched


def _from(table: Table) -> str:
    """The rows that a key of the table is about: a partitioned table's are in its partitions."""
    return table.name.sql if table.kind == "p" else f"ONLY {table.name.sql}"


def _text(alias: str, names: Iterable[str]) -> str:
    said = [f"{alias}.{ident(name)}::text" for name in names]
    return said[0] if len(said) == 1 else f"ROW({', '.join(said)})::text"


def _matches(one: Reference, child: str, parent: str) -> str:
    cast = "::text" if one.soft else ""
    pairs = zip(one.columns, one.referenced, strict=True)
    return " AND ".join(f"{parent}.{ident(theirs)}{cast} = {child}.{ident(ours)}{cast}" for ours, theirs in pairs)
