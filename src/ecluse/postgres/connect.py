"""Databases by name, and the one way in which sessions are opened."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ecluse.errors import CannotConnect, MissingVariable, ServerTooOld, SettingsError, UnknownDatabase
from ecluse.model.settings import DatabaseSettings, Settings, did_you_mean
from ecluse.postgres.embedded import EmbeddedServer, server_for
from ecluse.postgres.failures import cannot_connect, translate

Session = psycopg.Connection[tuple[Any, ...]]

_OLDEST = 140000
_PINS: dict[str, str] = {
    # Row level security then raises an error where it would silently hide rows.
    "row_security": "off",
    # What the text of a value looks like, which checksums are made of.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "xmloption": "content",
    # What SQL means, and what the server says about its objects.
    "search_path": "",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "default_transaction_isolation": "read committed",
    # A long step is not an error; a lock that does not come is.
    "lock_timeout": "5s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",
}
# What was told to the user must outlive a crash of the server; a stricter setting is left as it is.
_LASTING = (
    b"SELECT pg_catalog.set_config('synchronous_commit', 'on', false) "
    b"WHERE pg_catalog.current_setting('synchronous_commit') = 'off'"
)
_PINS_SINCE = {170000: {"transaction_timeout": "0"}}
_KEEPALIVES: dict[str, str] = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "connect_timeout": "10",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A database of `ecluse.toml`, ready to connect to. `label` is for people; `conninfo` may hold a password."""

    name: str
    conninfo: str = field(repr=False)
    protect: bool = False
    label: str = ""

    def __str__(self) -> str:
        return self.label or f"database '{self.name}'"


def session_pins(server_version: int = _OLDEST) -> Mapping[str, str]:
    """The settings of every session on such a server (`server_version_num`)."""
    later = (pins.items() for since, pins in _PINS_SINCE.items() if server_version >= since)
    return _PINS | {name: value for items in later for name, value in items}


def resolve(settings: Settings, name: str, project_dir: Path) -> Database:
    """The database of that name. An embedded one is started, created if missing, and kept until the process ends."""
    chosen = settings.databases.get(name)
    if chosen is None:
        known = ", ".join(settings.databases) or "none"
        raise UnknownDatabase(
            f"'{name}' is not a database of ecluse.toml{did_you_mean(name, settings.databases)}",
            hint=f"the databases are: {known}",
        )
    if chosen.embedded_name is not None:
        server = _kept_server(chosen, project_dir)
        conninfo = server.create_database(chosen.embedded_name)
        label = f"'{name}' (embedded PostgreSQL {server.version}, database '{chosen.embedded_name}')"
        return Database(name, conninfo, chosen.protect, label)
    conninfo = _from_variable(name, chosen.variable) if chosen.variable else chosen.url
    return Database(name, conninfo, chosen.protect, _label(name, conninfo))


def open_session(database: Database, *, autocommit: bool = True, role: str = "worker") -> Session:
    """A connection with every pin set. It never uses prepared statements, so poolers and new tables do not trip it."""
    try:
        # Written here and not in the options of the connection, which poolers refuse.
        given = conninfo_to_dict(database.conninfo)
        wanted = {k: v for k, v in _KEEPALIVES.items() if k not in given}
        conninfo = make_conninfo(database.conninfo, application_name=f"ecluse {role}"[:63], **wanted)
        session: Session = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.ProgrammingError:
        # libpq's message repeats a part of the string, which may be the password.
        raise CannotConnect(
            f"cannot connect to {database}", details="its connection string is not valid", hint="check ecluse.toml"
        ) from None
    except psycopg.OperationalError as error:
        raise cannot_connect(error, str(database)) from None
    try:
        _pin(session, database)
        # Set after the pins, which a rollback would otherwise take back.
        session.autocommit = autocommit
    except psycopg.Error as error:
        session.close()
        raise translate(error, "nothing was changed") from None
    except ServerTooOld:
        session.close()
        raise
    return session


def _pin(session: Session, database: Database) -> None:
    version = session.info.server_version
    if version < _OLDEST:
        raise ServerTooOld(
            f"{database} is PostgreSQL {version // 10000}", hint="Écluse needs 14 or newer", state="nothing was changed"
        )
    pins = session_pins(version)
    calls = ", ".join(["pg_catalog.set_config(%s, %s, false)"] * len(pins))
    session.execute(f"SELECT {calls}".encode(), [part for pin in pins.items() for part in pin])
    session.execute(_LASTING)


_kept: dict[Path, EmbeddedServer] = {}
_kept_lock = threading.Lock()


def _kept_server(chosen: DatabaseSettings, project_dir: Path) -> EmbeddedServer:
    """One handle for each server in this process, started, and released when the process ends."""
    programs = Path(chosen.postgres_bin) if chosen.postgres_bin else None
    server = server_for(project_dir, chosen.postgres, programs)
    with _kept_lock:
        kept = _kept.setdefault(server.home, server)
    kept.start()
    return kept


def release_embedded() -> None:
    """Let go of the embedded servers of this process now; those that nobody else uses stop."""
    with _kept_lock:
        for server in _kept.values():
            server.release()
        _kept.clear()


def _from_variable(name: str, variable: str) -> str:
    conninfo = os.environ.get(variable, "").strip()
    if not conninfo:
        raise MissingVariable(
            f"the variable {variable} is not set, and database '{name}' is configured as env:{variable}",
            hint=f"export {variable}=postgresql://user:password@host:5432/database",
        )
    return conninfo


def _label(name: str, conninfo: str) -> str:
    """Name, user, host and database, put together from the parts, so that no password can slip through."""
    try:
        given = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        raise SettingsError(
            f"database '{name}' has a connection string that is not valid",
            hint="special characters in a password of a URL must be percent-encoded",
        ) from None
    if "service" in given:
        return f"'{name}' (service {given['service']})"
    user = f"{given['user']}@" if "user" in given else ""
    port = f":{given['port']}" if "port" in given else ""
    where = f"{user}{given.get('host') or given.get('hostaddr') or 'local socket'}{port}"
    return f"'{name}' ({where}/{given.get('dbname', given.get('user', ''))})"
