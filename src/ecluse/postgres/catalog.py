"""Reads a database's catalog into the values of `model.catalog`, in a fixed number of set queries.

Nothing stronger than ACCESS SHARE is locked. The session is pinned while PostgreSQL prints definitions, so that
every name in them is qualified and the same object is always the same text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from ecluse.errors import OurBug
from ecluse.model import catalog as model
from ecluse.model.names import Name, ident
from ecluse.postgres.sql import load

_PINNED = {
    "search_path": "",
    "quote_all_identifiers": "off",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
}
_LONG_TRANSACTION = "5 minutes"

_Row = dict[str, Any]
_By = Mapping[int, list[_Row]]
_T = TypeVar("_T")


def read_catalog(
    conn: psycopg.Connection[Any], schemas: Sequence[str] | None = None, *, measure: bool = True
) -> model.Catalog:
    """Everything a plan needs to know, as one value.

    Without `schemas`, all are read but the system's and Écluse's own. `measure` reads the sizes of tables too, from
    the file system. Printing definitions waits, up to `lock_timeout`, for whoever holds a table ACCESS EXCLUSIVE.
    """
    with conn.transaction(), _pinned(conn):
        return _Reader(conn, schemas, measure).catalog()


def missing_extensions(conn: psycopg.Connection[Any], wanted: Iterable[str]) -> list[str]:
    """Those of the extensions that cannot be made on this server, by name."""
    there = {row[0] for row in conn.execute("SELECT name::text FROM pg_catalog.pg_available_extensions")}
    return sorted(set(wanted) - there)


@contextmanager
def _pinned(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """Settings for this transaction only; put back at the end, as it may be part of a caller's."""
    with conn.cursor(row_factory=dict_row) as cursor:
        before = {}
        for name, value in _PINNED.items():
            row = cursor.execute("SELECT current_setting(%s) AS value", [name]).fetchone()
            before[name] = row["value"] if row else ""
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        yield
        for name, value in before.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


class _Reader:
    """One reading: the rows of each query, put together by the oid of the relation they belong to."""

    def __init__(self, conn: psycopg.Connection[Any], schemas: Sequence[str] | None, measure: bool) -> None:
        self._conn = conn
        self._major = conn.info.server_version // 10000
        self._parameters: _Row = {
            "schemas": None if schemas is None else list(schemas),
            "measure": measure,
            "long": _LONG_TRANSACTION,
        }
        self._schemas = [row["name"] for row in self._rows("schemas")]
        self._parameters["schemas"] = self._schemas

    def _rows(self, query: str) -> list[_Row]:
        """The query's rows, without objects that somebody dropped meanwhile: those have no definition any more."""
        with self._conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(load(query, self._major).encode(), self._parameters).fetchall()
        return [row for row in rows if row.get("definition", "") is not None]

    def _by_relation(self, query: str) -> _By:
        found: dict[int, list[_Row]] = defaultdict(list)
        for row in self._rows(query):
            found[row.pop("of")].append(row)
        return found

    def catalog(self) -> model.Catalog:
        """All of it."""
        database = self._rows("database")[0]
        grants = self._by_relation("grants")
        parts = _Parts(
            indexes=self._by_relation("indexes"),
            triggers=self._by_relation("triggers"),
            rules=self._by_relation("rules"),
            statistics=self._by_relation("statistics"),
            grants=grants,
        )
        tables = self._tables(parts)
        views = [_view(row, parts) for row in self._rows("views")]
        sequences = [_sequence(row, grants) for row in self._rows("sequences")]
        dependents = self._rows("dependents")
        return model.Catalog(
            database=database["database"],
            server_version=database["server_version"],
            role=_make(model.Role, database),
            tables={table.name: table for table in tables},
            views={view.name: view for view in views},
            functions=self._functions(),
            dependents=tuple(_dependent(row) for row in dependents if not row["function"]),
            function_dependents=tuple(_dependent(row) for row in dependents if row["function"]),
            publications=tuple(_make(model.Publication, row) for row in self._rows("publications")),
            sequences={sequence.name: sequence.type for sequence in sequences},
            sequence_details={sequence.name: sequence for sequence in sequences},
            extensions=dict(text.split("=", 1) for text in database["extensions"] or ()),
            types={Name(*row["name"]): tuple(row["labels"]) for row in self._rows("enums")},
            schemas=tuple(self._schemas),
            activity=self._activity(),
            default_grantees=tuple(database["default_grantees"] or ()),
            wal_level=database["wal_level"],
        )

    def _tables(self, parts: _Parts) -> list[model.Table]:
        columns, constraints = self._by_relation("columns"), self._by_relation("constraints")
        policies, published = self._by_relation("policies"), self._by_relation("published")
        return [
            _make(
                model.Table,
                row,
                name=Name(*row["name"]),
                inherits=_names(row["inherits"]),
                children=_names(row["children"]),
                columns=tuple(_column(column) for column in columns.get(row["oid"], ())),
                constraints=tuple(_constraint(each) for each in constraints.get(row["oid"], ())),
                policies=tuple(_make(model.Policy, each) for each in policies.get(row["oid"], ())),
                published=tuple(_make(model.Published, each) for each in published.get(row["oid"], ())),
                statistics=parts.statistics_of(row["oid"]),
                **parts.shared(row["oid"]),
            )
            for row in self._rows("tables")
        ]

    def _functions(self) -> tuple[model.Function, ...]:
        grants = self._by_relation("function_grants")
        return tuple(
            _make(
                model.Function,
                row,
                name=Name(*row["name"]),
                grants=None if row["default_grants"] else _grants(grants.get(row["oid"], ())),
            )
            for row in self._rows("functions")
        )

    def _activity(self) -> model.Activity:
        found: dict[str, list[str]] = defaultdict(list)
        for row in self._rows("activity"):
            found[row["kind"]].append(row["text"])
        return model.Activity(tuple(found["prepared"]), tuple(found["long"]), tuple(found["slot"]))


class _Parts:
    """What tables and views have in common, by relation."""

    def __init__(self, *, indexes: _By, triggers: _By, rules: _By, statistics: _By, grants: _By) -> None:
        self._indexes, self._triggers, self._rules = indexes, triggers, rules
        self._statistics, self._grants = statistics, grants

    def shared(self, oid: int) -> _Row:
        """The fields that Table and View share."""
        rules = self._rules.get(oid, ())
        return {
            "indexes": tuple(_index(row) for row in self._indexes.get(oid, ())),
            "triggers": tuple(
                _make(model.Trigger, row, function=Name(*row["function"])) for row in self._triggers.get(oid, ())
            ),
            "rules": tuple((row["name"], row["definition"]) for row in rules),
            "rule_states": tuple((row["name"], row["state"]) for row in rules if row["state"] != "O"),
            "grants": _grants(self._grants.get(oid, ())),
        }

    def statistics_of(self, oid: int) -> tuple[tuple[Name, str], ...]:
        """Extended statistics: name and definition."""
        return tuple((Name(*row["name"]), row["definition"]) for row in self._statistics.get(oid, ()))


def _make(cls: type[_T], row: _Row, **given: Any) -> _T:
    """The value whose fields are `given`, or else the columns of `row` of the same names.

    Lists become tuples, and NULL leaves a field at its default: array_agg() of nothing is NULL.
    """
    values = {
        field.name: _frozen(row[field.name])
        for field in fields(cls)  # type: ignore[arg-type]
        if field.name not in given and field.name in row and (row[field.name] is not None or field.default is MISSING)
    }
    return cls(**values, **given)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def _names(pairs: Sequence[Sequence[str]] | None) -> tuple[Name, ...]:
    return tuple(Name(*pair) for pair in pairs or ())


def _name(pair: Sequence[str | None] | None) -> Name | None:
    """A name that an outer join may not have found: ARRAY[NULL, NULL]."""
    return Name(pair[0], pair[1]) if pair and pair[0] and pair[1] else None


def _grants(rows: Sequence[_Row]) -> tuple[model.Grant, ...]:
    return tuple(_make(model.Grant, row) for row in rows)


def _column(row: _Row) -> model.Column:
    return _make(model.Column, row, sequence=_name(row["sequence"]))


def _constraint(row: _Row) -> model.Constraint:
    """pg_get_constraintdef() leaves out the storage options and the tablespace of a key's index: put them in."""
    definition, suffix = row["definition"], row["suffix"]
    if row["index_options"]:
        if not definition.endswith(suffix):
            raise OurBug(f"the definition of constraint '{row['name']}' does not end as expected", details=definition)
        definition = definition[: len(definition) - len(suffix)] + row["index_options"] + suffix
    return _make(
        model.Constraint,
        row,
        definition=definition,
        columns=tuple(row["columns"] or ()),
        references=_name(row["references"]),
        referenced_columns=tuple(row["referenced_columns"] or ()),
    )


def _index(row: _Row) -> model.Index:
    definition, head = row["definition"], row["head"]
    where = f" WHERE {row['predicate']}" if row["predicate"] else ""
    if not definition.startswith(head) or not definition.endswith(where):
        raise OurBug(f"the definition of index '{row['name']}' is not of the expected form", details=definition)
    tail = definition[len(head) :]
    if row["tablespace"]:
        tail = f"{tail[: len(tail) - len(where)]} TABLESPACE {ident(row['tablespace'])}{where}"
    return _make(model.Index, row, tail=tail)


def _view(row: _Row, parts: _Parts) -> model.View:
    return _make(
        model.View,
        row,
        name=Name(*row["name"]),
        statistics=parts.statistics_of(row["oid"]),
        **parts.shared(row["oid"]),
    )


def _sequence(row: _Row, grants: _By) -> model.Sequence:
    owner = row["owned_by"]
    return _make(
        model.Sequence,
        row,
        name=Name(*row["name"]),
        owned_by=(Name(owner[0], owner[1]), owner[2]) if owner else None,
        grants=_grants(grants.get(row["oid"], ())),
    )


def _dependent(row: _Row) -> model.Dependent:
    return _make(model.Dependent, row, name=_name(row["name"]), table=Name(*row["table"]), owner=_name(row["owner"]))
