"""Drift: what a switched or a finished migration left, and what is not as it left it any more."""

from __future__ import annotations

from pathlib import Path

from ecluse.engine.drift import Drift, drift
from ecluse.postgres.connect import Database, open_session
from tests.faults.test_structure import FAMILY, FAULTS, HARMLESS, MORE
from tests.harness import Stage, load

# What only a run that can be taken back still needs, and what an application that grows may add.
_OF_THE_WAY_BACK = ("zz_ecluse_capture", "ecluse_next_", "ecluse_kept_")
_ADDED = ("CREATE INDEX more", "ADD extra")


def said(database: Database, change: str = "") -> list[str]:
    """What drift finds while a change is made; the change is taken back."""
    with open_session(database, role="doctor") as conn, conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL search_path TO public")
        conn.execute(change.encode())
        conn.execute("SET LOCAL search_path TO ''")
        return [str(each) for one in drift(conn) for each in one.deviations]


def test_each_fault_is_named_before_finish_and_after(database: Database, tmp_path: Path) -> None:
    """And what the application adds after `finish` is its own affair."""
    load(database, FAMILY / "before.sql")
    load(database, MORE)
    stage = Stage(database, FAMILY / "migration.toml")
    assert said(database) == []
    stage.apply()
    stage.switch()
    assert said(database) == []
    for change in (
        "DROP TABLE ecluse_kept_fk_family.tags",
        "DROP TRIGGER zz_ecluse_capture ON tags",
        "DROP VIEW asked",
    ):
        assert said(database, change), change
    stage.finish(tmp_path)
    with open_session(database, role="doctor") as conn:
        assert drift(conn) == (Drift("fk_family", 1, "finished", ()),)
    with open_session(database) as conn:
        columns = conn.info.server_version >= 150000  # publications of some columns only
    faults = [
        c for c in FAULTS if not any(part in c for part in _OF_THE_WAY_BACK) and (columns or "SET TABLE" not in c)
    ]
    found = {change: said(database, change) for change in faults}
    assert {c for c, lines in found.items() if not lines} == {c for c in faults if any(a in c for a in _ADDED)}
    assert found["DROP VIEW asked"] == ["view public.asked: is gone"]
    assert {c: lines for c in HARMLESS if (lines := said(database, c))} == {}


def test_what_a_later_migration_makes_anew_is_its_own(database: Database, tmp_path: Path) -> None:
    """An enum that grew is no drift; one that lost a label is. What scripts made on a table is missed."""
    load(database, "CREATE TABLE t (id text PRIMARY KEY, kind text NOT NULL DEFAULT 'a', n int)")

    def migrate(name: str, operations: str) -> None:
        file = tmp_path / f"{name}.toml"
        file.write_text(f'name = "{name}"\n{operations}')
        stage = Stage(database, file)
        stage.apply()
        stage.switch()
        stage.finish(tmp_path / name)

    migrate(
        "first",
        '[[operation]]\nkind = "create_enum"\nname = "public.kinds"\nlabels = ["a", "b"]\n'
        '[[operation]]\nkind = "convert_column"\ntable = "public.t"\ncolumn = "id"\n'
        '[[operation]]\nkind = "sql"\ntitle = "an index"\nup = "CREATE INDEX late ON public.t (n)"\n'
        'down = "DROP INDEX public.late"\n',
    )
    assert said(database) == []
    assert said(database, "DROP INDEX late") == ["table public.t, index late: is gone"]
    load(database, "ALTER TYPE kinds ADD VALUE 'c'")
    assert said(database) == []
    assert said(database, "DROP TYPE kinds; CREATE TYPE kinds AS ENUM ('a', 'c')") == [
        "type public.kinds: was a, b, is a, c"
    ]
    load(database, "ALTER TABLE t ADD more text")
    migrate(
        "second",
        '[[operation]]\nkind = "reshape_table"\ntable = "public.t"\n'
        'columns = { n = { type = "bigint", from = "n::bigint", back = { n = "n::integer" } } }\n',
    )
    assert said(database) == []
    assert said(database, "ALTER TABLE t ALTER n TYPE numeric") == [
        "table public.t, column n: type: was bigint, is numeric"
    ]
