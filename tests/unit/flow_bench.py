"""Runs the SQL of flows on a real server, the plain way: build the new side, then look whether it maps back exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ecluse.model.flow import Flow, InputTable, Member, Side, fill
from ecluse.model.names import ident, literal
from ecluse.operations.compile import Compiled, compile_migration
from ecluse.operations.file import parse_migration
from ecluse.planning.ddl import constraint_sql, create_table, index_sql, later_constraints, plain_indexes
from ecluse.postgres.catalog import read_catalog

NEXT = "ecluse_next_t"


def no_files(name: str) -> str:
    raise FileNotFoundError(2, "No such file", str(Path(name)))


def compiled(conn: psycopg.Connection[Any], operations: str, files: Mapping[str, str] | None = None) -> Compiled:
    """A migration's operations, compiled against the database as it is."""
    migration = parse_migration(f'name = "t"\n{operations}', "t.toml", files.__getitem__ if files else no_files)
    return compile_migration(migration, read_catalog(conn))


@dataclass
class FlowBench:
    """Builds flows and compares; everything by whole tables."""

    conn: psycopg.Connection[Any]
    flows: tuple[Flow, ...]
    inputs: tuple[InputTable, ...] = ()

    @classmethod
    def build(cls, conn: psycopg.Connection[Any], operations: str, files: Mapping[str, str] | None = None) -> FlowBench:
        return cls.of(conn, compiled(conn, operations, files))

    @classmethod
    def of(cls, conn: psycopg.Connection[Any], found: Compiled) -> FlowBench:
        assert [h for h in found.hazards if h.level == "refuse"] == []
        flows = tuple(change for change in found.changes if isinstance(change, Flow))
        bench = cls(conn, flows, tuple(change for change in found.changes if isinstance(change, InputTable)))
        bench.make()
        return bench

    def make(self) -> None:
        """Build the new side of all flows in the next schema."""
        self.run(f"CREATE SCHEMA {NEXT}")
        for table in self.inputs:
            name, columns = table.name.within(NEXT), ", ".join(column for column, _ in table.columns)
            self.run(f"CREATE TABLE {name.sql} {table.definition}")
            for row in table.rows:
                self.run(f"INSERT INTO {name.sql} ({columns}) VALUES ({', '.join(map(literal, row))})")
        members = [member for flow in self.flows for member in flow.new.members]
        for member in members:
            self.run(create_table(member.table, NEXT))
        for member in members:
            columns = ", ".join(ident(name) for name in member.columns)
            rows = ", ".join(f"q.{ident(name)}" for name in member.columns)
            name = member.table.name.within(NEXT)
            self.run(
                f"INSERT INTO {name.sql} ({columns}) OVERRIDING SYSTEM VALUE SELECT {rows} "
                f"FROM ({self.sql(member.select)}) q"
            )
        for member in members:
            name = member.table.name.within(NEXT)
            for constraint in later_constraints(member.table):
                if constraint.kind != "f":
                    self.run(constraint_sql(name, constraint))
            for index in plain_indexes(member.table):
                self.run(index_sql(name, index))

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self.conn.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    def sql(self, template: str) -> str:
        return fill(template, self._place)

    def _place(self, alias: str) -> str:
        for table in self.inputs:
            if table.alias == alias:
                return table.name.within(NEXT).sql
        for flow in self.flows:
            for member in flow.new.members:
                if member.alias == alias:
                    return member.table.name.within(NEXT).sql
            for member in flow.old.members:
                if member.alias == alias:
                    return self._accepted(flow, member)
        raise KeyError(alias)

    def _accepted(self, flow: Flow, member: Member) -> str:
        """The rows of an old table that are carried: not rejected, and their anchor is not."""
        bad = [f"({self.sql(reject.condition)}) IS TRUE" for reject in member.rejects]
        if member is not flow.old.anchor:
            bad.append(f"NOT EXISTS (SELECT FROM {self._accepted(flow, flow.old.anchor)} a WHERE {member.join})")
        where = f" WHERE NOT ({' OR '.join(bad)})" if bad else ""
        return f"(SELECT m.* FROM {member.table.name.sql} m{where})"

    def assert_exact(self) -> None:
        """Every old table is its inverse, text by text; every unit has its rows on both sides and no others."""
        for flow in self.flows:
            for member in flow.old.members:
                columns = ", ".join(f"q.{ident(name)}" for name in member.columns)
                source = f"SELECT ROW({columns})::text FROM {self._accepted(flow, member)} q"
                back = f"SELECT ROW({columns})::text FROM ({self.sql(member.select)}) q"
                assert self.run(f"{source} EXCEPT ALL {back}") == []
                assert self.run(f"{back} EXCEPT ALL {source}") == []
            olds, news = self._units(flow.old), self._units(flow.new)
            assert olds == news
            for side in (flow.old, flow.new):
                self._assert_find(side)

    def _units(self, side: Side) -> list[tuple[Any, ...]]:
        rows = f"SELECT DISTINCT {self.sql(side.unit)} AS unit FROM {self._place(side.anchor.alias)} m ORDER BY 1"
        return self.run(rows)

    def _assert_find(self, side: Side) -> None:
        if not side.find:
            return
        table = self._place(side.anchor.alias)
        units = f"SELECT DISTINCT {self.sql(side.unit)} AS unit FROM {table} m"
        key = ", ".join(f"m.{ident(name)}" for name in side.anchor.key)
        by_unit = f"SELECT {self.sql(side.unit)} AS unit, {key} FROM {table} m"
        found = f"SELECT u.unit, {key} FROM ({units}) u JOIN {table} m ON {self.sql(side.find)}"
        assert self.run(f"({by_unit}) EXCEPT ALL ({found})") == []
        assert self.run(f"({found}) EXCEPT ALL ({by_unit})") == []
