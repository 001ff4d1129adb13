"""The databases of a case, one for each contender: all of them hold the same rows as the old application sees them."""

from __future__ import annotations

from pathlib import Path

from psycopg.conninfo import make_conninfo

from benchmarks.ground import Server, connect, median_time
from benchmarks.old_shape import one_table
from benchmarks.old_shape.cases.case import Case
from ecluse.engine.context import Options
from ecluse.engine.planner import make_plan
from ecluse.engine.runner import Engine
from ecluse.model.names import ident
from ecluse.operations.file import parse_migration
from ecluse.postgres.connect import Database

OLD, NEW = "old_application", "new_application"
_ROLE = "CREATE ROLE {} LOGIN"
_RIGHTS = "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC"


class Shapes(Server):
    """The server, with a database for each contender."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder, None if durable else {"fsync": "off"})
        with self.session() as conn:
            for role in (OLD, NEW):
                if not conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                    conn.execute(_ROLE.format(role).encode())

    def prepare(self, case: Case, rows: int) -> dict[str, tuple[str, str]]:
        """Make them anew; gives, by contender, how its application connects, and how one looks at what is in it."""
        legacy = f"{case.name}_{rows}"
        with connect(self.create(legacy)) as conn:
            made = conn.execute("SELECT to_regclass(%s)", (case.compared[0],)).fetchone()
            if made and made[0] is None:
                with conn.transaction():
                    conn.execute((case.tables.replace("{rows}", str(rows)) + _RIGHTS).encode())
            conn.execute("VACUUM (ANALYZE, FREEZE)")
        found = {"original": _sessions(self.fresh(legacy, "original"), OLD, "public")}
        before = _migrate(case, self.fresh(legacy, "old_shape"))
        found["old_shape"] = _sessions(self.create("old_shape"), OLD, before)
        found["new_shape"] = _sessions(self.fresh("old_shape", "new_shape"), NEW, before)
        if case.one_table:
            found["one_table"] = _sessions(_by_hand(case, self.fresh(legacy, "one_table")), OLD, one_table.BEFORE)
        return found

    def waits(self) -> dict[str, str]:
        """What every statement waits for, and every write: the way to the server and back, and a commit."""
        with self.session() as conn:
            trip = median_time(lambda: conn.execute("SELECT 1").fetchall())
        return {"a round trip": f"{trip * 1000:.2f} ms", "a commit": self.commit()}


def _sessions(conninfo: str, role: str, schema: str) -> tuple[str, str]:
    """The role's own connection, with what is set for it; and one that sees the old shape, whoever it is."""
    return make_conninfo(conninfo, user=role), make_conninfo(conninfo, options=f"-c search_path={schema},public")


def _migrate(case: Case, conninfo: str) -> str:
    """Plan, apply, switch, with the old shape kept; gives its schema."""
    database = Database("bench", conninfo)
    plan = make_plan(database, parse_migration(case.migration, f"{case.name}.toml", _no_files))
    # How long the switch takes is measured elsewhere.
    engine = Engine(database, Options(old_shape_for=(OLD,), switch_budget=30.0))
    engine.apply(plan)
    engine.switch(plan.migration)
    with connect(conninfo) as conn:
        conn.execute(_RIGHTS.encode())
        conn.execute("VACUUM (ANALYZE, FREEZE)")
    return plan.before_schema


def _by_hand(case: Case, conninfo: str) -> str:
    with connect(conninfo) as conn:
        with conn.transaction():
            conn.execute(case.one_table.encode())
        # Without what its UPDATE left behind, which would be counted against it.
        conn.execute("VACUUM (FULL, ANALYZE, FREEZE)")
        path = f"ALTER ROLE {OLD} IN DATABASE {ident(conn.info.dbname)} SET search_path = {one_table.BEFORE}"
        conn.execute(path.encode())
    return conninfo


def _no_files(name: str) -> str:
    raise FileNotFoundError(2, "No such file", name)
