"""From the driver's errors to ours, without a value of any row on the way."""

from __future__ import annotations

import re

import psycopg

from ecluse.errors import CannotConnect, ConnectionLost, DatabaseError, DiskFull, EcluseError, LockNotTaken

# DETAIL and HINT are kept only for classes that speak of objects and sessions. Those of 22, 23, P0 and
# the rest can hold values of the row at hand; CONTEXT is never shown.
_SPEAKS_OF_OBJECTS = frozenset({"0A", "2B", "3D", "40", "42", "53", "54", "55", "57", "58"})
# Class 22 quotes the value that it refuses. Servers speak other languages with other quotes, and a value may hold
# quotes itself: so from the first quote to the last.
_QUOTED = re.compile(r"""["«»„“”‘’「].*["«»“”‘’」]""", re.S)
_BYTES = re.compile(r"(?:0x[0-9a-f]{2}\s*)+", re.I)
_BROKEN = frozenset({"57P01", "57P02", "57P03", "57P05"})

LOST_HINT = "see whether the server runs, and what its log says"
_CONNECT_HINTS = (
    (r"password authentication failed|no password supplied|role .* does not exist", "check the user and the password"),
    (r"database .* does not exist", "check the name of the database, or create it"),
    (r"could not translate host name|name resolution", "check the name of the host"),
    (r"no pg_hba\.conf entry|SSL|certificate", "check sslmode, and whether the server lets this address in"),
    (r"too many clients|remaining connection slots|max client", "close other connections, or raise max_connections"),
    (r"starting up|shutting down|recovery", "the server is not ready; try again in a moment"),
    (r"refused|timeout|timed out|No such file|unreachable", "check the host and the port, and that the server runs"),
)


def translate(error: psycopg.Error, state: str = "") -> EcluseError:
    """The error to raise `from None` in place of the driver's, whose own text may hold values."""
    sqlstate = error.sqlstate or ""
    message = _safe_message(error, sqlstate)
    if sqlstate == "53100":
        return DiskFull("the server's disk is full", details=message, hint="make room on the server", state=state)
    if _is_broken(error, sqlstate):
        return ConnectionLost("the connection to the server was lost", details=message, hint=LOST_HINT, state=state)
    if sqlstate in ("55P03", "40P01"):
        return LockNotTaken("a lock was not taken", details=message, state=state)
    # Notes are ours: what was being done.
    details, hint = "\n".join(part for part in (_objects(error), *getattr(error, "__notes__", ())) if part), ""
    if sqlstate[:2] in _SPEAKS_OF_OBJECTS:
        details = "\n".join(part for part in (error.diag.message_detail or "", details) if part)
        hint = error.diag.message_hint or ""
    return DatabaseError(message, sqlstate=sqlstate, details=details, hint=hint, state=state)


def cannot_connect(error: psycopg.Error, label: str) -> CannotConnect:
    """The error of a connection that did not come about."""
    text = str(error).strip()
    hint = next((hint for pattern, hint in _CONNECT_HINTS if re.search(pattern, text, re.I)), "")
    return CannotConnect(f"cannot connect to {label}", details=text, hint=hint)


def _is_broken(error: psycopg.Error, sqlstate: str) -> bool:
    if sqlstate:
        return sqlstate in _BROKEN or sqlstate.startswith("08")
    # Without a code it did not come from a statement: the driver lost the connection or found it closed.
    return isinstance(error, psycopg.OperationalError)


def _safe_message(error: psycopg.Error, sqlstate: str) -> str:
    message = error.diag.message_primary or str(error).strip()
    if sqlstate.startswith("22") or (not sqlstate and isinstance(error, psycopg.DataError)):
        return _BYTES.sub("… ", _QUOTED.sub('"…"', message)).strip()
    return message


def without_values(line: str) -> str:
    """A line of a server's or a program's words; what it quotes of a row (class 22, COPY) is left out."""
    if re.search(r"invalid (?:input|byte|value)|out of range|malformed|too long|COPY ", line):
        return _BYTES.sub("… ", _QUOTED.sub('"…"', line)).strip()
    return line


def _objects(error: psycopg.Error) -> str:
    diag = error.diag
    table = ".".join(part for part in (diag.schema_name, diag.table_name) if part)
    named = (
        ("table", table),
        ("column", diag.column_name),
        ("constraint", diag.constraint_name),
        ("type", diag.datatype_name),
    )
    return ", ".join(f"{kind} {name}" for kind, name in named if name)
