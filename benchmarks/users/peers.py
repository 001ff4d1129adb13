"""What people write today: a script that reads the users and creates them through a driver. It proves nothing.

The rules are its own, so that what arrives by them, by the floor and by Écluse is said by three.
"""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from benchmarks.ground import Connection
from benchmarks.users.floor import KEYS, TABLES, floor
from benchmarks.users.ground import SAMPLE

Row = tuple[Any, ...]

_ADDRESS = re.compile(r"[a-z0-9._+-]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(r"\$argon2id?\$v=19\$m=\d{1,6},t=\d,p=\d\$[^$]+\$[^$]+")
_BATCH = 1_000

_ACCOUNT = """
INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, banned_until,
    confirmation_token, recovery_token, email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data,
    created_at, updated_at, last_sign_in_at)
VALUES ('00000000-0000-0000-0000-000000000000', %s, 'authenticated', 'authenticated', %s, %s, %s, %s, '', '', '', '',
    %s, %s, %s, %s, %s)
"""
_IDENTITY = """
INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
VALUES (%s, %s, %s, 'email', %s, %s, %s)
"""
_PROFILE = "INSERT INTO public.profiles (id, full_name, created_at) VALUES (%s, %s, %s)"
_MAPPED = "INSERT INTO public.user_id_mapping (old_user_id, supabase_user_id, email, matched) VALUES (%s, %s, %s, %s)"
_STATEMENTS = (_ACCOUNT, _IDENTITY, _PROFILE, _MAPPED)


@dataclass(frozen=True, slots=True)
class Person:
    """The rows of one user, table by table; of who has an account already only the line of the map."""

    account: Row | None
    identity: Row | None
    profile: Row | None
    mapped: Row

    @property
    def rows(self) -> tuple[Row | None, ...]:
        """In the order of the statements."""
        return self.account, self.identity, self.profile, self.mapped


def people(conn: Connection, few: int) -> Iterator[Person]:
    """Those of the first so many users who can be carried."""
    known = dict(conn.execute("SELECT lower(email), id FROM auth.users WHERE email IS NOT NULL").fetchall())
    addresses = Counter(_address(email) for (email,) in conn.execute("SELECT email FROM public.users"))
    users = conn.execute(
        "SELECT id, email, password_hash, full_name, role, is_active, created_at, last_login FROM public.users "
        "WHERE id <= %s ORDER BY id",
        (few,),
    )
    for id_, email, hash_, name, role, active, created, login in users:
        address = _address(email)
        if addresses[address] > 1 or len(address) > 255 or not _ADDRESS.fullmatch(address):
            continue
        if address in known:
            yield Person(None, None, None, (id_, known[address], address, True))
        else:
            yield _new(id_, address, _hash(hash_), name, role, active, _utc(created), login and _utc(login))


def _new(
    id_: int, address: str, hash_: str | None, name: str | None, role: str, active: bool, created: datetime, login: Any
) -> Person:
    uid = uuid.uuid4()
    banned = None if active else datetime.now(UTC) + timedelta(days=36_525)
    app = Jsonb({"provider": "email", "providers": ["email"], "role": role})
    user = Jsonb({"email_verified": True} | ({} if name is None else {"full_name": name}))
    data = Jsonb({"sub": str(uid), "email": address, "email_verified": True, "phone_verified": False})
    return Person(
        (uid, address, hash_, created, banned, app, user, created, created, login),
        (str(uid), uid, data, created, created, created),
        (uid, name, created),
        (id_, uid, address, False),
    )


def _address(email: str | None) -> str:
    return (email or "").strip().lower()


def _hash(text: str) -> str | None:
    fits = _BCRYPT.fullmatch(text) or _ARGON2.fullmatch(text) or text.startswith("$fbscrypt$")
    return text if fits else None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


# --- the contenders -----------------------------------------------------------------------------------


def loop(conninfo: str, few: int, synced: str = "on") -> dict[str, float]:
    """One user per transaction, as a loop over an API does it at best: prepared statements on one session."""
    with psycopg.connect(conninfo, autocommit=True, options=f"-c synchronous_commit={synced}") as conn:
        found = _begin(conn, few)
        began = time.monotonic()
        for person in found:
            with conn.transaction():
                for statement, row in zip(_STATEMENTS, person.rows, strict=True):
                    if row is not None:
                        conn.execute(statement, row)
        return {"insert": time.monotonic() - began}


def unsynced(conninfo: str, few: int) -> dict[str, float]:
    """The same loop, which waits for no disk."""
    return loop(conninfo, few, "off")


def executemany(conninfo: str, few: int) -> dict[str, float]:
    """A thousand users per transaction, each table with one executemany."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        found = _begin(conn, few)
        began = time.monotonic()
        for first in range(0, len(found), _BATCH):
            batch = found[first : first + _BATCH]
            with conn.transaction(), conn.cursor() as cursor:
                for number, statement in enumerate(_STATEMENTS):
                    cursor.executemany(statement, [row for p in batch if (row := p.rows[number]) is not None])
        return {"insert": time.monotonic() - began}


def _begin(conn: Connection, few: int) -> list[Person]:
    conn.execute((TABLES + KEYS).encode())
    return list(people(conn, few))


def bottom(conninfo: str, few: int) -> dict[str, float]:
    """The floor, of all users."""
    return floor(conninfo)


PEERS: dict[str, tuple[Callable[[str, int], dict[str, float]], int | None]] = {
    "floor": (bottom, None),
    "executemany": (executemany, None),
    "loop": (loop, SAMPLE),
    "unsynced": (unsynced, SAMPLE),
}
"""Each with the number of users that it is given at most."""
