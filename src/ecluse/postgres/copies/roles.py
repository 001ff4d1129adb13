"""Roles of a copied database, by name and without passwords, where its copies are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

import psycopg

from ecluse.model.names import ident, literal
from ecluse.postgres.connect import Session
from ecluse.postgres.copies.source import Member, Role, Setting

MADE_FOR = "made for the rehearsal in "  # the comment of a role that goes with a throw-away database
_LEFT = """
    SELECT r.rolname FROM pg_catalog.pg_roles AS r
    JOIN pg_catalog.pg_shdescription AS d ON d.objoid = r.oid AND d.classoid = 'pg_catalog.pg_authid'::regclass
    WHERE pg_catalog.starts_with(d.description, %(said)s) AND pg_catalog.substr(d.description, 1 + length(%(said)s))
        NOT IN (SELECT datname::text FROM pg_catalog.pg_database)
"""
# Settings that are lists of names: their value is written as it is.
_LISTS = frozenset({"search_path", "temp_tablespaces"})


def exists(conn: Session, name: str) -> bool:
    """Whether the server has that role."""
    return conn.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [name]).fetchone() is not None


def make_alike(conn: Session, roles: Iterable[Role], members: Iterable[Member]) -> list[str]:
    """Make the roles as they are on a server of our own, where everybody may sign in; returns what did not work."""
    for role in roles:
        if not exists(conn, role.name):
            conn.execute(f"CREATE ROLE {ident(role.name)} LOGIN {role.attributes}".encode())
    return grant_memberships(conn, members)


def grant_memberships(conn: Session, members: Iterable[Member]) -> list[str]:
    """Make roles members of roles; returns what did not work."""
    failed = []
    modern = conn.info.server_version >= 160000
    for one in members:
        said = ["ADMIN TRUE" if modern else "ADMIN OPTION"] if one.admin else []
        if one.inherit is not None and modern:
            said.append(f"INHERIT {'TRUE' if one.inherit else 'FALSE'}")
        given = f" WITH {', '.join(said)}" if said else ""
        try:
            conn.execute(f"GRANT {ident(one.role)} TO {ident(one.member)}{given}".encode())
        except psycopg.Error:
            failed.append(f"role {one.member} is no member of {one.role} on the copy")
    return failed


def make_missing(conn: Session, database: str, roles: Iterable[Role], members: Iterable[Member]) -> list[str]:
    """Make the roles that a named server lacks, NOLOGIN, for that throw-away database; returns their names.

    Roles that are there stay as they are.
    """
    made = []
    for role in roles:
        if not exists(conn, role.name):
            conn.execute(f"CREATE ROLE {ident(role.name)} NOLOGIN {'' if role.inherit else 'NOINHERIT'}".encode())
            conn.execute(f"COMMENT ON ROLE {ident(role.name)} IS {literal(MADE_FOR + database)}".encode())
            made.append(role.name)
    grant_memberships(conn, (one for one in members if one.member in made))
    return made


def drop_made(conn: Session, names: Sequence[str]) -> None:
    """Drop roles that were made for a rehearsal; its databases are gone."""
    for name in names:
        with contextlib.suppress(psycopg.Error):
            conn.execute(f"DROP ROLE IF EXISTS {ident(name)}".encode())


def drop_left(conn: Session) -> None:
    """Drop the roles of rehearsals whose databases are gone: their process was killed."""
    drop_made(conn, [name for (name,) in conn.execute(_LEFT.encode(), {"said": MADE_FOR}).fetchall()])


def give_settings(conn: Session, database: str, settings: Iterable[Setting], among: frozenset[str] | None) -> list[str]:
    """Give database and roles the settings that they have; returns what could not be set, by name.

    On a server that others use, only what concerns the throw-away database is set, of the roles in `among`.
    """
    failed = []
    for one in settings:
        name, _, value = one.text.partition("=")
        if among is not None and (not one.here or (one.role and one.role not in among)):
            continue
        of = f"ROLE {ident(one.role)}" if one.role else f"DATABASE {ident(database)}"
        where = f" IN DATABASE {ident(database)}" if one.role and one.here else ""
        if not one.role and not one.here:
            of = "ROLE ALL"
        said = value if name in _LISTS else literal(value)
        try:
            conn.execute(f"ALTER {of}{where} SET {'.'.join(map(ident, name.split('.')))} TO {said}".encode())
        except psycopg.Error:
            failed.append(f"the setting {name} of {one.role or 'the database'} is not on the copy")
    return failed
