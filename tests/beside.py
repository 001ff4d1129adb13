"""The old application goes on after the switch, beside the new one; what both wrote is written again elsewhere.

There everything is as it was before the migration, but for the rows in quarantine, which the old application does not
see. So what both wrote must come home as it is there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg

from ecluse.model.names import ident
from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import OLD_APPLICATION, OPTIONS, Snapshot, Stage, Writer, load, same_rows, same_structure

Rows = dict[str, Counter[str]]
Attempt = tuple[int, int, psycopg.Error | None]

_REFUSED = re.compile(r"-- refused after the switch: (\w{5})\Z")


def kept_beside(database: Database, file: Path, before: str, migration: str) -> tuple[Stage, Database]:
    """Switch with the old shape kept: the stage, and how the old application connects."""
    load(database, before)
    file.write_text(migration)
    there = harness.old_application(database)
    stage = Stage(database, file, replace(OPTIONS, old_shape_for=(OLD_APPLICATION,)))
    assert stage.apply() == "ready"
    stage.switch()
    return stage, there


def shown_rows(database: Database, old: Database, stage: Stage) -> Rows:
    """The rows of each table that has left, as the old application sees them."""
    with psycopg.connect(database.conninfo) as here, psycopg.connect(old.conninfo) as there:
        return {
            f"public.{table}": Counter(
                row[0] for row in there.execute(f"SELECT t::text FROM {ident(table)} t".encode())
            )
            for (table,) in here.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v')",
                (f"ecluse_kept_{stage.name}",),
            )
        }


def hidden_rows(database: Database, old: Database, stage: Stage) -> Rows:
    """The rows that the old application does not see any more: they are in quarantine, and no others.

    It sees all others as they are kept.
    """
    hidden = {}
    with psycopg.connect(database.conninfo, autocommit=True) as here:
        place = f"ecluse_kept_{stage.name}"
        found = here.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (place,))
        tables = {f"public.{table}" for (table,) in found}
        for name, shown in shown_rows(database, old, stage).items():
            table = name.partition(".")[2]
            query = f"SELECT t::text FROM {place}.{ident(table)} t"
            kept = Counter(row[0] for row in here.execute(query.encode()))
            held = dict(here.execute("SELECT source, count(*) FROM ecluse.quarantine GROUP BY 1").fetchall())
            if held and name not in tables:
                continue  # a view shows what it makes of the rows that are left
            assert not shown - kept, name
            assert (kept - shown).total() == held.get(name, 0), name
            hidden[name] = kept - shown
    return hidden


def hide(replayed: Database, hidden: Rows) -> None:
    """Take the rows away, so that what is written again does not see them either."""
    with psycopg.connect(replayed.conninfo, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        for table, rows in hidden.items():
            if rows:
                conn.execute(f"DELETE FROM {table} t WHERE t::text = ANY (%s)".encode(), (list(rows),))


def written_again(replayed: Database, lines: list[str], attempts: list[Attempt]) -> Iterator[Attempt]:
    """Write the same on the old shape, and give what that takes and the new shape refused."""
    with psycopg.connect(replayed.conninfo, autocommit=True, prepare_threshold=None) as conn:
        for number, round_, error in attempts:
            statement = lines[number].replace("{n}", str(round_)).encode()
            if error is None:
                conn.execute(statement)
                continue
            try:
                with conn.transaction(force_rollback=True):
                    conn.execute(statement)
                    conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
            except psycopg.Error as same:
                assert same.sqlstate == error.sqlstate, (lines[number], error)
            else:
                yield number, round_, error


def refused_as_marked(old: Writer, refused: list[Attempt]) -> None:
    """What only the new shape refuses are lines that end in a mark, and these say with which state."""
    marks = {number: found[1] for number, line in enumerate(old.lines) if (found := _REFUSED.search(line))}
    for number, _, error in refused:
        assert error and marks.get(number) == error.sqlstate, (old.lines[number], error)
        assert error.sqlstate != "23514" or "the new shape" in str(error), error
    assert marks.keys() == {number for number, *_ in refused}
    assert {line for line, _ in old.committed} | marks.keys() == set(range(len(old.lines))), old.failures


@dataclass
class Beside:
    """A database after the switch, as both applications see it, and another one on which the same is written."""

    stage: Stage
    old: Database
    replayed: Database
    before: Snapshot
    hidden: Rows = field(default_factory=dict)

    @classmethod
    def switched(cls, stage: Stage, replayed: Database) -> Beside:
        """Carry the migration out. `replayed` holds what the stage's database does."""
        stage.options = replace(stage.options, old_shape_for=(OLD_APPLICATION,))
        old = harness.old_application(stage.database)
        before = harness.snapshot(stage.database)
        assert stage.apply() == "ready"
        stage.switch()
        found = cls(stage, old, replayed, before)
        found.hidden = hidden_rows(stage.database, old, stage)
        hide(replayed, found.hidden)
        return found

    def write(
        self, old: Writer, new: Writer, back: list[str], rounds: int, again: list[str] | None = None
    ) -> list[Attempt]:
        """Let both write in turns; gives what the old shape would have taken from the old application, and was refused.

        `back` are the lines of the new one in words of the old shape; `again` those of the old one where they differ.
        """
        refused: dict[Writer, list[Attempt]] = {old: [], new: []}
        for _ in range(rounds):
            for writer, lines in ((old, again or old.lines), (new, back)):
                done = len(writer.attempts)
                writer.rounds(1)
                refused[writer] += written_again(self.replayed, list(lines), writer.attempts[done:])
        assert not refused[new], refused[new][0]
        return refused[old]

    def rollback(self) -> None:
        """What both wrote is proved; then everything is as if both had written in the old shape."""
        self.stage.verify()
        shown = shown_rows(self.stage.database, self.old, self.stage)
        self.stage.rollback()
        after, wanted = harness.snapshot(self.stage.database), harness.snapshot(self.replayed)
        same_structure(after.catalog, self.before.catalog)
        for table, rows in self.hidden.items():
            if table in wanted.rows:
                wanted.rows[table] = sorted([*wanted.rows[table], *rows.elements()], key=str.encode)
        same_rows(after, wanted)
        for table, rows in shown.items():
            if table in wanted.rows:
                assert rows == Counter(wanted.rows[table]) - self.hidden.get(table, Counter()), table
        with psycopg.connect(self.old.conninfo) as conn:
            assert conn.execute("SHOW search_path").fetchone() == ('"$user", public',)
