"""Asking a stack over HTTP, as applications do: through its gateway, with a key and perhaps somebody's token."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import BadStatusLine, HTTPException
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ecluse.errors import WrongUsage

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# A service that answers without end is not worth our memory.
_LIMIT = 1_000_000


class NoAnswer(Exception):
    """Nobody answered: the message says how."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case

    @property
    def value(self) -> Any:
        """The JSON in it; None where it is something else."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def get(self, name: str) -> Any:
        """A member of the JSON object in it; None where there is none."""
        return self.value.get(name) if isinstance(self.value, dict) else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Gateway:
    """The address of a stack."""

    url: str
    timeout: float

    @property
    def local(self) -> bool:
        """Whether it is on this machine, where no proxy has a say."""
        return urlsplit(self.url).hostname in _LOOPBACK

    def ask(
        self,
        method: str,
        path: str,
        *,
        key: str = "",
        token: str = "",
        login: tuple[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        limit: int = _LIMIT,
    ) -> Reply:
        """One request and the first `limit` octets of what was answered, whatever its status. Raises NoAnswer."""
        headers = {"apikey": key, "Authorization": f"Bearer {token or key}"} if key else {}
        if login:
            headers["Authorization"] = f"Basic {b64encode(':'.join(login).encode()).decode()}"
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        handlers = [urllib.request.ProxyHandler({}), _NoRedirect()] if self.local else [_NoRedirect()]
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=self.timeout) as answer:
                return _reply(answer.status, answer.read(limit), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, error.read(limit), error.headers)
        except (OSError, ValueError, HTTPException) as error:
            self.no_answer(error)

    def no_answer(self, error: Exception) -> NoReturn:
        """Raise NoAnswer with what the failure of a connection means."""
        cause = getattr(error, "reason", error)
        where = urlsplit(self.url).netloc
        if isinstance(cause, TimeoutError):
            raise NoAnswer(f"{where} does not answer within {self.timeout:g} s") from None
        if isinstance(cause, ConnectionRefusedError):
            raise NoAnswer(f"nothing listens at {where}") from None
        if isinstance(cause, BadStatusLine) and not isinstance(cause, OSError):
            raise NoAnswer(f"what listens at {where} does not speak HTTP") from None
        if isinstance(cause, ssl.SSLError):
            raise NoAnswer(f"TLS with {where} fails: {getattr(cause, 'verify_message', '') or cause.reason}") from None
        raise NoAnswer(f"no answer from {where}: {getattr(cause, 'strerror', None) or type(cause).__name__}") from None


def gateway_address(values: Mapping[str, str], given: str) -> str:
    """The address that was given, else the port of this machine that `.env` names. Raises WrongUsage."""
    url = (given or f"http://127.0.0.1:{values.get('KONG_HTTP_PORT') or '8000'}").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise WrongUsage(f"'{url}' is not the address of a gateway", hint="--url http://127.0.0.1:8000")
    return url


def _reply(status: int, data: bytes, headers: Message) -> Reply:
    text = data.decode(headers.get_content_charset() or "utf-8", "replace")
    return Reply(status, text, {name.lower(): value for name, value in headers.items()})
