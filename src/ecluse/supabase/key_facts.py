"""What a stack's `.env` says about keys: which there are, who signed one, and what it is good for. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import jwt

from ecluse.supabase import tokens
from ecluse.supabase.keys import API_KEYS, PREVIOUS
from ecluse.supabase.tokens import ANON, PUBLISHABLE, SECRET, SERVICE

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+))")
# What the official stack calls them inside its gateway.
_ALIASES = {"SUPABASE_ANON_KEY": "ANON_KEY", "SUPABASE_SERVICE_KEY": "SERVICE_ROLE_KEY"}


@dataclass(frozen=True, slots=True)
class Key:
    """What a key says of itself and who signed it.

    `signed`: current | previous | encoded (by the secret decoded from base64) | empty where nobody known did.
    """

    role: str
    form: Literal["jwt", "opaque", "none"] = "jwt"
    issued: datetime | None = None
    expires: datetime | None = None
    signed: str = ""
    demo: bool = False


@dataclass(frozen=True)
class Stack:
    """The values of a stack's `.env`: what all other places are held against."""

    values: Mapping[str, str]
    now: datetime
    # The keys that the gateway knows.
    accepted: frozenset[str] = field(default_factory=frozenset)

    @property
    def secret(self) -> str:
        """The JWT secret."""
        return self.values.get("JWT_SECRET", "")

    @property
    def own(self) -> dict[str, str]:
        """Every key of `.env`, those before the rotation too, with the name it has there."""
        names = [name + end for end in (PREVIOUS, "") for name in API_KEYS]
        return {value: name for name in names if (value := self.values.get(name))}

    def resolve(self, value: str) -> str | None:
        """A value with its variable filled in, as the gateway's start does; None where there is no such variable."""
        name = variable(value)
        if not name:
            return value
        return self.values.get(name) or self.values.get(_ALIASES.get(name, "")) or None

    def key(self, value: str) -> Key:
        """What the value is."""
        if value.startswith((PUBLISHABLE, SECRET)):
            return Key(ANON if value.startswith(PUBLISHABLE) else SERVICE, "opaque")
        try:
            said = jwt.decode(value, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            return Key("", "none")
        signed = self._signed(value)
        demo = said.get("iss") == "supabase-demo"
        return Key(str(said.get("role", "")), "jwt", _time(said, "iat"), _time(said, "exp"), signed, demo)

    def _signed(self, token: str) -> str:
        for name, secret in (("current", self.secret), ("previous", self.values.get(f"JWT_SECRET{PREVIOUS}", ""))):
            if secret and tokens.verifies(token, secret):
                return name
        if any(tokens.verifies_by(token, key) for key in tokens.keys_of(self.values.get("JWT_JWKS", ""))):
            return "current"
        decoded = _decoded(self.secret)
        return "encoded" if decoded and tokens.verifies(token, decoded) else ""


def variable(value: str) -> str:
    """The name in `$NAME` or `${NAME}`; empty where the value is something else."""
    found = _VARIABLE.fullmatch(value)
    return (found["braced"] or found["bare"]) if found else ""


def _decoded(secret: str) -> bytes:
    try:
        return base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_" if {"-", "_"} & {*secret} else None)
    except (binascii.Error, ValueError):
        return b""


def _time(said: Mapping[str, object], name: str) -> datetime | None:
    value = said.get(name)
    if not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
