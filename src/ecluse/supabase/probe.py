"""What a person meets who uses the stack: signs in, writes a row, reads no other, hears it change.

The person and the table are made for it and taken away again; nothing of the application is touched.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from ecluse.supabase.health import RunningStack, query
from ecluse.supabase.http import Reply
from ecluse.supabase.listen import subscribed
from ecluse.supabase.outcomes import Failed, Record, wanted
from ecluse.supabase.refusals import Cause
from ecluse.supabase.tokens import ANON, SERVICE

PREFIX = "ecluse_check_"
_TABLE = """
CREATE TABLE public.{table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner uuid NOT NULL, note text NOT NULL);
ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.{table} TO authenticated USING (owner = (SELECT auth.uid()));
GRANT SELECT, INSERT ON public.{table} TO anon, authenticated, service_role;
ALTER PUBLICATION supabase_realtime ADD TABLE public.{table};
NOTIFY pgrst, 'reload schema';
"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: until REST sees a new table, and until realtime tells of a row."""

    schema: float = 15
    change: float = 20
    # Realtime says that it listens a moment before it does.
    again: float = 2


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody made for a check."""

    id: str
    email: str
    password: str


def check_person(stack: RunningStack, record: Record, patience: Patience) -> None:
    """Take a new person through the stack, and take away what was made for it."""
    table = PREFIX + secrets.token_hex(6)
    made = record.ask("meta", "makes a table", lambda: query(stack, _TABLE.format(table=table)))
    person = None
    try:
        person = record.ask("auth", "makes a person", lambda: _make_person(stack))
        _walk(stack, record, "" if made is None else table, person, patience)
    finally:
        if person:
            path = f"/auth/v1/admin/users/{person.id}"
            gone = partial(stack.ask, "auth", "DELETE", path, 200, 204, key=stack.key(SERVICE), body={})
            record.ask("auth", f"takes the person away, {person.email}", gone)
        if made is not None:
            drop = f"DROP TABLE IF EXISTS public.{table}"
            record.ask("meta", f"takes the table away, {table}", lambda: query(stack, drop))


def _walk(stack: RunningStack, record: Record, table: str, person: Person | None, patience: Patience) -> None:
    signs, writes, hears = (
        "a person signs in",
        "a person writes a row, and reads no row but that",
        "a person hears a row",
    )
    token = None
    if person:
        token = record.ask("auth", signs, lambda: _sign_in(stack, person))
    else:
        record.leave("auth", signs, "no person could be made")
    if not (person and token and table):
        why = "nobody could sign in" if table else "no table could be made"
        record.leave("rest", writes, why)
        record.leave("realtime", hears, why)
        return
    guest = Guest(stack, table, person, token)
    if record.ask("rest", writes, lambda: _own_rows(guest, patience)):
        record.ask("realtime", hears, lambda: _hears(guest, patience))
    else:
        # Where rows are not written, silence would be blamed on realtime.
        record.leave("realtime", hears, "rows are not as they should be")


@dataclass(frozen=True, slots=True)
class Guest:
    """The person, signed in, with a table to write to."""

    stack: RunningStack
    table: str
    person: Person
    token: str

    def insert(self, owner: str, *, token: str | None = None, key: str = "") -> tuple[str, Reply]:
        """A row with this owner, by the person or by whoever has the key: its id, and what REST says."""
        row = str(uuid.uuid4())
        body = {"id": row, "owner": owner, "note": "a check"}
        key = key or self.stack.key(ANON)
        given = self.token if token is None else token
        return row, self.stack.gateway.ask("POST", f"/rest/v1/{self.table}", key=key, token=given, body=body)

    def read(self, token: str) -> Reply:
        """What is read of the table with this token, or without one."""
        return self.stack.gateway.ask("GET", f"/rest/v1/{self.table}?select=id", key=self.stack.key(ANON), token=token)


def _make_person(stack: RunningStack) -> Person:
    email, password = f"ecluse-check-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(24)
    body = {"email": email, "password": password, "email_confirm": True}
    reply = stack.ask("auth", "POST", "/auth/v1/admin/users", 200, 201, key=stack.key(SERVICE), body=body)
    if not reply.get("id"):
        raise Failed(Cause("what answers for auth is something else: it names no person", "docker compose logs auth"))
    return Person(str(reply.get("id")), email, password)


def _sign_in(stack: RunningStack, person: Person) -> str:
    body, key = {"email": person.email, "password": person.password}, stack.key(ANON)
    token = stack.ask("auth", "POST", "/auth/v1/token?grant_type=password", 200, key=key, body=body).get("access_token")
    found = stack.ask("auth", "GET", "/auth/v1/user", 200, key=key, token=str(token)).get("id")
    if found != person.id:
        raise Failed(
            Cause("the token that it gives is not that of the person who signed in", "docker compose logs auth")
        )
    return str(token)


def _own_rows(guest: Guest, patience: Patience) -> bool:
    end = time.monotonic() + patience.schema
    row, reply = guest.insert(guest.person.id)
    while reply.status == 404 and time.monotonic() < end:
        # REST reads the structure of the database anew a moment after it changed.
        time.sleep(0.2)
        row, reply = guest.insert(guest.person.id)
    wanted("rest", reply, 201)
    stranger = str(uuid.uuid4())
    service = guest.stack.key(SERVICE)
    wanted("rest", guest.insert(stranger, token=service, key=service)[1], 201)
    own = wanted("rest", guest.read(guest.token), 200).value
    if own != [{"id": row}]:
        raise Failed(_not_own(own, row))
    if guest.insert(stranger)[1].status not in (401, 403):
        raise Failed(Cause("a person may write rows of others", _SECURITY))
    of_nobody = guest.read("")
    if of_nobody.status == 200 and of_nobody.value != []:
        raise Failed(Cause("whoever has the key for browsers reads rows without signing in", _SECURITY))
    return True


_SECURITY = "docker compose exec db psql -U postgres -c '\\du'"  # who is exempt from row level security


def _not_own(found: Any, row: str) -> Cause:
    if isinstance(found, list) and {"id": row} in found:
        return Cause("a person reads rows of others: row level security does not hold", _SECURITY)
    return Cause("a person does not read the own row: REST does not pass on who is asking", "docker compose logs rest")


def _hears(guest: Guest, patience: Patience) -> bool:
    stack = guest.stack
    with subscribed(stack.gateway, stack.key(ANON), guest.token, guest.table) as subscription:
        subscription.await_subscribed(patience.change)
        end, written = time.monotonic() + patience.change, set()
        while time.monotonic() < end:
            row, reply = guest.insert(guest.person.id)
            wanted("rest", reply, 201)
            written.add(row)
            for heard in subscription.heard(patience.again):
                if heard.get("id") in written:
                    return True
                raise Failed(Cause("realtime tells of rows of others", _SECURITY))
    why = f"it subscribed, {len(written)} rows were written, and it told of none within {patience.change:g} s"
    raise Failed(Cause(why, "docker compose logs realtime; SELECT * FROM pg_replication_slots"))
