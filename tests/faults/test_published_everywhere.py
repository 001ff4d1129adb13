"""A publication FOR ALL TABLES takes the tables that are being built in as well; they have no key at first."""

from __future__ import annotations

from pathlib import Path

from ecluse.engine.planner import make_plan
from ecluse.engine.runner import Engine
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.project import read_migration

MIGRATION = """
name = "everywhere"
database = "app"
[[operation]]
kind = "merge_rows"
table = "public.talks"
by = "session"
order_by = "id"
keep = { words = "last" }
"""


def test_builds_under_a_publication_of_all_tables(database: Database, tmp_path: Path) -> None:
    """The units of several rows are deleted by `repair` before there is a primary key."""
    with open_session(database) as conn:
        conn.execute("CREATE TABLE public.talks (id int PRIMARY KEY, session text NOT NULL, words text)")
        conn.execute("INSERT INTO public.talks SELECT i, 's' || i / 2, 'w' || i FROM generate_series(1, 50) i")
        conn.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    file = tmp_path / "everywhere.toml"
    file.write_text(MIGRATION)
    plan = make_plan(database, read_migration(file))
    assert "publication-of-all-tables" in {h.id for h in plan.hazards}
    engine = Engine(database)
    assert engine.apply(plan).status == "ready"
    engine.switch("everywhere")
    with open_session(database) as conn:
        found = conn.execute("SELECT relreplident::text FROM pg_class WHERE oid = 'public.talks'::regclass").fetchone()
    assert found == ("d",)
    engine.rollback("everywhere")
    with open_session(database) as conn:
        assert conn.execute("SELECT count(*) FROM public.talks").fetchone() == (50,)
