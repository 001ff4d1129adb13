"""Whether each service of a stack answers, through the gateway, to the keys of `.env`. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ecluse.supabase.http import Gateway, Reply
from ecluse.supabase.keys import API_KEYS
from ecluse.supabase.outcomes import Failed, Record, wanted
from ecluse.supabase.refusals import Cause, cause_of, said
from ecluse.supabase.tokens import ANON, SERVICE

_OURS = "ecluse supabase compose; docker compose up -d --force-recreate gateway"


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A running stack: where it is, and the values of its `.env`."""

    gateway: Gateway
    values: Mapping[str, str]

    def key(self, role: str) -> str:
        """A key for that role, in the old form where there is one: it is good for the services themselves too."""
        return next((v for name, of in API_KEYS.items() if of == role and (v := self.values.get(name))), "")

    def ask(self, service: str, method: str, path: str, *statuses: int, **more: Any) -> Reply:
        """A question whose answer must have one of these statuses. Raises Failed or NoAnswer."""
        return wanted(service, self.gateway.ask(method, path, **more), *statuses)


def check_health(stack: RunningStack, record: Record) -> bool:
    """Ask every service for its health; False where not even the gateway is there."""
    if record.ask("gateway", "is there, and refuses whoever has no key", lambda: _refuses(stack)) is None:
        return False
    for name in API_KEYS:
        if key := stack.values.get(name):
            record.ask("gateway", f"takes {name}", partial(_takes, stack, key))
    anon, service = stack.key(ANON), stack.key(SERVICE)
    login = (stack.values.get("DASHBOARD_USERNAME", ""), stack.values.get("DASHBOARD_PASSWORD", ""))
    record.ask("auth", "is healthy", lambda: stack.ask("auth", "GET", "/auth/v1/health", 200, key=anon))
    record.ask("rest", "has its schema, and takes the token of every key", lambda: _verifies(stack))
    record.ask("realtime", "is healthy", lambda: stack.ask("realtime", "GET", "/realtime/v1/api/ping", 200, key=anon))
    record.ask("storage", "is healthy", lambda: stack.ask("storage", "GET", "/storage/v1/status", 200))
    record.ask("meta", "is healthy", lambda: stack.ask("meta", "GET", "/pg/health", 200, key=service))
    record.ask("db", "answers, and is set for realtime", lambda: _logical(stack))
    record.ask("studio", "is healthy, and asks for a login", lambda: _dashboard(stack, login))
    return True


def query(stack: RunningStack, sql: str) -> list[Any]:
    """Rows of the database, through meta. Raises Failed or NoAnswer."""
    body = {"query": sql}
    rows = stack.ask("meta", "POST", "/pg/query", 200, 201, key=stack.key(SERVICE), body=body).value
    return rows if isinstance(rows, list) else []


def _refuses(stack: RunningStack) -> bool:
    reply = stack.gateway.ask("GET", "/rest/v1/")
    if reply.status == 200 or _from_rest(reply):
        raise Failed(Cause("it lets in whoever comes, without any key", _OURS))
    if reply.status == 401:
        return True
    why = f"something else is there: to a request without a key it answers {said(reply)}"
    raise Failed(Cause(why, "is the port KONG_HTTP_PORT of .env, and the address right?"))


def _takes(stack: RunningStack, key: str) -> bool:
    reply = stack.gateway.ask("GET", "/rest/v1/", key=key)
    if reply.status == 401 and not _from_rest(reply):
        raise Failed(cause_of("gateway", reply))
    return True


def _verifies(stack: RunningStack) -> bool:
    for name, role in API_KEYS.items():
        if key := stack.values.get(name):
            reply = stack.gateway.ask("GET", "/rest/v1/", key=key)
            # Newer gateways keep the description of all tables from browsers, and say so after they took the key.
            if not (role == ANON and reply.status == 403):
                wanted("rest", reply, 200)
    return True


def _from_rest(reply: Reply) -> bool:
    return str(reply.get("code")).startswith("PGRST")


_SET = """
SELECT current_setting('wal_level') AS wal_level,
    EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') AS published
"""


def _logical(stack: RunningStack) -> bool:
    found = next((row for row in query(stack, _SET) if isinstance(row, dict)), {})
    if found.get("wal_level") != "logical":
        why = f"wal_level is '{found.get('wal_level')}', and realtime needs 'logical'"
        raise Failed(Cause(why, "docker compose logs db"))
    if not found.get("published"):
        raise Failed(Cause("there is no publication supabase_realtime", "CREATE PUBLICATION supabase_realtime"))
    return True


def _dashboard(stack: RunningStack, login: tuple[str, str]) -> bool:
    stack.ask("studio", "GET", "/api/platform/profile", 200, login=login)
    if stack.gateway.ask("GET", "/api/platform/profile").status == 200:
        raise Failed(Cause("it asks nobody for a login", _OURS))
    return True
