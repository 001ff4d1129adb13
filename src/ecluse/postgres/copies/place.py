"""Where copies are made: on a server of their own, or as throw-away databases beside a named one."""

from __future__ import annotations

import atexit
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ecluse.errors import MissingRights
from ecluse.model.names import ident, literal
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.copies import roles
from ecluse.postgres.copies.source import Source
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.postgres.throwaway import throwaway_database, throwaway_server

KEPT = "rehearsals"  # the folder in .ecluse of servers that are kept to look at
_OWNER = "ecluse_rehearsal"
_BOOTSTRAP = "ecluse_bootstrap"


@dataclass
class Place:
    """A server for copies. `own`: it is ours alone, so that roles are made there as they are on the source.

    `databases` are the copies by the name that the migration knows, to be worked on as the same role as the real one
    on a server of our own, else as the role of the named database.
    """

    major: int
    stack: ExitStack
    server: EmbeddedServer | None = None
    beside: Database | None = None
    databases: dict[str, Database] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)  # roles

    @property
    def own(self) -> bool:
        """Whether nobody else uses the server."""
        return self.server is not None

    def make(self, name: str, source: Source) -> Database:
        """An empty database for the copy of `source`, and its roles. Returns it for who may do everything there."""
        if self.server is None:
            return self._beside(name, source)
        with psycopg.connect(_as(self.server.conninfo(), _OWNER), autocommit=True) as conn:
            self.notes += roles.make_alike(conn, source.roles(), source.members())
            made = self._create(conn, name, source)
            self.notes += roles.give_settings(conn, made, source.settings(), None)
        label = f"the copy of '{name}' (PostgreSQL {self.major})"
        found = Database(name, _as(self.server.conninfo(made), _OWNER), label=label)
        self.databases[name] = replace(found, conninfo=_as(found.conninfo, source.catalog.role.name))
        return found

    def as_role(self, name: str, role: str) -> Database | None:
        """The copy as that role signs in; None where nobody can, or there is no such role."""
        if self.server is None:
            return None
        found = self.databases[name]
        with psycopg.connect(_as(found.conninfo, _OWNER), autocommit=True) as conn:
            there = roles.exists(conn, role)
        return replace(found, conninfo=_as(found.conninfo, role)) if there else None

    def watching(self, name: str) -> Database:
        """The copy for who looks at the server's figures."""
        found = self.databases[name]
        return replace(found, conninfo=_as(found.conninfo, _OWNER)) if self.own else found

    def how_to_look(self) -> tuple[str, ...]:
        """How to connect to the copies, and the command that removes the server."""
        if self.server is None:
            return ()
        home, pid = self.server.home, self.server.data_dir / "postmaster.pid"
        psql = self.server.bin_dir / "psql"
        look = tuple(f"{psql} '{database.conninfo}'" for database in self.databases.values())
        stopped = f"while [ -e {pid} ]; do sleep 0.2; done"
        return (*look, f"kill -INT $(head -1 {pid}); {stopped}; rm -rf {home} {self.server.socket_dir}")

    def _beside(self, name: str, source: Source) -> Database:
        assert self.beside is not None
        made = self.stack.enter_context(throwaway_database(self.beside, "rehearsal_"))
        try:
            with open_session(made, role="rehearse") as conn:
                self.made += roles.make_missing(conn, made.name, source.roles(), source.members())
                among = frozenset(self.made)
                self.notes += roles.give_settings(conn, made.name, source.settings(), among)
        except psycopg.errors.InsufficientPrivilege as error:
            raise MissingRights(
                f"the role of {self.beside} may not make the roles that the copy needs",
                details=error.diag.message_primary or "",
                hint="ALTER ROLE … CREATEROLE, or leave --on out: a server of its own is used then",
                state="nothing was changed",
            ) from None
        self.databases[name] = replace(made, name=name)
        return made

    def _create(self, conn: Session, name: str, source: Source) -> str:
        made = f"{name}_{secrets.token_hex(3)}"[-63:]
        properties = source.properties()
        head = f"CREATE DATABASE {ident(made)} TEMPLATE template0 OWNER {ident(source.catalog.role.name)}"
        try:
            conn.execute(f"{head} {_locale(properties, self.major)}".encode())
        except psycopg.Error:
            conn.execute(head.encode())
            locale = properties.get("datcollate")
            self.notes.append(f"the copy of '{name}' does not sort texts by {locale}, which is not to be had here")
        return made


@contextmanager
def own_place(
    project: Path, programs: Path, settings: Mapping[str, str] | None = None, *, keep: bool = False
) -> Iterator[Place]:
    """A server of these programs (`nearest_server`); removed at the end, unless it is kept to look at."""
    with ExitStack() as stack:
        if keep:
            server = _lasting_server(project, programs, settings)
        else:
            server = stack.enter_context(throwaway_server(project, programs, settings))
        _rename_bootstrap(server)
        yield Place(server.version, stack, server=server)


@contextmanager
def place_beside(database: Database) -> Iterator[Place]:
    """Throw-away databases beside that one, dropped at the end, and after them the roles that they wanted."""
    with ExitStack() as outer, ExitStack() as stack:
        with open_session(database, role="rehearse") as conn:
            major = conn.info.server_version // 10000
            roles.drop_left(conn)
        place = Place(major, stack, beside=database)
        outer.callback(_drop_roles, place)
        yield place


def _drop_roles(place: Place) -> None:
    if place.made and place.beside:
        with open_session(place.beside, role="rehearse") as conn:
            roles.drop_made(conn, place.made)


def _as(conninfo: str, role: str) -> str:
    return make_conninfo(conninfo, user=role)


def _rename_bootstrap(server: EmbeddedServer) -> None:
    """The first role of a server is a superuser for ever; one of that name on the source may be none."""
    with psycopg.connect(server.conninfo(), autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {ident(_OWNER)} LOGIN SUPERUSER".encode())
    with psycopg.connect(_as(server.conninfo(), _OWNER), autocommit=True) as conn:
        conn.execute(f"ALTER ROLE postgres RENAME TO {ident(_BOOTSTRAP)}".encode())


def _lasting_server(project: Path, programs: Path, settings: Mapping[str, str] | None) -> EmbeddedServer:
    server = EmbeddedServer(project / ".ecluse" / KEPT / secrets.token_hex(4), programs, settings)
    server.start()
    # It is let run when we end.
    atexit.unregister(server.release)
    return server


def _locale(properties: Mapping[str, Any], major: int) -> str:
    """What CREATE DATABASE takes to make texts sort as they do there."""
    provider = {"c": "libc", "i": "icu", "b": "builtin"}[properties.get("datlocprovider", "c")]
    said = [f"ENCODING {literal(str(properties['encoding']))}"]
    if major >= 15:
        said.append(f"LOCALE_PROVIDER {provider}")
    said += [f"LC_COLLATE {literal(properties['datcollate'])}", f"LC_CTYPE {literal(properties['datctype'])}"]
    locale = properties.get("datlocale") or properties.get("daticulocale")
    if locale and provider != "libc":
        said.append(f"{'ICU_LOCALE' if provider == 'icu' else 'BUILTIN_LOCALE'} {literal(locale)}")
    return " ".join(said)
