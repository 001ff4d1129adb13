"""Where a backup is restored to: an empty database, and what its server must have for that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecluse.backup.snapshot import session_of
from ecluse.errors import EcluseError, EmbeddedServerFailed, NotVerifiable
from ecluse.model.backup import Locale, Manifest
from ecluse.model.names import ident, literal
from ecluse.postgres.binaries import nearest_server
from ecluse.postgres.catalog import missing_extensions
from ecluse.postgres.connect import Database, Session
from ecluse.postgres.throwaway import throwaway_database, throwaway_server

# Nothing on it is worth keeping.
_HASTY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "1GB",
    "shared_buffers": "64MB",
}
_KEPT = "the backup is kept, and is not verified"


@dataclass(frozen=True, slots=True)
class Place:
    """An empty database; `name` is what people are told."""

    database: Database
    name: str
    server_version: int  # server_version_num


@contextlib.contextmanager
def throwaway_place(project: Path, manifest: Manifest) -> Iterator[Place]:
    """A database on a server of our own, of the same major version or the next newer that has the extensions.

    The roles are there. Raises NotVerifiable where there is no such server, or where it lacks an extension.
    """
    major = manifest.versions.server // 10000
    try:
        programs = nearest_server(major, manifest.extensions, oldest=major)
    except EmbeddedServerFailed:
        raise NotVerifiable(
            f"there is no PostgreSQL {major} or newer here that the backup could be tried on",
            hint="name a server: --on NAME",
            state=_KEPT,
        ) from None
    with throwaway_server(project, programs, _HASTY) as server:
        base = Database("throw-away", server.conninfo(), label=f"a throw-away PostgreSQL {server.version}")
        with contextlib.closing(session_of(base)) as conn:
            version = conn.info.server_version
            _refuse_missing(missing_extensions(conn, manifest.extensions), "extension", str(base))
            for role in roles_missing(conn, manifest):
                conn.execute(f"CREATE ROLE {ident(role)} NOLOGIN".encode())
        # Its locales are not those of the server that the backup is of: no row depends on them.
        encoding = f"ENCODING {literal(manifest.locale.encoding)}"
        plain = "" if manifest.locale.encoding == "UTF8" else f" LOCALE 'C'{_provider(server.version)}"
        with throwaway_database(base, options=encoding + plain) as made:
            yield Place(made, f"throw-away PostgreSQL {server.version}", version)


def _provider(major: int) -> str:
    return " LOCALE_PROVIDER libc" if major >= 15 else ""


@contextlib.contextmanager
def named_place(beside: Database, manifest: Manifest) -> Iterator[Place]:
    """A throw-away database on a named server. Raises NotVerifiable where that lacks extensions or roles."""
    with contextlib.closing(session_of(beside)) as conn:
        version = conn.info.server_version
        refuse_older(conn, manifest, NotVerifiable, _KEPT)
        _refuse_missing(missing_extensions(conn, manifest.extensions), "extension", str(beside))
        _refuse_missing(roles_missing(conn, manifest), "role", str(beside))
    with throwaway_database(beside, options=f"ENCODING {literal(manifest.locale.encoding)}") as made:
        yield Place(made, str(beside), version)


def _refuse_missing(missing: list[str], word: str, where: str) -> None:
    if missing:
        number = f"{len(missing)} {word}s" if len(missing) > 1 else f"the {word} '{missing[0]}'"
        raise NotVerifiable(
            f"{where} lacks {number} of the backup, which so cannot be tried there",
            details=", ".join(missing),
            hint="name a server that has them, as the database in ecluse.toml: --on NAME",
            state=_KEPT,
        )


def refuse_older(conn: Session, manifest: Manifest, error: type[EcluseError], state: str) -> None:
    """What a newer server wrote, an older one may not understand."""
    here, then = conn.info.server_version // 10000, manifest.versions.server // 10000
    if here < then:
        raise error(
            f"the backup is of PostgreSQL {then}, and the server is PostgreSQL {here}",
            hint=f"choose a server of PostgreSQL {then} or newer",
            state=state,
        )


def roles_missing(conn: Session, manifest: Manifest) -> list[str]:
    """The roles that the backup names and that are not on this server."""
    there = {row[0] for row in conn.execute("SELECT rolname::text FROM pg_catalog.pg_roles")}
    return [each.role for each in manifest.roles if each.role not in there]


def locale_options(locale: Locale, major: int) -> str:
    """What CREATE DATABASE says so that text is kept and ordered as before."""
    words = [f"ENCODING {literal(locale.encoding)}", f"LC_COLLATE {literal(locale.collate)}"]
    words.append(f"LC_CTYPE {literal(locale.ctype)}")
    if locale.provider == "i" and major >= 15:
        words.append(f"LOCALE_PROVIDER icu ICU_LOCALE {literal(locale.locale)}")
    elif locale.provider == "b" and major >= 17:
        words.append(f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(locale.locale)}")
    elif major >= 15:
        words.append("LOCALE_PROVIDER libc")
    return " ".join(words)
