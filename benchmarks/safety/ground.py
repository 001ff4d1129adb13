"""Two servers: on one is the database with the hazard, on the other an empty one for those who copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from benchmarks.ground import Server, connect
from benchmarks.safety.tables import EMPTY, KEEPER, ROLES, ROWS
from ecluse.model.names import ident
from ecluse.postgres.binaries import bin_dir


@dataclass(frozen=True, slots=True)
class Scene:
    """What one contender gets: the database as its owner and as a superuser, an empty one elsewhere, a folder."""

    keeper: str
    admin: str
    elsewhere: str
    elsewhere_admin: str
    folder: Path
    programs: Path


class TwoServers:
    """Both servers, with the roles that own and read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Programs are killed here, and no server: nothing has to be on the disk.
        settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        self._here, self._there = Server(folder / "here", settings), Server(folder / "there", settings)
        for server in (self._here, self._there):
            with server.session() as conn:
                if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (KEEPER,)).fetchone() is None:
                    conn.execute(ROLES.encode())

    def close(self) -> None:
        """Stop both."""
        self._here.close()
        self._there.close()

    def template(self, rows: int) -> str:
        """Make the database with so many conversations, where there is none yet; gives its name."""
        name = f"safety_{rows}"
        with connect(self._here.create(name)) as conn:
            if conn.execute("SELECT to_regclass('public.tags')").fetchone() == (None,):
                conn.execute(f"ALTER DATABASE {ident(name)} OWNER TO {KEEPER}".encode())
                with conn.transaction():
                    conn.execute(f"SET LOCAL ROLE {KEEPER}")
                    conn.execute(EMPTY.encode())
                    conn.execute(ROWS.replace("{rows}", str(rows)).encode())
            conn.execute("VACUUM (ANALYZE, FREEZE)")
        return name

    def scene(self, template: str, number: int) -> Scene:
        """A copy of the template, an empty database on the other server, and an empty folder."""
        admin = self._here.fresh(template, "bench")
        folder = self._folder / f"work{number}"
        folder.mkdir()
        folder.chmod(0o755)
        with self._here.session() as conn:
            conn.execute(f"ALTER DATABASE bench OWNER TO {KEEPER}")
        self._there.drop("bench")
        elsewhere = self._there.create("bench")
        with self._there.session() as conn:
            conn.execute(f"ALTER DATABASE bench OWNER TO {KEEPER}")
        keeper = make_conninfo(admin, user=KEEPER)
        return Scene(keeper, admin, make_conninfo(elsewhere, user=KEEPER), elsewhere, folder, bin_dir())

    def settings(self) -> dict[str, str]:
        """What the outcomes may depend on."""
        return self._here.settings()
