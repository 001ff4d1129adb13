"""Every scenario with the old application going on after the switch, beside the new one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ecluse.model.names import ident
from ecluse.postgres.connect import Database
from tests import harness
from tests.harness import OLD_APPLICATION, OPTIONS, Stage, Writer, case_id, lines_of, load, same_rows, same_structure

CASES = harness.cases()

pytestmark = pytest.mark.parametrize("case", CASES, ids=case_id)
Attempt = tuple[int, int, psycopg.Error | None]
ROUNDS = 4
_REFUSED = re.compile(r"-- refused after the switch: (\w{5})\Z")


Rows = dict[str, Counter[str]]


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
        for name, shown in shown_rows(database, old, stage).items():
            table = name.partition(".")[2]
            query = f"SELECT t::text FROM ecluse_kept_{stage.name}.{ident(table)} t"
            kept = Counter(row[0] for row in here.execute(query.encode()))
            held = here.execute("SELECT count(*) FROM ecluse.quarantine WHERE source = %s", (name,)).fetchone()
            assert not shown - kept, name
            assert held is not None and (kept - shown).total() == held[0], name
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


def test_the_old_application_goes_on(case: Path, database: Database, fresh_database: Callable[[], Database]) -> None:
    """Old and new writers after the switch, in turns: what both wrote is there, proved, and comes home."""
    old_lines, new_lines = lines_of(case / "writers_old.sql"), lines_of(case / "writers_new.sql")
    replayed = fresh_database()
    for each in (database, replayed):
        load(each, case / "before.sql")
    before = harness.snapshot(database)
    there = harness.old_application(database)
    stage = Stage(database, case / "migration.toml", replace(OPTIONS, old_shape_for=(OLD_APPLICATION,)))
    assert stage.apply() == "ready"
    stage.switch()
    hidden = hidden_rows(database, there, stage)
    hide(replayed, hidden)

    old, new = Writer(there, old_lines, first=500), Writer(database, new_lines)
    back = lines_of(case / "writers_back.sql") or new_lines
    only_new: dict[Writer, list[Attempt]] = {old: [], new: []}
    for _ in range(ROUNDS):
        for writer, lines in ((old, old_lines), (new, back)):
            done = len(writer.attempts)
            writer.rounds(1)
            only_new[writer] += written_again(replayed, lines, writer.attempts[done:])
    assert not only_new[new]
    refused_as_marked(old, only_new[old])
    stage.verify()
    shown = shown_rows(database, there, stage)
    stage.rollback()
    after = harness.snapshot(database)
    same_structure(after.catalog, before.catalog)
    wanted = harness.snapshot(replayed)
    for table, rows in hidden.items():
        if table in wanted.rows:
            assert Counter(wanted.rows[table]) == shown[table], table
            wanted.rows[table] = sorted([*wanted.rows[table], *rows.elements()], key=str.encode)
    same_rows(after, wanted)
    with psycopg.connect(there.conninfo) as conn:
        assert conn.execute("SHOW search_path").fetchone() == ('"$user", public',)
