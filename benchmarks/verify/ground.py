"""The server with the two tables, reached through the relay; faults come and go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.ground import Server
from benchmarks.verify.relay import Relay
from benchmarks.verify.tables import DUPLICATED, SHAPES, UNDO_DUPLICATED, Fault, Shape

_SOCKET = Path("run", ".s.PGSQL.5432")


@dataclass(frozen=True, slots=True)
class Where:
    """How a client gets at a database. The server asks for no password; some clients insist on sending one."""

    port: int
    database: str
    host: str = "127.0.0.1"
    user: str = "postgres"

    @property
    def url(self) -> str:
        """As a URL."""
        return f"postgresql://{self.user}:none@{self.host}:{self.port}/{self.database}"


class Ground:
    """One server, one relay, one database for each size and width."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder / "verify")
        self.relay = Relay(folder / "verify" / _SOCKET)

    def close(self) -> None:
        """Stop both."""
        self.relay.close()
        self.server.close()

    def prepare(self, rows: int, width: int) -> Where:
        """Make both tables where they are not there yet; everything is read once, so that nobody pays for that."""
        shape, name = SHAPES[width], f"{SHAPES[width].name}_{rows}"
        self.server.create(name)
        with self.server.session(name) as conn:
            row = conn.execute("SELECT to_regclass('public.ready') IS NULL").fetchone()
            if row and row[0]:
                for statement in shape.create(rows):
                    conn.execute(statement.encode())
                conn.execute("CREATE TABLE ready ()")
            conn.execute("VACUUM ANALYZE")
            for table in ("first", "second"):
                conn.execute(f"SELECT count(*) FROM {table}".encode())
            conn.execute("CHECKPOINT")
        return Where(self.relay.port, name)

    def plant(self, where: Where, faults: tuple[Fault, ...]) -> None:
        """Every fault, each in its row."""
        with self.server.session(where.database) as conn:
            for fault in faults:
                for statement in fault.plant():
                    conn.execute(statement.encode())
            conn.execute(DUPLICATED.encode())

    def mend(self, where: Where, shape: Shape, faults: tuple[Fault, ...]) -> None:
        """Both tables are equal again: the rows with faults are gone from both."""
        keys = ", ".join(str(fault.key) for fault in faults)
        with self.server.session(where.database) as conn:
            for table in ("first", "second"):
                conn.execute(f"DELETE FROM {table} WHERE id IN ({keys})".encode())
            written = [(name, value) for name, _, value in shape.columns if value]
            names, values = (", ".join(each) for each in zip(*written, strict=True))
            numbers = f"unnest(ARRAY[{keys}]::bigint[]) i"
            conn.execute(f"INSERT INTO first ({names}) SELECT {values} FROM {numbers}".encode())
            conn.execute(f"INSERT INTO second ({names}) SELECT {names} FROM first WHERE id IN ({keys})".encode())
            conn.execute(UNDO_DUPLICATED.encode())
