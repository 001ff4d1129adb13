"""The admin API of auth as a small server that keeps the recorded contract (admin_api.json), with faults on demand.

Accounts of one moment have no fixed order, as in the service: each page sorts them anew.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

CONTRACT = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
USERS = CONTRACT["prefix"] + CONTRACT["users"]
_HASH = re.compile(r"\$2.\$\d\d\$.{53}|\$argon2(i|id)\$v=19\$m=\d+,t=\d+,p=\d+\$[\w+/]+\$[\w+/]+|\$fbscrypt\$.+")
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Fault:
    """What goes wrong with the next requests of a method. `kind`: an answer of the contract, or one of the words below.

    `made 500`, `made drop`: the account is made, and then there is an error, or no answer. `drop`: no answer. `slow`.
    `other id`: as services before v2.155, which take no id and no hash. `race`: somebody else is quicker,
    `race of nobody`: and never confirms the address.
    """

    kind: str
    method: str = "POST"
    times: int = 1
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    """A status, a body and headers; `drop` closes the connection instead."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass
class AdminApiServer:
    """The server; `accounts` by id, `posted` the bodies that were posted, `asked` all requests."""

    service_key: str
    anon_key: str = "anon"
    version: str = "v2.186.0"
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    now: datetime = _BEGAN
    url: str = ""
    busiest: int = 0
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _random: random.Random = field(default_factory=lambda: random.Random(7))

    def fail(self, kind: str, method: str = "POST", **more: Any) -> None:
        """Let the next requests go wrong."""
        self.faults.append(Fault(kind, method, **more))

    def add(self, email: str, *, same_moment: bool = False, **more: Any) -> str:
        """An account that was there before."""
        body = {"email": email, "email_confirm": True, "created": self.now if same_moment else None, **more}
        return str(self.make(body)["id"])

    def emails(self) -> list[str]:
        """The e-mail addresses of all accounts."""
        return sorted(account["email"] for account in self.accounts.values())

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: dict[str, str], body: Any) -> Answer:
        """What is answered to a request."""
        with self._lock:
            self.asked.append(f"{method} {target}")
            fault = self._fault(method)
            if method == "POST":
                self.posted.append(body)
        if fault and fault.kind == "slow":
            time.sleep(0.2)
        with self._lock:
            refused = self._refused(headers)
            if refused:
                return refused
            if fault and fault.kind == "drop":
                return Answer(0, drop=True)
            if fault and fault.kind in CONTRACT["answers"]:
                found = said(fault.kind)
                return Answer(found.status, found.body, found.headers | fault.headers)
            return self._route(method, urlsplit(target), body, fault.kind if fault else "")

    def _fault(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and fault.times > 0:
                if fault.after > 0:
                    fault.after -= 1
                    return None
                fault.times -= 1
                return fault
        return None

    def _refused(self, headers: dict[str, str]) -> Answer | None:
        if headers.get("apikey") not in (self.service_key, self.anon_key):
            return said("gateway_key")
        if not headers.get("authorization", "").startswith("Bearer "):
            return said("no_authorization")
        return None if headers["authorization"].endswith(f" {self.service_key}") else said("not_admin")

    def _route(self, method: str, url: Any, body: Any, fault: str) -> Answer:
        if url.path == f"{CONTRACT['prefix']}/health":
            return Answer(200, {"version": self.version, "name": "GoTrue", "description": "GoTrue is a user API"})
        if url.path == USERS:
            return self._create(body, fault) if method == "POST" else self._page(url.path, parse_qs(url.query))
        uid = url.path.rpartition("/")[2]
        if not re.fullmatch(r"[0-9a-f-]{36}", uid):
            return said("no_uuid")
        if uid not in self.accounts:
            return said("no_such_user")
        return Answer(200, self.accounts.pop(uid) and {} if method == "DELETE" else shown(self.accounts[uid]))

    def _page(self, path: str, asked: dict[str, list[str]]) -> Answer:
        rules = CONTRACT["page"]
        number, size = (asked.get(n, [str(rules[d])])[0] for n, d in (("page", "first"), ("per_page", "per_page")))
        if not number.isdecimal() or not size.isdecimal() or int(number) < 1:
            return said("bad_page")
        sort, like = asked.get("sort", ["created_at desc"])[0], asked.get("filter", [""])[0]
        assert sort in rules["sort"]
        pattern = re.escape(like).replace("%", ".*").replace("_", ".")
        found = [a for a in self.accounts.values() if re.search(pattern, a["email"], re.S)]
        self._random.shuffle(found)
        found.sort(key=lambda account: account["created_at"], reverse=sort.endswith("desc"))
        start, last = (int(number) - 1) * int(size), -(-len(found) // int(size))
        links = [rules["next"].format(path=path, page=int(number) + 1, size=size)] if int(number) < last else []
        links.append(rules["last"].format(path=path, page=last, size=size))
        page = [shown(account) for account in found[start : start + int(size)]]
        headers = {rules["total"]: str(len(found)), "Link": ", ".join(links)}
        return Answer(200, {"users": page, "aud": "authenticated"}, headers)

    def _create(self, body: dict[str, Any], fault: str) -> Answer:
        assert set(body) <= set(CONTRACT["body"]), "auth would leave a word out without saying so"
        wrong = self._wrong(body)
        if fault in ("race", "race of nobody") and not wrong:
            self.make({"email": body["email"], "email_confirm": fault == "race"})
            return said("create_failed")
        if wrong:
            return said(wrong)
        old = fault == "other id"
        account = self.make({k: v for k, v in body.items() if not (old and k in ("id", "password_hash"))})
        if fault == "made 500":
            return said("create_failed")
        return Answer(CONTRACT["created"], shown(account), drop=fault == "made drop")

    def _wrong(self, body: dict[str, Any]) -> str:
        email, uid = str(body.get("email", "")).lower(), str(body.get("id", uuid.uuid4()))
        if not email:
            return "no_email"
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            return "bad_email"
        if body.get("password") and body.get("password_hash"):
            return "password_twice"
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uid):
            return "bad_id"
        if not re.fullmatch(r"(\d+h)?", body.get("ban_duration", "")):
            return "bad_ban"
        if any(account["email"] == email for account in self.accounts.values()):
            return "email_exists"
        if not _HASH.fullmatch(body.get("password_hash", "$2a$10$" + "x" * 53)):
            return "bad_hash"
        return "create_failed" if uid in self.accounts else ""

    def make(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make an account as auth does."""
        if not body.get("created"):
            self.now += timedelta(seconds=1)
        moment, uid = self.now.isoformat(), str(body.get("id") or uuid.uuid4())
        email = body["email"].lower()
        told = {"email_verified": True} if body.get("email_confirm") else {}
        said_of = {"sub": uid, "email": email, "email_verified": False, "phone_verified": False}
        identity = {"identity_id": str(uuid.uuid4()), "id": uid, "user_id": uid, "identity_data": said_of}
        identity |= {"provider": "email", "last_sign_in_at": moment, "created_at": moment, "updated_at": moment}
        account: dict[str, Any] = {
            "id": uid,
            "aud": "authenticated",
            "role": "authenticated",
            "email": email,
            "email_confirmed_at": moment if body.get("email_confirm") else "",
            "phone": "",
            "confirmed_at": moment if body.get("email_confirm") else "",
            "app_metadata": {"provider": "email", "providers": ["email"]} | (body.get("app_metadata") or {}),
            "user_metadata": told | (body.get("user_metadata") or {}),
            "identities": [identity | {"email": email}],
            "created_at": moment,
            "updated_at": moment,
            "banned_until": "2126-01-01T00:00:00Z" if body.get("ban_duration") else "",
            "deleted_at": body.get("deleted_at", ""),
            "is_anonymous": False,
            "hash": body.get("password_hash") or "random",
        }
        self.accounts[uid] = account
        return account


def said(name: str) -> Answer:
    """An answer of the contract."""
    found = CONTRACT["answers"][name]
    return Answer(found["status"], found["body"], dict(found.get("headers", {})))


def shown(account: dict[str, Any]) -> dict[str, Any]:
    """An account as the API shows it: never its hash."""
    user = CONTRACT["user"]
    return {k: v for k, v in account.items() if k in user["always"] or (k in user["where set"] and v)}


class _Handler(BaseHTTPRequestHandler):
    api: AdminApiServer
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with self.api._lock:
            self.api._busy += 1
            self.api.busiest = max(self.api.busiest, self.api._busy)
        try:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = self.api.answer(self.command, self.path, headers, body)
        finally:
            with self.api._lock:
                self.api._busy -= 1
        if answer.drop:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        data = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def serving(api: AdminApiServer) -> Iterator[AdminApiServer]:
    """The API at its address, until the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
