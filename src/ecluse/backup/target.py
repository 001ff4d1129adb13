"""What must be so on a server before a backup is restored there; everything is asked before anything is made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ecluse.backup.place import refuse_older, roles_missing
from ecluse.backup.snapshot import session_of
from ecluse.errors import CannotConnect, MissingRights, NotRestorable
from ecluse.model.backup import Manifest
from ecluse.model.names import ident
from ecluse.postgres.catalog import missing_extensions
from ecluse.postgres.connect import Database, Session

NOTHING = "nothing was changed"
_DOORS = ("postgres", "template1")


@dataclass(frozen=True, slots=True)
class Ways:
    """How a backup is restored where the server is not the one that it was taken on."""

    create_roles: bool = False  # those that are missing, without a login
    no_owner: bool = False  # everything belongs to who restores, and nobody is granted anything
    workers: int = 2

    @property
    def options(self) -> list[str]:
        """What pg_restore is told."""
        return ["--no-owner", "--no-privileges"] if self.no_owner else []


@contextlib.contextmanager
def door(database: Database) -> Iterator[tuple[Database, Session]]:
    """Another database of the same server, from which this one can be made or renamed, and a session there."""
    mine = name_of(database)
    refused: CannotConnect | None = None
    for name in _DOORS:
        if name == mine:
            continue
        other = replace(
            database,
            name=name,
            conninfo=make_conninfo(database.conninfo, dbname=name),
            label=f"the server of {database}",
        )
        try:
            conn = session_of(other)
        except CannotConnect as error:
            refused = error
            continue
        with contextlib.closing(conn):
            yield other, conn
        return
    assert refused is not None
    raise refused


def name_of(database: Database) -> str:
    """What the database is called on its server."""
    given = conninfo_to_dict(database.conninfo)
    return str(given.get("dbname") or given.get("user") or database.name)


def refuse_unfit(conn: Session, manifest: Manifest, ways: Ways) -> None:
    """Raise NotRestorable or MissingRights where the server lacks what the backup needs."""
    refuse_older(conn, manifest, NotRestorable, NOTHING)
    if missing := missing_extensions(conn, manifest.extensions):
        raise NotRestorable(
            f"the server lacks {len(missing)} extensions of the backup",
            details=", ".join(missing),
            hint="install them on the server, or restore on another one",
            state=NOTHING,
        )
    if not ways.create_roles:
        _refuse_roles(roles_missing(conn, manifest), manifest, ways)
    _refuse_strangers(conn, manifest, ways)


def _refuse_roles(missing: list[str], manifest: Manifest, ways: Ways) -> None:
    needed = {each.role for each in manifest.roles if each.in_policies} if ways.no_owner else set(missing)
    refused = [role for role in missing if role in needed]
    if refused:
        why = (
            "policies name them, and so --no-owner is not enough"
            if ways.no_owner
            else "they own or may use what is in it"
        )
        raise NotRestorable(
            f"the server lacks {len(refused)} roles of the backup: {why}",
            details=", ".join(refused),
            hint="--create-roles makes them without a login"
            + ("" if ways.no_owner else "; --no-owner leaves owners and rights out"),
            state=NOTHING,
        )


def _refuse_strangers(conn: Session, manifest: Manifest, ways: Ways) -> None:
    """To give a thing to a role one must be able to be that role."""
    if ways.no_owner:
        return
    owners = [each.role for each in manifest.roles if each.owns]
    rows = conn.execute(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY (%s) "
        "AND NOT pg_catalog.pg_has_role(oid, 'MEMBER') ORDER BY 1",
        [owners],
    ).fetchall()
    if rows:
        raise MissingRights(
            f"the role may not give anything to {len(rows)} owners of what is in the backup",
            details=", ".join(row[0] for row in rows),
            hint="restore as a superuser or a member of them, or with --no-owner",
            state=NOTHING,
        )


def make_roles(conn: Session, manifest: Manifest, ways: Ways) -> list[str]:
    """Make the roles that are missing, where that was asked for; which ones they were."""
    missing = roles_missing(conn, manifest) if ways.create_roles else []
    try:
        with conn.transaction():
            for role in missing:
                conn.execute(f"CREATE ROLE {ident(role)} NOLOGIN".encode())
    except psycopg.errors.InsufficientPrivilege:
        raise MissingRights(
            "the role may not create roles", details=", ".join(missing), hint="make them by hand", state=NOTHING
        ) from None
    return missing
