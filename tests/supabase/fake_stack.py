"""A stack of small servers that answer as the services do, over a real database: whole, or with one fault.

The gateway compares keys letter by letter, auth signs tokens, REST becomes the role of a token inside the database,
meta runs SQL, and realtime tells people who subscribed of rows that row level security shows them.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import psycopg
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from ecluse.model.names import ident
from ecluse.postgres.connect import Database
from ecluse.supabase.keys import API_KEYS

Answer = tuple[int, Any]
_DOWN = 502, {"message": "An invalid response was received from the upstream server"}
_UNKNOWN = 503, {"message": "name resolution failed"}


@dataclass
class FakeStack:
    """The servers, behind one address. `faults` says what does not work."""

    values: dict[str, str]
    database: Database
    faults: set[str] = field(default_factory=set)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    listeners: list[tuple[ServerConnection, str, dict[str, Any]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    socket_port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    # --- the gateway ------------------------------------------------------------------------------

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        """What the gateway answers."""
        self.asked.append(f"{method} {path}")
        if "slow" in self.faults:
            time.sleep(1)
        if "not a gateway" in self.faults:
            return 404, {"detail": "Not Found"}
        service = {"auth": "auth", "rest": "rest", "realtime": "realtime", "storage": "storage", "pg": "meta"}.get(
            path.split("/")[1], "studio"
        )
        if service == "studio":
            return self.studio(headers)
        if service != "storage" and (refused := self.refused(service, headers.get("apikey"))):
            return refused
        if f"{service} down" in self.faults:
            return _DOWN
        if f"{service} away" in self.faults:
            return _UNKNOWN
        serve = {"auth": self.auth, "rest": self.rest, "meta": self.meta}.get(service, self.plain)
        return serve(method, path, self.translated(headers), body)

    def refused(self, service: str, key: str | None) -> Answer | None:
        if "gateway open" in self.faults:
            return None
        if not key:
            return 401, {"message": "No API key found in request"}
        known = {value + ("x" if "other keys" in self.faults else ""): API_KEYS[n] for n, value in self.keys.items()}
        if "no publishable" in self.faults:
            known.pop(self.values["SUPABASE_PUBLISHABLE_KEY"])
        if key not in known:
            return 401, {"message": "Invalid authentication credentials"}
        if service == "meta" and known[key] != "service_role":
            return 403, {"message": "You cannot consume this service"}
        return None

    @property
    def keys(self) -> dict[str, str]:
        return {name: self.values[name] for name in API_KEYS}

    def translated(self, headers: dict[str, str]) -> dict[str, str]:
        """As a service gets them: a key that only the gateway knows has become a token."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        for name, value in self.keys.items():
            if token == value and value.startswith("sb_"):
                role = "ANON" if API_KEYS[name] == "anon" else "SERVICE_ROLE"
                token = self.values[f"{role}_KEY_ASYMMETRIC"]
        return headers | {"token": token or self.values["ANON_KEY"]}

    def claims(self, token: str) -> dict[str, Any] | None:
        """What a service believes of a token; None where it does not."""
        signing = json.loads(self.values["JWT_JWKS"])["keys"][0]
        for key, algorithm in ((self.values["JWT_SECRET"], "HS256"), (jwt.PyJWK(signing).key, "ES256")):
            try:
                found: dict[str, Any] = jwt.decode(token, key, [algorithm], options={"verify_aud": False})
            except jwt.PyJWTError:
                continue
            return found
        return None

    # --- services ---------------------------------------------------------------------------------

    def plain(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        """Storage, and the HTTP side of realtime."""
        return (200, {"message": "Success"}) if path in ("/storage/v1/status", "/realtime/v1/api/ping") else (404, {})

    def studio(self, headers: dict[str, str]) -> Answer:
        login = f"{self.values['DASHBOARD_USERNAME']}:{self.values['DASHBOARD_PASSWORD']}"
        given = b64decode(headers.get("authorization", "").removeprefix("Basic ")).decode()
        if "studio open" in self.faults or (given == login and "studio login" not in self.faults):
            return _DOWN if "studio down" in self.faults else (200, {"primary_email": "johndoe@supabase.io"})
        return 401, {"message": "Invalid authentication credentials" if given else "Unauthorized"}

    def auth(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        if path == "/auth/v1/health":
            return 200, {"version": "v2.186.0", "name": "GoTrue", "description": "GoTrue is a user registration API"}
        if path.startswith("/auth/v1/token"):
            return self.sign_in(body)
        said = self.claims(headers["token"])
        if said is None or "auth secret" in self.faults:
            return 403, {
                "code": 403,
                "error_code": "bad_jwt",
                "msg": "invalid JWT: unable to parse or verify signature",
            }
        if path == "/auth/v1/user":
            return 200, {"id": str(uuid.uuid4()) if "mixed up" in self.faults else said["sub"]}
        if said["role"] != "service_role":
            return 403, {"code": 403, "error_code": "not_admin", "msg": "User not allowed"}
        if method == "DELETE":
            if "person stays" in self.faults:
                return 500, {"code": 500, "error_code": "unexpected_failure", "msg": "Database error deleting user"}
            del self.people[path.rpartition("/")[2]]
            return 200, {}
        if "trigger" in self.faults:
            return 500, {"code": 500, "error_code": "unexpected_failure", "msg": "Database error creating new user"}
        person = {"id": str(uuid.uuid4()), **body}
        self.people[person["id"]] = person
        return 200, {"id": person["id"], "email": body["email"]}

    def sign_in(self, body: Any) -> Answer:
        if "null tokens" in self.faults:
            return 500, {"code": 500, "error_code": "unexpected_failure", "msg": "Database error querying schema"}
        found = next((p for p in self.people.values() if p["email"] == body["email"]), None)
        if found is None or found["password"] != body["password"] or "no password" in self.faults:
            return 400, {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
        key = json.loads(self.values["JWT_KEYS"])[0]
        said = {"sub": found["id"], "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 3600}
        return 200, {"access_token": jwt.encode(said, jwt.PyJWK(key).key, "ES256", {"kid": key["kid"]})}

    def meta(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        if path == "/pg/health":
            return 200, {"date": "2026-11-21T06:00:00.000Z"}
        if "no wal" in self.faults and "wal_level" in body["query"]:
            return 200, [{"wal_level": "replica", "published": True}]
        if "wal_level" in body["query"]:
            return 200, [{"wal_level": "logical", "published": "no publication" not in self.faults}]
        if "read only" in self.faults:
            return 400, {"message": "cannot execute CREATE TABLE in a read-only transaction", "code": "25006"}
        with psycopg.connect(self.database.conninfo, autocommit=True) as conn:
            conn.execute(body["query"].encode())
        return 200, []

    def rest(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        said = self.claims(headers["token"])
        if said is None or ("rest secret" in self.faults and "sub" in said):
            return 401, {
                "code": "PGRST301",
                "message": "No suitable key or wrong key type",
                "details": None,
                "hint": None,
            }
        if "rest expired" in self.faults:
            return 401, {"code": "PGRST303", "message": "JWT expired", "details": None, "hint": None}
        if "rest login" in self.faults:
            why = 'connection failed: FATAL:  password authentication failed for user "authenticator"'
            return 503, {
                "code": "PGRST000",
                "message": "Database connection error. Retrying the connection.",
                "details": why,
            }
        table = path.removeprefix("/rest/v1/")
        if not table:
            return (
                (403, {"message": "forbidden"}) if "anon root" in self.faults and said["role"] == "anon" else (200, {})
            )
        if "rest cache" in self.faults:
            return 404, {
                "code": "PGRST205",
                "message": f"Could not find the table 'public.{table}' in the schema cache",
            }
        return self.row(table, said, body) if method == "POST" else self.rows(table, said)

    @contextlib.contextmanager
    def as_role(self, said: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.database.conninfo) as conn:
            if "no row security" not in self.faults:
                conn.execute(f"SET LOCAL ROLE {ident(said['role'])}".encode())
            if "no claims" not in self.faults:
                conn.execute("SELECT set_config('request.jwt.claims', %s, true)", (json.dumps(said),))
            yield conn

    def row(self, table: str, said: dict[str, Any], body: dict[str, str]) -> Answer:
        try:
            with self.as_role(said) as conn:
                conn.execute(f"INSERT INTO public.{ident(table)} VALUES (%(id)s, %(owner)s, %(note)s)".encode(), body)
        except psycopg.errors.InsufficientPrivilege as error:
            return (401 if said["role"] == "anon" else 403), {"code": "42501", "message": error.diag.message_primary}
        self.tell(table, body)
        return 201, None

    def rows(self, table: str, said: dict[str, Any]) -> Answer:
        with self.as_role(said) as conn:
            return 200, [{"id": str(i)} for (i,) in conn.execute(f"SELECT id FROM public.{ident(table)}".encode())]

    # --- realtime ---------------------------------------------------------------------------------

    def tell(self, table: str, body: dict[str, str]) -> None:
        """Whoever subscribed, and may see the row, hears of it."""
        if "silent" in self.faults:
            return
        for connection, wanted, said in self.listeners:
            visible = said.get("sub") == body["owner"] or "tells all" in self.faults
            if wanted == table and visible:
                record = {**body, "id": str(uuid.uuid4())} if "tells all" in self.faults else body
                data = {"schema": "public", "table": table, "type": "INSERT", "record": record, "errors": None}
                self.push(connection, table, "postgres_changes", {"ids": [1], "data": data})

    def push(self, connection: ServerConnection, table: str, event: str, payload: Any, ref: str | None = None) -> None:
        with self.lock, contextlib.suppress(ConnectionClosed):
            message = {"topic": f"realtime:{table}", "event": event, "payload": payload, "ref": ref}
            connection.send(json.dumps(message))

    def serve_socket(self, connection: ServerConnection) -> None:
        """A connection that was admitted."""
        with contextlib.suppress(ConnectionClosed):
            message = json.loads(connection.recv())
            self.join(connection, message["topic"].removeprefix("realtime:"), message["payload"])
            for _ in connection:
                pass

    def admit(self, connection: ServerConnection, request: Any) -> Any:
        key = parse_qs(urlsplit(request.path).query).get("apikey", [""])[0]
        if refused := self.refused("realtime", key):
            return connection.respond(refused[0], json.dumps(refused[1]))  # type: ignore[arg-type]
        if "realtime signature" in self.faults:
            return connection.respond(401, json.dumps({"error": "Failed to validate JWT signature"}))  # type: ignore[arg-type]
        if "no socket" in self.faults:
            return connection.respond(200, "hello")  # type: ignore[arg-type]
        return None

    def join(self, connection: ServerConnection, table: str, payload: dict[str, Any]) -> None:
        said = self.claims(payload["access_token"])
        if said is None or "join refused" in self.faults:
            reason = "InvalidJWTToken: Failed to validate JWT signature"
            self.push(connection, table, "phx_reply", {"status": "error", "response": {"reason": reason}}, "1")
            return
        wanted = payload["config"]["postgres_changes"]
        changes = [{"id": 1, **change} for change in wanted]
        self.push(connection, table, "phx_reply", {"status": "ok", "response": {"postgres_changes": changes}}, "1")
        if "never subscribed" in self.faults:
            return
        state = {
            "extension": "postgres_changes",
            "channel": table,
            "status": "ok",
            "message": "Subscribed to PostgreSQL",
        }
        if not self.published(table) or "unpublished" in self.faults:
            why = "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given"
            state |= {"status": "error", "message": f"{why} connect parameters: [event: INSERT, schema: public]"}
        self.listeners.append((connection, table, said))
        if "late" in self.faults:
            self.push(connection, table, "system", {"status": "error", "message": "Unable to subscribe to changes"})
        self.push(connection, table, "system", state)
        if "hangs up" in self.faults:
            connection.close()

    def published(self, table: str) -> bool:
        sql = "SELECT FROM pg_publication_tables WHERE pubname = 'supabase_realtime' AND tablename = %s"
        with psycopg.connect(self.database.conninfo) as conn:
            return conn.execute(sql, (table,)).rowcount == 1


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Handler(BaseHTTPRequestHandler):
    stack: FakeStack

    def handle(self) -> None:
        head = self.request.recv(200, socket.MSG_PEEK)
        if b" /realtime/v1/websocket" in head.partition(b"\r\n")[0] and "realtime down" not in self.stack.faults:
            with socket.create_connection(("127.0.0.1", self.stack.socket_port)) as inner:
                there = threading.Thread(target=_pass_on, args=(self.request, inner))
                there.start()
                _pass_on(inner, self.request)
                there.join()
        else:
            super().handle()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, value = self.stack.answer(self.command, self.path.partition("?")[0], headers, body)
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def running(stack: FakeStack) -> Iterator[FakeStack]:
    """The stack at its address, until the end."""
    handler = type("Handler", (_Handler,), {"stack": stack})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stack.url = f"http://127.0.0.1:{server.server_port}"
    realtime = serve(stack.serve_socket, "127.0.0.1", 0, process_request=stack.admit)
    stack.socket_port = realtime.socket.getsockname()[1]
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}),
        threading.Thread(target=realtime.serve_forever),
    ]
    for thread in threads:
        thread.start()
    try:
        yield stack
    finally:
        server.shutdown()
        server.server_close()
        realtime.shutdown()
        for thread in threads:
            thread.join()
