"""A migration's mapping tried by itself, without the engine: the tables of one side made from those of the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

from ecluse.model.flow import Flow, InputTable, Member, Side
from ecluse.model.names import ident
from ecluse.operations.compile import compile_migration
from ecluse.planning import ddl_table, flow_sql
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.project import read_migration
from ecluse.recipes.conversations_to_messages.generate import Variant, generate
from ecluse.recipes.conversations_to_messages.values import Options
from ecluse.recipes.conversations_to_messages.write import write

Connection = psycopg.Connection[tuple[object, ...]]


def write_files(conn: Connection, folder: Path, *, users: int = 0) -> Path:
    """Write the recipe for the database into a folder, with a map of so many users; the migration file."""
    if users:
        rows = [f"user{n}@example.com,00000000-0000-4000-8000-{n:012}" for n in range(1, users + 1)]
        (folder / "users.csv").write_text("\n".join(["old_value,uuid", *rows]))
    options = Options(user_map="users.csv" if users else "")
    for name, text in write(read_catalog(conn), "app", options).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder / "migration.toml"


@dataclass
class Sides:
    """The flow of the recipe on a sample, and the schemas in which its tables stand."""

    conn: Connection
    flow: Flow
    inputs: tuple[InputTable, ...]

    @classmethod
    def of(
        cls, conn: Connection, folder: Path, generation: str, rows: int, variants: tuple[Variant, ...] = ()
    ) -> Sides:
        """Draw a sample and write the migration for it. Users of L1 are looked up in a map that has most of them."""
        generate(conn, generation, rows, variants=variants)  # type: ignore[arg-type]
        file = write_files(conn, folder, users=rows // 20 - 3 if generation == "L1" else 0)
        changes = compile_migration(read_migration(file), read_catalog(conn)).changes
        inputs = tuple(c for c in changes if isinstance(c, InputTable))
        for table in inputs:
            columns = ", ".join(f"{ident(n)} {t}" for n, t in table.columns)
            conn.execute(f"create schema if not exists ecluse; create table {table.name.sql} ({columns})".encode())
            with conn.cursor().copy(f"copy {table.name.sql} from stdin".encode()) as copy:
                for row in table.rows:
                    copy.write_row(row)
        flow = next(c for c in changes if isinstance(c, Flow))
        return cls(conn, flow, inputs)

    def places(self, old: str, new: str) -> flow_sql.Places:
        """Where the tables stand when the sides are in these schemas."""
        names = {table.alias: table.name for table in self.inputs}
        names |= {m.alias: m.table.name.within(old) for m in self.flow.old.members}
        names |= {m.alias: m.table.name.within(new) for m in self.flow.new.members}
        return flow_sql.Places(names)

    def forward(self, old: str, new: str) -> None:
        """Make the new tables in schema `new`, with their keys, from the old ones in schema `old`."""
        self._make(self.flow.new, self.flow.old, self.places(old, new), new)

    def inverse(self, new: str, old: str) -> None:
        """Make the old tables in schema `old` from the new ones in schema `new`."""
        self._make(self.flow.old, self.flow.new, self.places(old, new), old)

    def _make(self, target: Side, source: Side, at: flow_sql.Places, schema: str) -> None:
        self.conn.execute(f"create schema {schema}".encode())
        for member in target.members:
            self.conn.execute(ddl_table.create_table(member.table, schema).encode())
            rows = flow_sql.rows_all(source.anchor, at)
            self.conn.execute(flow_sql.insert(member, at, flow_sql.mapped(member, source, at, rows)).encode())
            for key in member.table.constraints:
                if key.kind in "puc":
                    self.conn.execute(f"alter table {at.sql(member.alias)} add {key.definition}".encode())
        self.conn.execute("analyze")

    def carried(self, member: Member, old: str = "public") -> str:
        """The rows of an old member that are not rejected, nor hang on one that is."""
        at = self.places(old, "none")
        anchors = flow_sql.rows_all(self.flow.old.anchor, at)
        return anchors if member is self.flow.old.anchor else flow_sql.hanging(member, at, anchors)

    def table(self, alias: str, schema: str) -> str:
        """A member's table in a schema."""
        return self.flow.member(alias).table.name.within(schema).sql

    def differences(self, have: str, want: str, columns: tuple[str, ...]) -> list[str]:
        """Rows, as text, that only one of two relations has; a few of each."""
        row = f"row({', '.join(map(ident, columns))})::text"
        sides = [f"(select {row} from {relation} q)" for relation in (have, want)]
        found = []
        for mark, (this, other) in (("extra", sides), ("missing", sides[::-1])):
            query = f"select r from ({this} except all {other}) d (r) order by 1 limit 3"
            found += [f"{mark}: {row[0]}" for row in self.conn.execute(query.encode()).fetchall()]
        return found

    def count(self, query: str) -> int:
        """The number that a query gives."""
        row = self.conn.execute(query.encode()).fetchone()
        assert row is not None and isinstance(row[0], int)
        return row[0]
