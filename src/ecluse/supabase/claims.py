"""Whether `auth.uid()` and the others tell who is asking, by calling them in a transaction that is rolled back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg

from ecluse.postgres.connect import Session

_SUB = "5a1d3c0e-7b44-4f0e-9d5b-2f6c8e1a9b70"
_CLAIMS = {"sub": _SUB, "role": "authenticated", "email": "somebody@example.com"}
_READS = {"uid": "sub", "role": "role", "email": "email"}
_SETTINGS = ("request.jwt.claims", "request.jwt.claim", *(f"request.jwt.claim.{name}" for name in _READS.values()))
FUNCTIONS = (*_READS, "jwt")


def faults(session: Session) -> Iterator[tuple[str, str]]:
    """Each of the functions that is there and does not do its work, with what is wrong."""
    found = session.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('auth') AND pronargs = 0 "
        "AND proname = ANY (%s)",
        (list(FUNCTIONS),),
    ).fetchall()
    for (name,) in found:
        if wrong := _wrong(session, name):
            yield f"auth.{name}()", wrong


def _wrong(session: Session, name: str) -> str:
    together = {"request.jwt.claims": json.dumps(_CLAIMS)}
    if name == "jwt":
        wanted: object = _CLAIMS
        styles = {"request.jwt.claims": together}
    else:
        wanted, claim = _CLAIMS[_READS[name]], f"request.jwt.claim.{_READS[name]}"
        styles = {"request.jwt.claims": together, claim: {claim: _CLAIMS[_READS[name]]}}
    for setting, values in styles.items():
        if _answer(session, name, values) != wanted:
            return f"does not read {setting}"
    if _answer(session, name, {}) is not None:
        return "names somebody where nobody is asking"
    return ""


def _answer(session: Session, name: str, values: dict[str, str]) -> object:
    with session.transaction(force_rollback=True):
        for setting in _SETTINGS:
            session.execute("SELECT set_config(%s, %s, true)", (setting, values.get(setting, "")))
        try:
            with session.transaction():
                row = session.execute(f"SELECT to_jsonb(auth.{name}())".encode()).fetchone()
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            return "an error"
        return row[0] if row else None
