"""The ground all contenders start from: one template database of a case, copied afresh for each of them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases.case import Case
from benchmarks.ground import Server, connect

_MADE = "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace"


class Templates(Server):
    """The server with the legacy databases of a case, by their number of rows."""

    def __init__(self, folder: Path, case: Case) -> None:
        super().__init__(folder)
        self.case = case

    def prepare(self, rows: int) -> str:
        """Make the template of so many rows, all or nothing; gives its name."""
        name = f"{self.case.name}_{rows}"
        with connect(self.create(name)) as conn:
            if conn.execute(_MADE).fetchone() is None:
                with conn.transaction():
                    for script in self.case.tables:
                        conn.execute(script.replace("{rows}", str(rows)).encode())
            conn.execute("VACUUM (ANALYZE, FREEZE)")
        return name

    def fresh(self, template: str, name: str = "bench") -> str:
        """A copy that has been read once, so that nobody pays for the first read."""
        conninfo = super().fresh(template, name)
        with connect(conninfo) as conn:
            conn.execute(self.case.read.encode())
        return conninfo
