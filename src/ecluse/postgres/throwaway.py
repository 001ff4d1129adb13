"""Throw-away databases: on a server of their own that is removed with its folder, or beside others on a named server.

Both leave nothing behind. Where the process was killed, the next throw-away server removes what nobody uses any more.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from ecluse.errors import EmbeddedServerFailed, MissingRights
from ecluse.model.names import ident, literal
from ecluse.postgres.binaries import nearest_server
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.postgres.failures import translate

_FOLDER = "throwaway"
PREFIX = "ecluse_throwaway_"
_YOUNG = 60.0  # seconds
# Throw-away databases of ours whose keeper is gone. Advisory locks are asked for in pg_locks, which shows those that
# were taken in other databases too.
_LEFT = """
    SELECT d.datname FROM pg_catalog.pg_database AS d
    WHERE pg_catalog.starts_with(d.datname::text, %s) AND pg_catalog.pg_has_role(d.datdba, 'MEMBER')
      AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND (l.classid::int8 << 32 | l.objid::int8) = pg_catalog.hashtextextended(d.datname::text, 0))
"""


@contextlib.contextmanager
def throwaway_server(
    project: Path, programs: Path, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedServer]:
    """A new server of these programs (`nearest_server`), in `.ecluse/throwaway/`; it is removed at the end.

    As it is nobody else's, roles can be made on it without a thought. Raises EmbeddedServerFailed.
    """
    above = project / ".ecluse" / _FOLDER
    sweep(above)
    server = EmbeddedServer(above / secrets.token_hex(4), programs, settings)
    try:
        server.start()
        yield server
    finally:
        with contextlib.suppress(EmbeddedServerFailed):
            server.stop("immediate")
        _remove(server)


def sweep(above: Path) -> None:
    """Remove the throw-away servers whose processes are gone."""
    for home in above.glob("*") if above.is_dir() else ():
        # A folder is a moment older than the lock of who made it.
        with contextlib.suppress(OSError):
            if time.time() - home.stat().st_mtime < _YOUNG:
                continue
        version = home / "data" / "PG_VERSION"
        left = EmbeddedServer(home, nearest_server(int(version.read_text()) if version.is_file() else 0))
        if not left.in_use():
            with contextlib.suppress(EmbeddedServerFailed):
                left.stop("immediate")
            _remove(left)


def _remove(server: EmbeddedServer) -> None:
    shutil.rmtree(server.home, ignore_errors=True)
    shutil.rmtree(server.socket_dir, ignore_errors=True)


@contextlib.contextmanager
def throwaway_database(beside: Database, name: str = "", options: str = "") -> Iterator[Database]:
    """A new, empty database on the server of `beside`, dropped at the end; those that were left behind go first.

    `options` are of CREATE DATABASE. One that was renamed meanwhile stays. Raises MissingRights where the role may not
    create databases.
    """
    made = f"{PREFIX}{name}{secrets.token_hex(6)}"[:63]
    with contextlib.closing(open_session(beside, role="throwaway")) as keeper:
        # The lock lives with this session: what bears our prefix and is not locked was left by a killed process.
        _drop_left(keeper)
        keeper.execute(f"SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended({literal(made)}, 0))".encode())
        try:
            keeper.execute(f"CREATE DATABASE {ident(made)} TEMPLATE template0 {options}".encode())
        except psycopg.errors.InsufficientPrivilege:
            raise MissingRights(
                f"the role of {beside} may not create databases",
                hint="ALTER ROLE … CREATEDB, or leave --on out: the embedded server is used then",
                state="nothing was changed",
            ) from None
        except psycopg.Error as error:
            raise translate(error, "nothing was changed") from None
        label = f"throw-away database '{made}' beside {beside}"
        try:
            yield replace(
                beside, name=made, conninfo=make_conninfo(beside.conninfo, dbname=made), protect=False, label=label
            )
        finally:
            _drop(keeper, made)


def _drop_left(keeper: Session) -> None:
    for (name,) in keeper.execute(_LEFT, [PREFIX]).fetchall():
        _drop(keeper, name)


def _drop(keeper: Session, name: str) -> None:
    keeper.execute(f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE)".encode())
