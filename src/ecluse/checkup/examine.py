"""Making the checks: each by itself, so that one which cannot look keeps no other from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ecluse.checkup.check import Check, Finding, Found, Look, Patient, Project, ProjectLook, Unseen
from ecluse.checkup.connection import cause_of
from ecluse.checkup.registry import CHECKS
from ecluse.errors import (
    CannotConnect,
    ConnectionLost,
    EcluseError,
    EmbeddedServerFailed,
    MissingVariable,
    ServerTooOld,
    SettingsError,
)
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.failures import translate

# A check that reads rows gives up after that time, and says so.
_PATIENCE = "20s"


def examine_project(project: Project, ids: Collection[str]) -> tuple[Finding, ...]:
    """What the files and variables of a project say."""
    checks = [check for check in CHECKS if check.scope == "project" and check.id in ids]
    return tuple(f for check in checks for f in _made(check, lambda c: cast(ProjectLook, c.look)(project)))


def examine_database(database: Database, folder: Path, ids: Collection[str]) -> tuple[Finding, ...]:
    """What a database says; one that cannot be reached is a finding too."""
    try:
        with open_session(database, role="doctor") as conn:
            conn.execute(f"SET statement_timeout = '{_PATIENCE}'".encode())
            return tuple(examine(Patient(conn, database, folder), ids))
    except EcluseError as error:
        return refused(error, database)


def examine(patient: Patient, ids: Collection[str]) -> Iterator[Finding]:
    """The checks of a database, on a session that is open."""
    for check in CHECKS:
        if check.scope == "database" and check.id in ids:
            yield from _made(check, lambda c: cast(Look, c.look)(patient))
            if patient.conn.closed:
                yield _finding(_by_id("unreachable"), Found("connection", "the server ended our session"))
                return


def refused(error: EcluseError, database: Database | None = None) -> tuple[Finding, ...]:
    """What kept us from looking, told apart; it is told whichever checks were wanted."""
    text = error.details or error.message
    match error:
        case MissingVariable():
            id_ = "variable-not-set"
        case SettingsError():
            id_ = "bad-address"
        case ServerTooOld():
            id_ = "server-too-old"
        case EmbeddedServerFailed():
            id_ = "embedded-server"
        case CannotConnect() | ConnectionLost():
            id_ = cause_of(text, plain=_address(database).get("sslmode") in ("disable", "allow"))
        case _:
            id_ = "unreachable"
    check = _by_id(id_)
    if id_ in ("variable-not-set", "bad-address", "server-too-old"):
        text = error.message
    fix = error.hint if id_ in ("variable-not-set", "embedded-server") else _filled(check.fix, database)
    return (_finding(check, Found(database.name if database else "", " ".join(text.split()), fix)),)


def _address(database: Database | None) -> dict[str, Any]:
    """The parts of an address, as far as it can be read."""
    try:
        return conninfo_to_dict(database.conninfo) if database else {}
    except psycopg.ProgrammingError:
        return {}


def _filled(fix: str, database: Database | None) -> str:
    """The fix with the parts of the address in their places; never its password."""
    given = _address(database)
    for place, name in (("<host>", "host"), ("<port>", "port"), ("<user>", "user"), ("<database>", "dbname")):
        fix = fix.replace(place, str(given[name])) if given.get(name) else fix
    return fix


def _by_id(id_: str) -> Check:
    return next(check for check in CHECKS if check.id == id_)


def _made(check: Check, look: Callable[[Check], Iterator[Found]]) -> list[Finding]:
    """What a check found, that it found nothing, or that it could not look; the last may come after the first."""
    findings: list[Finding] = []
    unseen = ""
    try:
        findings.extend(_finding(check, found) for found in look(check))
    except Unseen as error:
        unseen = str(error)
    except psycopg.Error as error:
        unseen = translate(error).message
    except EcluseError as error:
        unseen = error.message
    if unseen:
        findings.append(Finding(check.id, "told", "", f"could not look: {unseen}", check.means, "", seen=False))
    if not findings:
        return [Finding(check.id, "good", "", "", check.means, "")]
    return findings


def _finding(check: Check, found: Found) -> Finding:
    fix = found.fix or check.fix
    return Finding(check.id, found.level or check.level, found.object, found.message, check.means, fix)
