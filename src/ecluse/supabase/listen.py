"""Hearing changes of a table over realtime's socket, as one person."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from ecluse.supabase.http import Gateway, Reply
from ecluse.supabase.outcomes import Failed
from ecluse.supabase.refusals import Cause, cause_of

_LOGS = "docker compose logs realtime"


@dataclass
class Subscription:
    """A channel that hears the inserts into one table."""

    connection: ClientConnection
    topic: str

    def await_subscribed(self, patience: float) -> None:
        """Wait until the database's changes are on their way. Raises Failed with what realtime says instead."""
        why = Cause(f"realtime did not say within {patience:g} s that it listens to the database", _LOGS)
        for event, payload in self._events(patience):
            if event == "phx_reply" and payload.get("status") == "error":
                raise Failed(_cause(str((payload.get("response") or {}).get("reason", "no reason"))))
            if event == "system" and payload.get("status") == "ok":
                return
            if event == "system":
                # It tries again by itself, every five seconds.
                why = _cause(str(payload.get("message", "")))
            if event in ("phx_error", "phx_close"):
                raise Failed(Cause("realtime closed the channel", _LOGS))
        raise Failed(why)

    def heard(self, patience: float) -> list[dict[str, Any]]:
        """The rows that were inserted, as soon as there are any, or none when the time is over."""
        for event, payload in self._events(patience):
            data = payload.get("data") or {}
            if event == "postgres_changes" and data.get("type") == "INSERT":
                if data.get("errors"):
                    raise Failed(Cause(f"realtime may not show the row: {data['errors']}"[:200], _LOGS))
                return [data.get("record") or {}]
        return []

    def _events(self, patience: float) -> Iterator[tuple[str, dict[str, Any]]]:
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            try:
                message = json.loads(self.connection.recv(timeout=left))
            except TimeoutError:
                return
            except ConnectionClosed:
                raise Failed(Cause("realtime closed the connection", _LOGS)) from None
            except ValueError:
                raise Failed(Cause("what answers is no realtime: it does not speak JSON", _LOGS)) from None
            if isinstance(message, dict) and message.get("topic") == self.topic:
                yield str(message.get("event")), message.get("payload") or {}


@contextmanager
def subscribed(gateway: Gateway, key: str, token: str, table: str) -> Iterator[Subscription]:
    """Ask for the inserts into a table of `public`. Raises Failed or NoAnswer where not even that is possible."""
    url = f"ws{gateway.url.removeprefix('http')}/realtime/v1/websocket?apikey={quote(key)}&vsn=1.0.0"
    topic = f"realtime:{table}"
    changes = [{"event": "INSERT", "schema": "public", "table": table}]
    config = {"broadcast": {"ack": False, "self": False}, "presence": {"key": ""}, "postgres_changes": changes}
    join = {"config": config | {"private": False}, "access_token": token}
    try:
        # An address of this machine is nothing for a proxy; `True` means what the environment says.
        connection = connect(url, open_timeout=gateway.timeout, close_timeout=1, proxy=None if gateway.local else True)
    except InvalidStatus as error:
        response = error.response
        raise Failed(
            cause_of("realtime", Reply(response.status_code, (response.body or b"").decode("utf-8", "replace")))
        ) from None
    except InvalidHandshake:
        raise Failed(Cause("what answers is no realtime: it does not open a socket", _LOGS)) from None
    except (OSError, WebSocketException) as error:
        gateway.no_answer(error)
    with connection:
        connection.send(json.dumps({"topic": topic, "event": "phx_join", "payload": join, "ref": "1", "join_ref": "1"}))
        yield Subscription(connection, topic)


def _cause(reason: str) -> Cause:
    return cause_of("realtime", Reply(403, json.dumps({"reason": reason})))
